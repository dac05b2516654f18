"""Probes: standardised vectors, logistic regression or trees, chosen on sites held out within training.

Every choice is made inside the training part: mean and scale, words and their rarity, the penalty C. Scores of all test
parts together give one figure a seed; mean and spread are over seeds, which draw other folds.

Axes: n sessions, D numbers of a vector, K classes.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score

from traceformers.training.session_probes.session_texts import tfidf
from traceformers.training.session_probes.site_folds import inner_folds, site_folds

STRENGTHS = (0.0003, 0.003, 0.03, 0.3)  # C of the logistic regression
METHODS = ("linear", "trees", "both")
N_TREES = 120
SEEDS = (0, 1, 2, 3, 4)


# --- what goes in -------------------------------------------------------------------------------------------


class DenseRows:
    """Vectors that need no fitting but standardisation.

    Args:
        vectors (`float (n, D)` or dict of them): with a dict, the vectors of the encoder of each fold by its name.
    """

    strength_scale = 1.0

    def __init__(self, vectors):
        self.by_fold = vectors if isinstance(vectors, dict) else {None: vectors}

    def split(self, train, test, fold=None):
        """Returns `float (len(train), D)` and `(len(test), D)`, each column with mean 0 and spread 1 in training."""
        vectors = self.by_fold[fold if fold in self.by_fold else None]
        seen, unseen = vectors[train].astype(np.float64), vectors[test].astype(np.float64)
        mean, spread = seen.mean(0), seen.std(0)
        spread[spread < 1e-9 * (1 + np.abs(mean))] = np.inf  # a constant says nothing
        return (seen - mean) / spread, (unseen - mean) / spread


class BagRows:
    """Words of sessions, weighted by TF-IDF with what the training part knows.

    Args:
        counts (list of `csr_matrix (n, n_words)`): one a part, as `session_texts.count_bag` gives them.
    """

    strength_scale = 100.0  # rows of length 1 want a weaker penalty than standardised ones

    def __init__(self, counts):
        self.counts = counts

    def split(self, train, test, fold=None):
        """Returns two matrices with no more columns than there are training sessions."""
        both = np.concatenate([train, test])
        gram = sum(_similarities(tfidf(part[both], np.arange(len(train))), len(train)) for part in self.counts)
        return _rotated(gram[: len(train)], gram[len(train) :])


def _similarities(weighted, n_train):
    """Returns the products `(n, n_train)` of all rows with those of the training part."""
    return (weighted @ weighted[:n_train].T).toarray()


def _rotated(seen, unseen):
    """Returns rows in the directions that the training rows span, from their products with the training rows.

    Logistic regression with an L2 penalty gives the same scores there, from hundreds of columns and not from tens of
    thousands.
    """
    values, directions = np.linalg.eigh(seen)
    kept = values > 1e-8 * max(values.max(), 1e-12)
    directions = directions[:, kept] / np.sqrt(values[kept])  # (n_train, rank)
    return seen @ directions, unseen @ directions


# --- fit and score ------------------------------------------------------------------------------------------


def linear_scores(seen, unseen, numbers, n_classes, strength):
    """Returns class probabilities `(n_unseen, K)` of a logistic regression, classes of equal weight.

    Args:
        seen, unseen (`float (., D)`): vectors to fit on, and to score.
        numbers (`int (n_seen,)`): classes of the first.
        strength (`float`): C.
    """
    model = LogisticRegression(C=strength, class_weight="balanced", max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(seen, numbers)
    return _all_classes(model, unseen, n_classes)


def tree_scores(seen, unseen, numbers, n_classes, seed=0):
    """Returns class probabilities `(n_unseen, K)` of extremely randomised trees (Geurts, Ernst, Wehenkel, 2006)."""
    model = ExtraTreesClassifier(
        N_TREES, max_features=0.1, min_samples_leaf=3, class_weight="balanced", random_state=seed
    )  # fmt: skip
    return _all_classes(model.fit(seen, numbers), unseen, n_classes)


def _all_classes(model, unseen, n_classes):
    scores = np.zeros((len(unseen), n_classes))
    scores[:, model.classes_] = model.predict_proba(unseen)
    return scores


def _method_scores(method, strength, rows, seen, unseen, numbers, n_classes, seed):
    """Returns the scores of "linear", "trees" or "both", the mean of the two."""
    scores = []
    if method in ("linear", "both"):
        scores.append(linear_scores(seen, unseen, numbers, n_classes, strength * rows.strength_scale))
    if method in ("trees", "both"):
        scores.append(tree_scores(seen, unseen, numbers, n_classes, seed))
    return np.mean(scores, axis=0)


def probe_scores(rows, numbers, sites, train, test, fold=None, n_classes=None, methods=("linear",), seed=0):
    """Returns the class probabilities `(len(test), K)` of a probe fitted on the rows `train`.

    Args:
        rows (`DenseRows` or `BagRows`).
        numbers (`int (n,)`): class of each session.
        sites (`(n,)`): its site; method and C are chosen on sites left out of the training part.
        train, test (`int` arrays): rows.
        fold (`str`): whose encoder's vectors to use.
        methods (sequence of `str`): of `METHODS`, to choose from.
    """
    n_classes = n_classes or int(numbers.max()) + 1
    if len(np.unique(numbers[train])) < 2:
        return np.eye(n_classes)[np.full(len(test), numbers[train][0])]
    method, strength = choose_probe(rows, numbers, sites, train, fold, n_classes, methods, seed)
    seen, unseen = rows.split(train, test, fold)
    return _method_scores(method, strength, rows, seen, unseen, numbers[train], n_classes, seed)


def choose_probe(rows, numbers, sites, train, fold, n_classes, methods=("linear",), seed=0) -> tuple:
    """Returns (method, C), those that score best on sites left out within the training rows.

    Raises:
        ValueError: a method is not one of `METHODS`.
    """
    if not methods or set(methods) - set(METHODS):
        raise ValueError(f"Expected methods of {', '.join(METHODS)}, got {methods!r}. Choose some of these.")
    linear = {strength: np.zeros((len(train), n_classes)) for strength in STRENGTHS}
    trees = np.zeros((len(train), n_classes))
    scored = np.zeros(len(train), dtype=bool)
    for inner_train, inner_test in inner_folds(sites[train], seed=seed):
        known = numbers[train[inner_train]]
        if len(np.unique(known)) < 2:
            continue
        seen, unseen = rows.split(train[inner_train], train[inner_test], fold)
        scored[inner_test] = True
        if set(methods) & {"linear", "both"}:
            for strength in STRENGTHS:
                linear[strength][inner_test] = linear_scores(
                    seen, unseen, known, n_classes, strength * rows.strength_scale
                )  # fmt: skip
        if set(methods) & {"trees", "both"}:
            trees[inner_test] = tree_scores(seen, unseen, known, n_classes, seed)
    truth = numbers[train][scored]
    if len(np.unique(truth)) < 2:  # nothing to choose by
        return methods[0], STRENGTHS[len(STRENGTHS) // 2]
    best = max(STRENGTHS, key=lambda strength: class_metric(truth, linear[strength][scored]))
    found = {"linear": linear[best], "trees": trees, "both": (linear[best] + trees) / 2}
    return max(methods, key=lambda method: class_metric(truth, found[method][scored])), best


def class_metric(numbers, scores) -> float:
    """Returns the AUROC for two classes, macro-F1 for more."""
    if scores.shape[1] == 2:
        return float(roc_auc_score(numbers, scores[:, 1]))
    return macro_f1(numbers, scores)


def macro_f1(numbers, scores) -> float:
    """Returns the mean F1 over the classes that occur in `numbers`, of the class with the highest score."""
    return float(f1_score(numbers, scores.argmax(1), average="macro", labels=np.unique(numbers), zero_division=0))


# --- over folds and seeds -----------------------------------------------------------------------------------


def held_out_scores(rows, numbers, sites, seed, n_folds=5, encoder_folds=None, methods=("linear",)) -> np.ndarray:
    """Returns class probabilities `(n, K)`: each row scored by a probe that never saw its site.

    Args:
        rows, numbers, sites: as for `probe_scores`.
        seed (`int`): which sites are left out together.
        encoder_folds (list of (name, sites out)): encoders by what they never saw. A session is then scored from the
            vectors of the encoder that never saw its site, and so are the sessions its probe is fitted on.
    """
    sites = np.asarray(sites, dtype=str)
    scores = np.zeros((len(numbers), int(numbers.max()) + 1))
    for train, test in site_folds(sites, n_folds, seed):
        for fold, out in encoder_folds or [(None, set(sites))]:
            part = test[np.isin(sites[test], list(out))]
            if len(part):
                scores[part] = probe_scores(
                    rows, numbers, sites, train, part, fold, scores.shape[1], methods, seed
                )  # fmt: skip
    return scores


@dataclass
class Spread:
    """Figures of several seeds."""

    values: list

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation over seeds."""
        return float(np.std(self.values))


def probe_over_seeds(rows, numbers, sites, metric=class_metric, seeds=SEEDS, **options) -> Spread:
    """Returns the `Spread` of a metric over seeds; `options` go to `held_out_scores`."""
    return Spread([metric(numbers, held_out_scores(rows, numbers, sites, seed, **options)) for seed in seeds])


__all__ = [
    "METHODS", "SEEDS", "STRENGTHS", "BagRows", "DenseRows", "Spread", "choose_probe", "class_metric",
    "held_out_scores", "linear_scores", "macro_f1", "probe_over_seeds", "probe_scores", "tree_scores",
]  # fmt: skip
