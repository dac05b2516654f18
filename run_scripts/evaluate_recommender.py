"""Evaluates saved recommenders on one split: a table, a picture, and whether the differences are more than chance.

    python run_scripts/evaluate_recommender.py --model bert4rec=runs/bert4rec/model --model ease=runs/ease/model \\
        --data movielens-small --output-dir runs/comparison
    python run_scripts/evaluate_recommender.py --model sasrec=runs/sasrec-{seed}/model --model ease=runs/ease/model \\
        --seed 1 --seed 2 --seed 3 --data ratings.csv --protocol A --output-dir runs/comparison

Each target is ranked among all items the user has not had. Figures also by length of the history and by how often the
target occurs in training, cold items (fewer than 10) first. A name with {seed} is one system with a model a seed; a
verdict needs three seeds, or two systems without any.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from traceformers.datasets_scripts.interactions.reading_options import add_reading_options, reading_options
from traceformers.modeling.recommender import CLOSED_FORMS
from traceformers.training.evaluation.ranking_report import CUTS
from traceformers.training.evaluation.recommender_comparison import MAIN, build_comparison, evaluate_saved
from traceformers.training.evaluation.recommender_plots import draw_comparison
from traceformers.training.evaluation.recommender_tables import comparison_markdown
from traceformers.training.evaluation.saved_recommender import load_recommender
from traceformers.training.hardware import describe_hardware
from traceformers.training.recommenders.history_split import PROTOCOLS
from traceformers.training.recommenders.recommender_arguments import RecommenderDataArguments
from traceformers.training.recommenders.recommender_run import RecommenderData
from traceformers.training.run_record import command_line, git_commit, write_json


def parse(argv=None):
    """Returns the arguments of a command line."""
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add(
        "--model", action="append", required=True, metavar="NAME=MODEL", help="folder or Hub id; {seed} in it is filled"
    )
    add("--seed", action="append", default=[], type=int, help="seeds of the models with {seed} in their name")
    add("--data", default="movielens-small", help="file or folder of interactions (movielens-small)")
    add_reading_options(parser, "--data-format")
    add("--protocol", default="A", choices=PROTOCOLS, help="of the split, as in training (A)")
    add("--eval-users", type=int, help="as in training: users that protocol B asks in validation")
    for name in ("validation", "test"):
        add(f"--{name}-time", help="as in training: a date, seconds since 1970 or a rank, for protocol time")
    add("--part", default="test", choices=("validation", "test"), help="who is asked (test)")
    add("--k", action="append", type=int, help=f"cuts of the figures {CUTS}")
    add("--figure", default=MAIN, help=f"what systems are compared by ({MAIN})")
    add("--reference", metavar="NAME", help="the system that the others are compared with (the best)")
    add("--batch-size", type=int, default=64, help="users scored at once (64); a GPU likes more")
    add("--device", default="cpu", help="cpu, cuda, ... (cpu)")
    add("--output-dir", required=True, help="where the report goes")
    return parser.parse_args(argv)


def main(argv=None):
    """Evaluates what the command line names; returns the comparison."""
    args = parse(argv)
    systems = named_models(args.model, args.seed)
    data = RecommenderData(
        RecommenderDataArguments(
            data=args.data,
            data_format=args.data_format,
            protocol=args.protocol,
            eval_users=args.eval_users,
            validation_time=args.validation_time,
            test_time=args.test_time,
            **reading_options(args),
        )
    )
    asked = getattr(data.split, args.part)
    item_counts = np.bincount(data.split.train.items, minlength=len(data.tokenizer))
    results, seedless = {}, set()
    for name, folders in systems.items():
        results[name] = []
        for folder in folders:
            model = load_recommender(folder, device=args.device)
            if model.config.model_type in CLOSED_FORMS:
                seedless.add(name)
            report = evaluate_saved(
                model, data.tokenizer, asked, item_counts, tuple(args.k or CUTS), args.batch_size, args.device
            )
            results[name].append(report)
            print(f"{folder}: {args.figure} {report.figures.get(args.figure)}", file=sys.stderr)
    comparison = build_comparison(results, args.figure, args.reference, seedless)
    comparison |= {"models": systems, "part": args.part, "data": data.about, "seeds": args.seed}
    comparison |= {"command": command_line(), "git_commit": git_commit(), "hardware": describe_hardware()}

    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    text = comparison_markdown(comparison)
    write_json(folder / "recommender_comparison.json", comparison)
    (folder / "recommender_comparison.md").write_text(text, encoding="utf-8")
    draw_comparison(comparison, folder / "recommender_comparison.png")
    print(text)
    print(f"Written to {folder}: recommender_comparison.json, .md and .png")
    return comparison


def named_models(words, seeds):
    """Returns {name: [folder of each seed]} of words NAME=MODEL; a word without a name is its own.

    >>> named_models(["a=runs/a-{seed}", "runs/b"], [1, 2])
    {'a': ['runs/a-1', 'runs/a-2'], 'runs/b': ['runs/b']}
    """
    systems = {}
    for word in words:
        name, equals, place = word.partition("=")
        place = place if equals else name
        if "{seed}" in place and not seeds:
            raise ValueError(f"Expected --seed for {word!r}, got none. Give each seed: --seed 1 --seed 2 --seed 3.")
        if name in systems:
            raise ValueError(f"Expected systems of different names, got {name!r} twice. Name them: --model NAME=MODEL.")
        places = [place.replace("{seed}", str(seed)) for seed in seeds] if "{seed}" in place else [place]
        systems[name] = places
    return systems


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"evaluate_recommender: {error}")
