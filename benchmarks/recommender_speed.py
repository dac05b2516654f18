"""Claim: training on 2 x, and recommending to 5 x as many users a processor second as RecTools, in less memory.

    python benchmarks/recommender_speed.py ml-1m_sas.txt.gz --peer-python env/bin/python --max-users 1000

Both sides train the same model on the same histories (256 wide, 2 layers, 4 heads, 200 items, batches of 128, Adam,
cross-entropy over the whole catalogue) and recommend the ten best unseen items to every user, each in a process of its
own, one after the other. A training sequence is a user in an epoch. Ours goes the way of a user: `run_recommender.py`
trains and saves, `AutoModel.from_pretrained(folder).recommend(lists of ids)` recommends in a fresh process. Reading of
the data is left out on both sides, and evaluation too; we put histories in order while reading, RecTools while fitting.
Attention has dropout in RecTools and by default not in ours: `--attention-dropout 0.2` switches it on. RecTools
recommends in float32; `--dtype bfloat16` shows what a user gets who loads our model with that dtype. On a machine that
does other work, too, look at processor seconds.
RecTools' environment: pip install "rectools[torch]==0.19.0". Prints one JSON line a side and model, then the ratios.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
from pathlib import Path

SHAPE = {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "max_history": 200}
K = 10
FEED_FORWARD = {"bert4rec": 1024, "sasrec": 256}  # as RecTools has them


def recommend(pipe, folder, histories, threads, dtype):
    """Sends (record, items of each user) of `recommend` from a saved folder; the process of it."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch
    from transformers import AutoModel

    torch.set_num_threads(threads)
    model = AutoModel.from_pretrained(folder, trust_remote_code=True, dtype=dtype)
    model.recommend(histories[:1], k=K)  # loads the vocabulary
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, processor = time.perf_counter(), time.process_time()
    found = model.recommend(histories, k=K)
    record = {"recommend_seconds": time.perf_counter() - wall, "recommend_cpu_seconds": time.process_time() - processor}
    record |= {"recommend_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    pipe.send((record | {"loaded_peak_mb": round(loaded)}, found.items))


def recommend_ours(folder, shared, args):
    """Returns (record, ranking (n, k) in item codes) of our side."""
    import numpy as np

    from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID

    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    arguments = (theirs, str(folder), shared.history_lists(), args.threads, args.dtype)
    process = context.Process(target=recommend, args=arguments, daemon=True)
    process.start()
    theirs.close()  # so that a process that died is an EOFError here
    record, items = pipe.recv()
    process.join()
    rows = [[shared.tokenizer.id_of(item) - FIRST_ITEM_ID for item in row] for row in items]
    return record, np.array([row + [-1] * (K - len(row)) for row in rows])


def ours(model, shared, args):
    """Returns (record, ranking) of our training and recommending."""
    from peers.peer_run import train_ours

    folder = shared.scratch / f"run-{model}"
    run = {"model_type": model, "intermediate_size": FEED_FORWARD[model]} | SHAPE
    run |= {"hidden_dropout_prob": 0.2, "use_cpu": True}
    run |= {"num_train_epochs": args.epochs, "per_device_train_batch_size": 128, "early_stopping_patience": 0}
    run |= {"eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False}
    if args.attention_dropout:
        run["attention_probs_dropout_prob"] = args.attention_dropout
    record = {"side": "traceformers", "model": model}
    if not args.skip_training:
        train = train_ours(folder, shared, seed=args.seed, threads=args.threads, **run)["train"]
        record |= {"fit_seconds": train["seconds"], "fit_cpu_seconds": train["cpu_seconds"]}
        record |= {"fit_peak_mb": round(train["peak_memory_mib"]), "parameters": train["parameters"]}
    found, ranking = recommend_ours(folder / "model", shared, args)
    return record | {"recommend_dtype": args.dtype} | found, ranking


def theirs(model, shared, args):
    """Returns (record, ranking) of RecTools."""
    from peers.peer_run import run_peer

    names = {"n_factors": "hidden_size", "n_blocks": "num_hidden_layers", "n_heads": "num_attention_heads"}
    settings = [f"{name}={SHAPE[ours_]}" for name, ours_ in names.items()]
    settings += [f"session_max_len={SHAPE['max_history']}", f"epochs={args.epochs}"]
    record, ranking = run_peer(args.peer_python, "rectools", model, shared, settings, K, args.seed, args.threads)
    kept = ("parameters", "fit_seconds", "fit_cpu_seconds", "fit_peak_mb", "prepare_context_peak_mb")
    kept += ("recommend_seconds", "recommend_cpu_seconds", "recommend_peak_mb")
    return {"side": "rectools", "model": model} | {name: record[name] for name in kept if name in record}, ranking


def rates(record, trained, asked, epochs):
    """Adds the rates of a side to its record."""
    for name in ("seconds", "cpu_seconds"):
        unit = name.removesuffix("s")
        if record.get(f"fit_{name}"):
            record[f"sequences_per_{unit}"] = round(trained * epochs / record[f"fit_{name}"], 2)
        record[f"users_per_{unit}"] = round(asked / record[f"recommend_{name}"], 1)
    record["peak_mb"] = max(record.get("fit_peak_mb", 0), record["recommend_peak_mb"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="interactions, as of run_recommender.py")
    parser.add_argument("--data-format", help="format of the data; found out by default")
    parser.add_argument("--peer-python", help="Python of RecTools' environment; without it only ours runs")
    parser.add_argument("--models", nargs="*", default=list(FEED_FORWARD), choices=FEED_FORWARD)
    parser.add_argument("--max-users", type=int, default=0, help="the first so many users only; 0 for all")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--attention-dropout", type=float, default=0.0, help="of ours; RecTools has 0.2")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="our model recommends in")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip-training", action="store_true", help="recommend from what an earlier call trained")
    parser.add_argument("--scratch", default="build/benchmarks/recommender_speed")
    args = parser.parse_args()
    from traceformers.training.run_record import command_line

    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    from peers.peer_run import SharedData, main_figures, ranks_in, report_of_ranks

    from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID

    shared = SharedData(args.data, args.data_format, "A", Path(args.scratch), args.max_users)
    asked, trained = len(shared.split.test), int((shared.split.train.lengths > 1).sum())
    head = {"benchmark": "recommender_speed", "command": command_line(), "threads": args.threads}
    head |= {"users": len(shared.histories), "items": len(shared.tokenizer) - FIRST_ITEM_ID, "epochs": args.epochs}
    for model in args.models:
        records = {}
        for side in (ours, theirs) if args.peer_python else (ours,):
            record, ranking = side(model, shared, args)
            rates(record, trained, asked, args.epochs)
            ranks = ranks_in(ranking, shared.split.test.targets - FIRST_ITEM_ID)
            record |= main_figures(report_of_ranks(ranks, shared, ranking + FIRST_ITEM_ID))
            records[side] = record
            print(json.dumps(head | record), flush=True)
        if len(records) == 2:
            names = [name for name in records[ours] if "_per_" in name]
            ratio = {f"{name}_times": round(records[ours][name] / records[theirs][name], 2) for name in names}
            ratio["peak_mb_times"] = round(records[ours]["peak_mb"] / records[theirs]["peak_mb"], 2)
            print(json.dumps(head | {"model": model, "ours_over": "rectools"} | ratio), flush=True)


if __name__ == "__main__":
    main()
