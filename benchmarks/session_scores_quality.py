"""Struggle and anomaly of `traceformers sessions` against the rules that session replay products have.

    python benchmarks/session_scores_quality.py recordings --labels recordings/labels.csv \
        --models 'folds/{fold}/mlm/model' --folds folds.json --output-dir runs/session-scores

The sessions of each fold's sites are embedded with a model that never saw these sites, not even without labels;
`--models MODEL` without `--folds` embeds all with one. Labels are used for nothing but the figures. Prints JSON lines:

- `struggle`: frustrated against engaged, area under the ROC curve (AUROC), by struggle, by the number of rage clicks (3
  within 30 px in 1 s), by clicks a step, and by a logistic regression on all counters trained on the other folds;
- `anomaly`: bots against all others, AUROC within each fold, by anomaly and by each of its parts alone, and by two hand
  rules (few points of the pointer a click, many events a second); the same for frustrated sessions against all others;
- `time`: seconds a session, and for the commands on an index.

An index that is in the output folder already is not embedded again.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from traceformers.apps.sessions.session_clusters import find_clusters, map_of
from traceformers.apps.sessions.session_drift import measure_drift
from traceformers.apps.sessions.session_index import SessionIndex
from traceformers.apps.sessions.session_model import SessionModel
from traceformers.training.hardware import describe_hardware
from traceformers.training.session_evidence.session_counters import session_counters
from traceformers.training.session_evidence.session_scores import RHYTHM, percentiles, rhythm_scores
from traceformers.training.session_probes.labelled_sessions import read_labels


def linked_folder(folder, files):
    """Returns a folder of links to some recordings."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        link = folder / file.name
        if not link.exists():
            link.symlink_to(file.resolve())
    return folder


def embed_fold(sessions, model, folder):
    """Returns `(index, (wall, processor) seconds a session)`; no seconds where the index was there."""
    recordings = linked_folder(folder / "recordings", sessions.files)
    there, start = (folder / "index" / "sessions.parquet").exists(), (time.perf_counter(), time.process_time())
    index = SessionIndex.create(folder / "index", recordings, SessionModel(model), progress=True)
    spent = (time.perf_counter() - start[0], time.process_time() - start[1])
    return index, None if there else np.array(spent) / len(sessions)


def auroc(positive, score):
    """Returns the area under the ROC curve, None where only one class is there."""
    return round(float(roc_auc_score(positive, score)), 4) if 0 < positive.sum() < len(positive) else None


def spread(values):
    """Returns mean and standard deviation over folds."""
    values = [value for value in values if value is not None]
    return {"mean": round(float(np.mean(values)), 4), "sd": round(float(np.std(values)), 4), "folds": values}


def by_counters(rows, positive, folds):
    """Returns the scores of logistic regressions on all counters, each trained on the sessions of other folds."""
    features = np.array([[row["counters"][name] for name in sorted(row["counters"])] for row in rows])
    features = np.log1p(np.abs(features))
    scores = np.zeros(len(rows))
    for fold in np.unique(folds):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
        model.fit(features[folds != fold], positive[folds != fold])
        scores[folds == fold] = model.decision_function(features[folds == fold])
    return scores


def struggle_line(rows):
    """Returns the figures of frustrated against engaged sessions."""
    rows = [row for row in rows if row["behaviour"] in ("frustrated", "engaged")]
    positive = np.array([row["behaviour"] == "frustrated" for row in rows])
    folds = np.array([row["fold"] for row in rows])
    scores = {
        "struggle": [row["struggle"] for row in rows],
        "rage clicks": [row["rage_clicks"] for row in rows],
        "clicks a step": [row["clicks_per_step"] for row in rows],
        "dead clicks": [row["dead_clicks"] for row in rows],
    }
    if len(np.unique(folds)) > 1:
        scores["regression on counters"] = by_counters(rows, positive, folds)
    line = {"figure": "struggle", "frustrated": int(positive.sum()), "engaged": int((~positive).sum())}
    for name, values in scores.items():
        values = np.array(values, dtype=float)
        within = [auroc(positive[folds == fold], values[folds == fold]) for fold in np.unique(folds)]
        line[name] = {"pooled": auroc(positive, values), "by fold": spread(within)}
    top = np.argsort([-row["struggle"] for row in rows], kind="stable")[: int(positive.sum())]
    line["precision of the first as many as are frustrated"] = round(float(positive[top].mean()), 4)
    return line


def anomaly_line(rows):
    """Returns the figures of bots against all other sessions, ranked within each fold's index."""
    folds = np.array([row["fold"] for row in rows])
    scores = {
        "anomaly": [row["anomaly"] for row in rows],
        "distance": [row["neighbour_distance"] for row in rows],
        "surprise": [row["surprise_mean"] for row in rows],
        "rhythm": [row["rhythm"] for row in rows],
        "few points a click": [-row["points_per_click"] for row in rows],
        "events a second": [row["events_per_s"] for row in rows],
    }
    line = {"figure": "anomaly", "sessions": len(rows)}
    for what in ("bot", "frustrated"):
        positive = np.array([row["behaviour"] == what for row in rows])
        line[f"{what} sessions"] = int(positive.sum())
        for name, values in scores.items():
            values = np.nan_to_num(np.array(values, dtype=float))
            within = [auroc(positive[folds == fold], values[folds == fold]) for fold in np.unique(folds)]
            line[f"{what} by {name}"] = spread(within)
    return line


def commands_line(index):
    """Returns the seconds of each command on an index, once embedded."""
    line = {"figure": "time of commands", "sessions": len(index)}
    half = np.arange(len(index)) < len(index) // 2
    for name, run in (
        ("open", lambda: SessionIndex(index.folder)),
        ("clusters", lambda: find_clusters(index.vectors)),
        ("map", lambda: map_of(index.vectors)),
        ("nearest of all", lambda: [index.nearest(vector, 10) for vector in index.vectors]),
        ("ranks", lambda: percentiles(index.columns["anomaly"])),
        ("drift", lambda: measure_drift(_part(index, half), _part(index, ~half))),
    ):
        start = time.perf_counter()
        run()
        line[f"{name}_s"] = round(time.perf_counter() - start, 3)
    return line


class _part:
    """Some of an index's sessions, as far as drift looks."""

    def __init__(self, index, chosen):
        self.about, self.vectors = index.about, index.vectors[chosen]
        self.columns = {name: np.array(values, dtype=object)[chosen].tolist() for name, values in index.columns.items()}

    def __len__(self):
        return len(self.vectors)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--labels", type=Path, required=True, help="CSV with file, site, behaviour, task_evidence")
    parser.add_argument("--models", required=True, help="folder of a model, {fold} stands for the fold's name")
    parser.add_argument("--folds", type=Path, help='JSON: {"0": [sites held out], ...}')
    parser.add_argument("--output-dir", type=Path, required=True)
    args = parser.parse_args(argv)
    sessions = read_labels(args.labels, args.recordings, evidence_only=True, columns=("site", "behaviour"))
    folds = json.loads(args.folds.read_text()) if args.folds else {"all": sorted(set(sessions.sites))}
    rows, seconds = [], []
    for fold, sites in folds.items():
        held_out = sessions.where(np.isin(sessions.sites.astype(str), sites))
        index, cost = embed_fold(held_out, args.models.format(fold=fold), args.output_dir / f"fold-{fold}")
        seconds += [] if cost is None else [cost]
        behaviour = dict(zip((path.name for path in held_out.files), held_out.column("behaviour"), strict=True))
        path_of = {path.name: path for path in held_out.files}
        rhythms = rhythm_scores([[index.columns[name][i] for name in RHYTHM] for i in range(len(index))])[0]
        for i in range(len(index)):
            row = {name: values[i] for name, values in index.columns.items()}
            counters = session_counters(path_of[row["file"]])
            row["rhythm"] = float(rhythms[i])
            rows.append({**row, "fold": fold, "behaviour": behaviour[row["file"]], "counters": counters})
    print(json.dumps(struggle_line(rows)))
    print(json.dumps(anomaly_line(rows)))
    if seconds:
        wall, processor = np.mean(seconds, axis=0).round(3).tolist()
        line = {"figure": "time of embedding", "s_per_session": wall, "processor_s_per_session": processor}
        print(json.dumps({**line, "on": describe_hardware()}))
    print(json.dumps(commands_line(index)))


if __name__ == "__main__":
    main()
