"""The figures of several systems on several retrieval sets, next to each other: JSON and Markdown.

Retention is a system's mean figure over the teacher's on the same queries; the retention of several sets is the mean of
their retentions. Standard errors are of paired differences: the same queries, answered by both. All queries, dev
queries and test queries are reported apart, because settings may have been chosen on dev queries.
"""

from dataclasses import dataclass, field

import numpy as np

from traceformers.datasets_scripts.retrieval.retrieval_folder import PARTS
from traceformers.training.evaluation.ranked_evaluation import FIGURES, mean_figures
from traceformers.training.evaluation.ranking_metrics import paired_difference

MAIN = "ndcg@10"
LENGTHS = ((1, 3), (4, 6), (7, 9), (10, 14), (15, None))  # words of a query, both ends included
SHOWN_CHARACTERS = 160


@dataclass
class SystemResult:
    """What one system reached, in one mode.

    Attributes:
        system (`str`): its name.
        mode (`str`): "teacher", "symmetric", "asymmetric", "words" or "hybrid".
        figures (`{set: {figure: float64 (Q,)}}`): figures of each query, as `evaluate_ranking` gives them.
        rankings (`{set: Ranking}`): the answers.
        base (`SystemResult`, *optional*): what it is built on and compared with: the dense side of a hybrid, the
            symmetric mode of an asymmetric one.
        facts (`dict`): what else is known of it, JSON-safe: texts_per_second, size_bytes, fusion, ...
    """

    system: str
    mode: str
    figures: dict
    rankings: dict
    facts: dict = field(default_factory=dict)
    base: "SystemResult | None" = None

    @property
    def label(self):
        """Name and mode in one."""
        return self.system if self.mode in ("teacher", "words") else f"{self.system}, {self.mode}"


def retention(ours, teacher):
    """Returns `(retention, standard error)` of one set: the ratio of two means over the same queries.

    The error is that of the ratio to first order: of ours - retention * teacher, over the teacher's mean.

    Args:
        ours, teacher (`float (Q,)`): figures of each query; NaN in either is left out.

    >>> retention(np.array([0.4, 0.8]), np.array([0.5, 1.0]))
    (0.8, 0.0)
    """
    ours, teacher = np.asarray(ours, dtype=np.float64), np.asarray(teacher, dtype=np.float64)
    known = ~np.isnan(ours + teacher)
    ours, teacher = ours[known], teacher[known]
    if not len(ours) or not teacher.mean():
        return None, None
    ratio = float(ours.mean() / teacher.mean())
    if len(ours) < 2:
        return ratio, None
    left = (ours - ratio * teacher).std(ddof=1) / np.sqrt(len(ours)) / teacher.mean()
    return ratio, float(left)


def build_report(sets, teacher, results, reference=None):
    """Returns the report, JSON-safe.

    Args:
        sets (`list[RetrievalSet]`): the sets, with all their queries.
        teacher (`SystemResult`): what the others are compared with.
        results (`list[SystemResult]`): the systems.
        reference (`SystemResult`, *optional*): a second one that every system is compared with.

    Keys: `sets` (counts), `teacher`, `reference` (labels), `systems`: for each its `system`, `mode`, `label`, facts,
    and `parts`: for "all", "dev" and "test" the figures by set and `mean` over sets, and `lengths` by words of a query.
    """
    names = [one.name for one in sets]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"Expected sets of different names, got {repeated} twice: rename a folder.")
    return {
        "sets": {one.name: set_counts(one) for one in sets},
        "teacher": teacher.label,
        "reference": reference.label if reference else None,
        "systems": [_system(sets, teacher, reference, result) for result in [teacher, *results]],
    }


def set_counts(retrieval_set):
    """Returns the counts of a set, JSON-safe: documents, queries of each part, the lowest relevant grade."""
    parts = {f"{part}_queries": int(retrieval_set.part(part).sum()) for part in PARTS}
    return {"documents": len(retrieval_set.documents), **parts, "relevant_from_grade": retrieval_set.minimum_grade}


def worst_queries(sets, teacher, result, n=5, depth=3):
    """Returns the queries where a system lost most to the teacher, side by side, JSON-safe.

    Each: set, query, both nDCG@10, and the first `depth` documents of both with grade and the start of their text.
    """
    cases = []
    for one in sets:
        lost = teacher.figures[one.name][MAIN] - result.figures[one.name][MAIN]
        for query in np.argsort(-np.nan_to_num(lost, nan=-np.inf), kind="stable")[:n].tolist():
            if lost[query] > 0:
                cases.append((float(lost[query]), one, query))
    cases.sort(key=lambda case: -case[0])
    return [
        {
            "set": one.name,
            "query": one.queries[query],
            "teacher_ndcg@10": float(teacher.figures[one.name][MAIN][query]),
            "ndcg@10": float(result.figures[one.name][MAIN][query]),
            "teacher": _answers(one, teacher.rankings[one.name], query, depth),
            "system": _answers(one, result.rankings[one.name], query, depth),
        }
        for _, one, query in cases[:n]
    ]


def _answers(one, ranking, query, depth):
    positions = [p for p in ranking.positions[query, :depth].tolist() if p >= 0]
    return [
        {
            "document": one.document_ids[p],
            "grade": one.judged[query].get(p, 0),
            "text": one.documents[p][:SHOWN_CHARACTERS],
        }
        for p in positions
    ]


def _system(sets, teacher, reference, result):
    parts = {part: _part(sets, part, teacher, reference, result) for part in PARTS}
    return {
        "system": result.system,
        "mode": result.mode,
        "label": result.label,
        "base": result.base.label if result.base else None,
        **result.facts,
        "parts": {part: rows for part, rows in parts.items() if rows},
        "lengths": _by_length(sets, teacher, result),
    }


def _part(sets, part, teacher, reference, result):
    rows, compared = {}, {}
    for one in sets:
        chosen = one.part(part)
        if not chosen.any():
            continue
        ours = result.figures[one.name]
        kept, error = retention(ours[MAIN][chosen], teacher.figures[one.name][MAIN][chosen])
        rows[one.name] = {**mean_figures(ours, chosen), "retention": kept, "retention_error": error}
        rows[one.name]["queries"] = int(chosen.sum())
        for name, other in (("teacher", teacher), ("reference", reference), ("base", result.base)):
            if other is not None:
                difference = paired_difference(ours[MAIN][chosen], other.figures[one.name][MAIN][chosen])
                compared.setdefault(name, []).append(difference)
                rows[one.name] |= _difference(name, *difference)
    if not rows:
        return {}
    mean = {name: _mean(row[name] for row in rows.values()) for name in (*FIGURES, "retention")}
    mean["retention_error"] = _error_of_mean(row["retention_error"] for row in rows.values())
    for name, differences in compared.items():
        mean |= _difference(name, _mean(d for d, _ in differences), _error_of_mean(e for _, e in differences))
    return {**rows, "mean": mean}


def _by_length(sets, teacher, result):
    words = np.concatenate([[len(query.split()) for query in one.queries] for one in sets])
    ours, theirs = (np.concatenate([r.figures[one.name][MAIN] for one in sets]) for r in (result, teacher))
    rows = {}
    for low, high in LENGTHS:
        chosen = (words >= low) & (words <= (high or np.inf))
        if chosen.any():
            kept, error = retention(ours[chosen], theirs[chosen])
            value = float(np.nanmean(ours[chosen])) if not np.isnan(ours[chosen]).all() else None
            row = {"queries": int(chosen.sum()), MAIN: value, "retention": kept, "retention_error": error}
            rows[f"{low}-{high}" if high else f"{low}+"] = row
    return rows


def _difference(name, difference, error):
    return {f"minus_{name}": _finite(difference), f"minus_{name}_error": _finite(error)}


def _mean(values):
    values = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(values)) if values else None


def _error_of_mean(errors):
    errors = [error for error in errors if error is not None and np.isfinite(error)]
    return float(np.sqrt(np.sum(np.square(errors))) / len(errors)) if errors else None


def _finite(value):
    return float(value) if value is not None and np.isfinite(value) else None
