"""Question: does what is known of items make recommendations better, overall and of items that few have chosen?

    python benchmarks/recommender_fusion.py ml-1m-seedformat --features genre director writer --seeds 0 1 2 \
        --config run_scripts/configs/recommender/bert4rec_ml1m.yaml --set num_train_epochs=40 hidden_size=64

The same config is trained with no metadata and with each fusion, once a seed, and tested on the same users. A cold item
has fewer than ten interactions in training. Differences are to the runs without metadata, of the same seeds, paired by
user; one counts if it exceeds two standard errors, of users and seeds together. Finished runs in `--scratch` are kept,
so an interrupted call goes on. Prints one JSON line a fusion.
"""

import argparse
import json
import os
from pathlib import Path

FUSIONS = ("none", "add", "concat", "gate")


def train(fusion, seed, shared, args):
    """Returns the folder of a finished run."""
    from peers.peer_run import train_ours

    folder = shared.scratch / f"{fusion}-{seed}"
    if not (folder / "metrics.json").is_file():
        arguments = dict(text.split("=", 1) for text in args.set) | {"metadata_fusion": fusion}
        if fusion != "none":
            arguments |= {"metadata_features": args.features, "output_embedding": args.output_embedding}
            arguments["title_embeddings"] = args.title_embeddings
        train_ours(folder, shared, args.config, seed, args.threads, resume_from_checkpoint="auto", **arguments)
    return folder


def gates_of(folder):
    """Returns the mean share of each source over the items of a gated model, {name: share}; {} for another."""
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(str(folder), trust_remote_code=True)
    if getattr(model.config, "metadata_fusion", "none") != "gate":
        return {}
    shares = model.gates(torch.arange(3, model.config.vocab_size)).mean(0).tolist()
    return dict(zip(["item", *model.config.metadata_features], [round(share, 4) for share in shares], strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="interactions with what is known of items, as of run_recommender.py")
    parser.add_argument("--data-format", help="format of the data; found out by default")
    parser.add_argument("--config", required=True, help="YAML of a BERT4Rec or SASRec run")
    parser.add_argument("--features", nargs="+", default=["genre", "director", "writer"])
    parser.add_argument("--title-embeddings", help="file of prepare_title_embeddings, for the feature title")
    parser.add_argument("--output-embedding", default="item", choices=["item", "fused", "own"])
    parser.add_argument("--fusions", nargs="+", default=list(FUSIONS), choices=FUSIONS)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="overrides of the config, all runs")
    parser.add_argument("--protocol", default="A", choices=["A", "B"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--scratch", default="build/benchmarks/recommender_fusion")
    args = parser.parse_args()
    import numpy as np
    from peers.peer_run import SharedData, main_figures, report_of_folder

    from traceformers.training.evaluation.paired_ranking import compare_runs
    from traceformers.training.evaluation.ranking_slices import COLD
    from traceformers.training.run_record import command_line

    shared = SharedData(args.data, args.data_format, args.protocol, Path(args.scratch))
    counts = np.bincount(shared.split.train.items, minlength=len(shared.tokenizer))
    cold = counts[shared.split.test.targets] < COLD
    fusions = list(dict.fromkeys(["none", *args.fusions]))  # what the others are compared with
    reports, folders = {}, {}
    for seed in args.seeds:  # a seed of each fusion before the next, so that an interrupted call compares too
        for fusion in fusions:
            folders[fusion, seed] = train(fusion, seed, shared, args)
            reports[fusion, seed] = report_of_folder(folders[fusion, seed] / "model", shared)
    head = {"benchmark": "recommender_fusion", "command": command_line(), "protocol": args.protocol}
    head |= {"users": len(cold), "cold_users": int(cold.sum()), "items": len(shared.tokenizer.items)}
    head |= {"features": args.features, "seeds": args.seeds}
    for fusion in fusions:
        own = [reports[fusion, seed] for seed in args.seeds]
        without = [reports["none", seed] for seed in args.seeds]
        figures = [main_figures(report) for report in own]
        line = {"fusion": fusion} | {name: round(float(np.mean([f[name] for f in figures])), 4) for name in figures[0]}
        line["ndcg@10_by_seed"] = [each["ndcg@10"] for each in figures]
        for name, users in (("", np.ones(len(cold), bool)), ("cold_", cold)):
            if not users.any():
                continue
            ours, theirs = ([r.per_user["ndcg@10"][users] for r in runs] for runs in (own, without))
            line[f"{name}ndcg@10"] = round(float(np.mean(ours)), 4)
            if fusion != "none":
                compared = compare_runs(ours, theirs)
                line[f"{name}ndcg@10_over_none"] = round(compared.difference, 4)
                line[f"{name}ndcg@10_over_none_error"] = compared.error and round(compared.error, 4)
                line[f"{name}significant"] = compared.significant
        if fusion == "gate":
            line["gates"] = [gates_of(folders[fusion, seed] / "model") for seed in args.seeds]
        epochs = [json.loads((folders[fusion, seed] / "metrics.json").read_text())["train"] for seed in args.seeds]
        line |= {key: [round(each[key], 1) for each in epochs] for key in ("epochs", "cpu_seconds")}
        print(json.dumps(head | line), flush=True)


if __name__ == "__main__":
    main()
