"""Claim: BERT4Rec and SASRec reach the published NDCG@10 on ML-1M; EASE and MultiVAE equal their peers on one split.

Ours from folders that `run_recommender.py` left, peers trained here by their own Pythons:
    python benchmarks/recommender_quality.py ml-1m_sas.txt.gz --ours bert4rec=runs/bert4rec ease=runs/ease \
        --peer-python rectools=env/bin/python --peers rectools:ease rectools:sasrec,epochs=60,n_factors=64
Both sides trained here, at equal epochs:
    python benchmarks/recommender_quality.py ml-1m_sas.txt.gz --protocols A B --seeds 0 1 2 \
        --train run_scripts/configs/recommender/bert4rec_ml1m.yaml --train-set num_train_epochs=20 hidden_size=64 \
        --peer-python rectools=env/bin/python --peers rectools:bert4rec,epochs=20,n_factors=64

Protocols are those of `training/recommenders/history_split.py`; every item is ranked, what a user has had is left out.
Folders say in their metrics.json which protocol they are of; several of one name are its seeds. Peers give their ten
best items a user, and one code judges both sides. Prints one JSON line a system and protocol, with the difference to
`--reference`, paired by user, and a table at the end.
"""

import argparse
import json
import os
import sys
from pathlib import Path

PEERS_WITHOUT_A_SEED = ("ease", "popular", "popularity")  # closed form: one run is all there is


def ours_of_folders(pairs, protocol):
    """Returns {name: [model folder, ...]} of those `name=folder` whose runs are of a protocol."""
    found = {}
    for pair in pairs:
        name, _, folder = pair.partition("=")
        metrics = json.loads((Path(folder) / "metrics.json").read_text())
        if metrics["data"]["protocol"] == protocol:
            model = Path(folder) / "model"
            found.setdefault(name, []).append(model if model.is_dir() else Path(folder))
    return found


def is_seedless(folders):
    """Returns whether model folders are of runs that no seed changes; metrics.json lies there or beside them."""
    from traceformers.modeling.recommender import CLOSED_FORMS

    files = [Path(folder) / "metrics.json" for folder in folders]
    files = [file if file.is_file() else file.parent.parent / file.name for file in files]
    return all(json.loads(file.read_text())["model_type"] in CLOSED_FORMS for file in files)


def trained_here(config, shared, args):
    """Returns (name, [model folder, ...], runs' metrics) of a config trained once a seed; a finished run is kept."""
    from peers.peer_run import train_ours

    overrides = dict(text.split("=", 1) for text in args.train_set)
    name, folders, metrics = Path(config).stem, [], []
    for seed in args.seeds:
        folder = shared.scratch / f"{name}-{shared.protocol}-{seed}"
        if not (folder / "metrics.json").is_file():
            train_ours(folder, shared, config, seed, args.threads, resume_from_checkpoint="auto", **overrides)
        folders.append(folder / "model")
        metrics.append(json.loads((folder / "metrics.json").read_text())["train"])
    return name, folders, metrics


def peer_reports(text, shared, args):
    """Returns (name, [RankingReport, ...], records) of "rectools:sasrec,epochs=60", once a seed."""
    from peers.peer_run import FIRST_ITEM_ID, ranks_in, report_of_ranks, run_peer

    system, *settings = text.split(",")
    peer, _, model = system.partition(":")
    pythons = dict(pair.split("=", 1) for pair in args.peer_python)
    if peer not in pythons:
        raise SystemExit(f"Expected --peer-python {peer}=PATH for --peers {text}, got {sorted(pythons)}.")
    reports, records = [], []
    for seed in args.seeds[:1] if model in PEERS_WITHOUT_A_SEED else args.seeds:
        record, ranking = run_peer(pythons[peer], peer, model, shared, settings, 10, seed, args.threads)
        ranks = ranks_in(ranking, shared.split.test.targets - FIRST_ITEM_ID)
        reports.append(report_of_ranks(ranks, shared, ranking + FIRST_ITEM_ID))
        records.append(record)
    return f"{peer} {model}", reports, records


def line_of(name, reports, reference, seedless):
    """Returns what is said of a system: means over seeds, each seed's figures, and the paired difference.

    Args:
        name (`str`), reports (list of `RankingReport`): of the system. reference: the same two of another, or None.
        seedless (set of `str`): systems that no seed changes.
    """
    from peers.peer_run import main_figures

    from traceformers.training.evaluation.paired_ranking import compare_runs

    figures = [main_figures(report) for report in reports]
    line = {"system": name, "runs": len(reports)}
    line |= {key: round(sum(each[key] for each in figures) / len(figures), 4) for key in figures[0]}
    line["ndcg@10_by_run"] = [each["ndcg@10"] for each in figures]
    if reference is not None and reference[0] != name:
        compared = compare_runs(reports, reference[1], seeded=not {name, reference[0]} <= seedless)
        line["over"] = reference[0]
        line["ndcg@10_over"] = round(compared.difference, 4)
        line["ndcg@10_over_error"] = round(compared.error, 4)
        line["significant"] = compared.significant
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="interactions, as of run_recommender.py")
    parser.add_argument("--data-format", help="format of the data; found out by default")
    parser.add_argument("--protocols", nargs="+", default=["A"], choices=["A", "B"])
    parser.add_argument("--ours", nargs="*", default=[], metavar="NAME=FOLDER", help="finished runs")
    parser.add_argument("--train", nargs="*", default=[], metavar="CONFIG", help="configs to train here")
    parser.add_argument("--train-set", nargs="*", default=[], metavar="NAME=VALUE", help="overrides of --train")
    parser.add_argument("--peers", nargs="*", default=[], metavar="PEER:MODEL[,NAME=VALUE...]")
    parser.add_argument("--peer-python", nargs="*", default=[], metavar="PEER=PATH")
    parser.add_argument("--reference", help="system that the others are compared with [the first]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--max-users", type=int, default=0, help="the first so many users only; 0 for all")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--scratch", default="build/benchmarks/recommender_quality")
    args = parser.parse_args()
    from peers.peer_run import SharedData, report_of_folder

    from traceformers.training.run_record import command_line

    head = {"benchmark": "recommender_quality", "command": command_line()}
    lines = []
    for protocol in args.protocols:
        shared = SharedData(args.data, args.data_format, protocol, Path(args.scratch), args.max_users)
        systems, facts, seedless = {}, {}, set()
        for name, folders in ours_of_folders(args.ours, protocol).items():
            systems[name] = [report_of_folder(folder, shared) for folder in folders]
            seedless |= {name} if is_seedless(folders) else set()
        for config in args.train:
            name, folders, metrics = trained_here(config, shared, args)
            systems[name] = [report_of_folder(folder, shared) for folder in folders]
            seedless |= {name} if is_seedless(folders) else set()
            facts[name] = {key: [each.get(key) for each in metrics] for key in ("epochs", "cpu_seconds")}
        for text in args.peers:
            name, systems_reports, records = peer_reports(text, shared, args)
            systems[name] = systems_reports
            seedless |= {name} if name.split()[-1] in PEERS_WITHOUT_A_SEED else set()
            facts[name] = {key: [each.get(key) for each in records] for key in ("set", "fit_cpu_seconds")}
        if not systems:
            raise SystemExit(f"Expected systems of protocol {protocol}, got none. Name some: --ours, --train, --peers.")
        chosen = args.reference or next(iter(systems))
        if chosen not in systems:
            raise SystemExit(f"Expected --reference of {', '.join(systems)}, got {chosen!r}.")
        for name, reports in systems.items():
            line = {"protocol": protocol, "users": len(shared.split.test), "seeds": args.seeds}
            line |= line_of(name, reports, (chosen, systems[chosen]), seedless) | facts.get(name, {})
            lines.append(line)
            print(json.dumps(head | line), flush=True)
    print("\n| protocol | system | HR@10 | NDCG@10 | over the reference |\n|---|---|---:|---:|---:|", file=sys.stderr)
    for line in lines:
        over = f"{line['ndcg@10_over']:+.4f} ± {line['ndcg@10_over_error']:.4f}" if "over" in line else ""
        cells = (line["protocol"], line["system"], f"{line['hr@10']:.4f}")
        cells += (f"{line['ndcg@10']:.4f} ± {line['ndcg@10_error']:.4f}", over)
        print("| " + " | ".join(cells) + " |", file=sys.stderr)


if __name__ == "__main__":
    main()
