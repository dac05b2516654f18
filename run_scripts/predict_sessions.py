"""Tells the label of recordings with a model of run_classification.py: a CSV of file, label and probability.

python run_scripts/predict_sessions.py runs/behaviour/model data/new --output runs/predictions.csv
python run_scripts/predict_sessions.py runs/behaviour/model data/one.json.gz
"""

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.training.session_classification.classification_predictions import predict_labels, write_predictions


def main(argv=None):
    """Writes the predictions; returns them, a `pandas.DataFrame`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub id of a classifier that run_classification.py saved")
    parser.add_argument("recordings", nargs="+", help="folders, files or globs")
    parser.add_argument("--output", help="CSV to write; the terminal if not given")
    parser.add_argument("--revision", default="main", help="revision of a model on the Hub")
    parser.add_argument("--max-eval-windows", type=int, default=64, help="windows of a session that are read, at most")
    arguments = parser.parse_args(argv)
    files = list_session_files(arguments.recordings)
    shown = tqdm(files, unit="session", disable=None)
    table = predict_labels(arguments.model, shown, arguments.revision, arguments.max_eval_windows)
    failed = table["error"].ne("").sum()
    if failed == len(table):
        raise ValueError(f"Expected rrweb recordings, found none among {len(table)} files: {table['error'].iloc[0]}")
    write_predictions(table, Path(arguments.output) if arguments.output else sys.stdout)
    if failed:
        print(f"{failed} of {len(table)} files could not be read, see the column `error`", file=sys.stderr)
    return table


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"predict_sessions: {error}")
