"""Claim: RRWebBERT knows what sessions are about and how users feel, on unseen sites, better than words and counts.

    python benchmarks/rrwebbench/score_session_encoder.py --encoder folds/{fold}/model --folds folds.json \\
        --labels recorded/labels.csv --name RRWebBERT

Scores any encoder of sessions: a folder or repository of SentenceTransformer, or `module:function`, a function from a
list of sessions (paths or lists of events) to one vector each. Baselines are measured in the same run. Prints a JSON
line a figure, and a table at the end; `--out` appends the lines to a file, such as leaderboard.jsonl. With `--scratch`
vectors are kept, and a stopped run goes on.
"""

import argparse
import json
import sys
from pathlib import Path

from tqdm.auto import tqdm

from traceformers.training.session_probes.encoder_vectors import FOLD, encoders_of_folds
from traceformers.training.session_probes.labelled_sessions import read_labels
from traceformers.training.session_probes.privacy_rows import privacy_rows
from traceformers.training.session_probes.probe import SEEDS
from traceformers.training.session_probes.session_benchmark import (
    BenchmarkSessions,
    label_rows,
    label_tasks,
    retrieval_rows,
    robustness_rows,
    row,
)
from traceformers.training.session_probes.site_folds import named_folds

SAMPLES = Path(__file__).parents[2] / "datasets_scripts" / "rrweb_sessions" / "samples" / "labels.csv"
LABEL_TASKS = ("task", "behaviour", "frustrated", "bot")
TASKS = (*LABEL_TASKS, "other half", "same session", "privacy", "next action")


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True, help="folder, repository or module:function; {fold} is the fold")
    parser.add_argument("--labels", default=str(SAMPLES), help="CSV with file, site, task, behaviour, task_evidence")
    parser.add_argument("--recordings", help="folder of the recordings; the folder of the CSV when absent")
    parser.add_argument("--folds", help="JSON {fold: [sites its encoder never saw]}; absent: one encoder for all")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS[:-1]), choices=TASKS, metavar="TASK", help=str(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--n_folds", type=int, default=5, help="parts of sites that are left out in turn")
    parser.add_argument("--name", help="what the encoder is called in the lines; --encoder when absent")
    parser.add_argument(
        "--about", default="", help="revision or hash of the encoder: kept vectors of another are not used"
    )
    parser.add_argument("--scratch", help="folder in which vectors are kept")
    parser.add_argument("--out", help="file to append the lines to")
    parser.add_argument("--privacy_sessions", type=int, default=24, help="recordings whose typed words are swapped")
    parser.add_argument("--next_action_methods", nargs="+", default=["baselines", "frozen"], help="and fine-tuned")
    arguments = parser.parse_args(argv)
    if FOLD in arguments.encoder and not arguments.folds:
        parser.error(f"expected --folds with {FOLD} in --encoder: a file that says which sites each never saw")
    return arguments


def next_action_rows(bench, encoder, methods, seeds):
    """Yields the rows of the task "next action"; heads are trained on the other sites of each fold."""
    from traceformers.training.next_action.next_action_evaluation import evaluate_next_action

    folders = {fold: encoder.replace(FOLD, fold) for fold, _ in bench.folds}
    found = evaluate_next_action(folders, bench.sessions, dict(bench.folds), methods=tuple(methods), seeds=tuple(seeds))
    for system, figures in found["compared"].items():
        for part in ("kind", "target"):
            for figure in ("accuracy", "macro_f1"):
                value = figures[part][figure]
                yield row(f"next action: {part}", system, figure, [value], found["examples"], seeds=len(seeds))


def all_rows(arguments):
    """Yields every row that is asked for."""
    sessions = read_labels(
        arguments.labels, arguments.recordings, evidence_only=True, columns=("site", "task", "behaviour")
    )
    sites = sorted(set(sessions.sites))
    folds = named_folds(arguments.folds, sites) if arguments.folds else [("all", sites)]
    encoders = encoders_of_folds(arguments.encoder, folds, arguments.scratch, arguments.about)
    bench = BenchmarkSessions(sessions, folds, encoders)
    asked = [task for task in LABEL_TASKS if task in arguments.tasks]
    if asked:
        missing = set(asked) - set(label_tasks(sessions))
        assert not missing, missing
        yield from label_rows(bench, arguments.seeds, asked, min(arguments.n_folds, len(sites)))
    if "other half" in arguments.tasks:
        yield from retrieval_rows(bench)
    if "same session" in arguments.tasks:
        yield from robustness_rows(bench)
    if "privacy" in arguments.tasks:
        yield from privacy_rows(bench, arguments.seeds, arguments.privacy_sessions)
    if "next action" in arguments.tasks:
        yield from next_action_rows(bench, arguments.encoder, arguments.next_action_methods, arguments.seeds[:1])


def table(rows) -> str:
    """Returns rows as Markdown."""
    lines = ["| task | system | figure | mean | spread | n |", "|---|---|---|---|---|---|"]
    for found in rows:
        kept = {True: ", typed text kept", False: "", None: ""}[found.get("typed_text_kept")]
        lines.append(
            f"| {found['task']} | {found['system']}{kept} | {found['figure']} | {found['mean']:.3f} | "
            f"{found['spread']:.3f} | {found['n']} |"
        )
    return "\n".join(lines)


def main(argv=None):
    arguments = parse_arguments(argv)
    command = "python benchmarks/rrwebbench/score_session_encoder.py " + " ".join(
        sys.argv[1:] if argv is None else argv
    )
    found = []
    for line in tqdm(all_rows(arguments), desc="figures", unit="figure"):
        line = {"benchmark": "rrwebbench", "encoder": arguments.name or arguments.encoder, **line, "command": command}
        found.append(line)
        print(json.dumps(line), flush=True)
        if arguments.out:
            with open(arguments.out, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
