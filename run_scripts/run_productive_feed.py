"""Trains a productive feed on what one person said of videos, and tells how well it foretells what they say next.

A minute on two cores, a small encoder from this environment, on a feed folder of `traceformers feed export`:
    python run_scripts/run_productive_feed.py run_scripts/configs/productive_feed/linear.yaml \\
        --data runs/feed_export --output_dir runs/feed
Linear first, then with activity by gradients where there are enough labels; the better on validation is kept:
    python run_scripts/run_productive_feed.py run_scripts/configs/productive_feed/auto.yaml \\
        --data runs/feed_export --output_dir runs/feed
With peers in the same table, and folds:
    python run_scripts/run_productive_feed.py run_scripts/configs/productive_feed/linear.yaml \\
        --data runs/feed_export --output_dir runs/feed --baselines tfidf_logistic tfidf_svm random_forest --folds 5
LoRA on BGE-M3, on a GPU:
    accelerate launch run_scripts/run_productive_feed.py run_scripts/configs/productive_feed/hybrid_bge_m3.yaml \\
        --data runs/feed_export --output_dir runs/feed_bge_m3
Go on after an interruption: the same command with --resume_from_checkpoint auto

The output folder receives run.yaml, metrics.json, labels.parquet (which label went where), pictures, checkpoints, and
model/: weights or adapter, tokenizer, figures, card and code, as they go to the Hub. Arguments are read from the YAML
file, then from the command line.
"""

import sys

from traceformers.training.productive_feed.feed_arguments import parse_feed
from traceformers.training.productive_feed.feed_run import run_feed


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    groups = parse_feed(sys.argv[1:] if argv is None else argv, __doc__)
    metrics = run_feed(*groups)
    if groups[2].process_index == 0:
        for line in metrics["data"]["advice"]:
            print(line)
        print(summary_line(metrics, groups[2].output_dir))
    return metrics


def summary_line(metrics, output_dir):
    """Returns one line of what a run reached.

    >>> head = {"n": 60, "average_precision": 0.8042, "brier": 0.1812, "base_rate": 0.41}
    >>> summary_line({"chosen": {"model": "linear"}, "test": {"interest": head, "productive": {"n": 0}}}, "runs/x")
    'linear, test: interest AP 0.804 (base rate 0.410) Brier 0.181 of 60 labels, productive no labels -> runs/x'
    """
    parts = []
    for head, figures in metrics["test"].items():
        if not figures["n"]:
            parts.append(f"{head} no labels")
            continue
        precision = figures["average_precision"]
        shown = "undefined" if precision is None else f"{precision:.3f}"
        parts.append(
            f"{head} AP {shown} (base rate {figures['base_rate']:.3f}) Brier {figures['brier']:.3f} of "
            f"{figures['n']:,} labels"
        )
    return f"{metrics['chosen']['model']}, test: {', '.join(parts)} -> {output_dir}"


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"run_productive_feed: {error}")
