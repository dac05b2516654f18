"""How far a student's vector is from its teacher's, guessed from what the student sees of the text alone.

    doubt(x) = a + x . w + f . v      an estimate of 1 - cosine(student, teacher)

x is the student's vector at length 1, f three figures that its encoder has at hand: the share of ids that stand for
unknown words, the logarithm of the number of ids, and the length of the vector before it is scaled to 1. What the
words of a text do not agree on cancels out in their mean, so a short vector is a doubtful one. It is one dot product a
query, fitted on any texts that both have encoded and the student was not trained on; grades are not needed. Without the
figures, w and a alone are fitted (`fit_student_doubt`).

Of four students of all-MiniLM-L6-v2, guess and truth had rank correlations of 0.42 to 0.52 on texts of up to 12 words
that were not fitted (0.28 to 0.34 without the figures). What that is worth is less sharp: with a fifth of the queries
at the teacher, four retrieval sets got back 0.32 to 0.37 of what the student loses (0.26 to 0.32 without the figures,
0.20 at random, each +- 0.1), and the true distance in place of the guess no more than 0.35 to 0.47.

A published folder holds such a guess with its quantiles over short texts, as queries are:

    doubt, figures = StudentDoubt.load(folder / FILE_NAME), TextFigures(NgramRuntime.from_pretrained(folder))
    vectors, doubts = doubt.ask(figures, queries)
    to_teacher = doubts >= doubt.threshold(0.2)     # one query in five, of texts like those of the fit

Queries of another subject are more doubtful as a whole: `recalibrated` sets the dial by a sample of them.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from traceformers.training.evaluation.sts_agreement import unit_length

FILE_NAME = "student_doubt.safetensors"
RIDGE = 2.0  # in texts: of 0.1 to 50, those from 1 to 8 did best on held-out texts
FIGURE_RIDGE = 10.0  # the same, of the figures
FIGURE_SCALE = 0.1  # deviation of a figure beside the components of a vector of length 1
FIGURES = 3
QUERY_WORDS = 12  # most words of a text that is like a query
FEWEST_TEXTS = 30
FOLDS = 4


@dataclass(frozen=True)
class StudentDoubt:
    """The fitted guess.

    Attributes:
        weights (`float32 (D,)`): w.
        offset (`float32 (1,)`): a.
        figure_weights (`float32 (3,)`): v; zeros where there is nothing but vectors.
        quantiles (`float32 (101,)` or None): percentiles of the doubt of texts like queries.
    """

    weights: np.ndarray
    offset: np.ndarray
    figure_weights: np.ndarray = field(default_factory=lambda: np.zeros(FIGURES, np.float32))
    quantiles: np.ndarray | None = None

    def __call__(self, vectors, figures=None):
        """Returns the guessed 1 - cosine of each text, `float32 (n,)`.

        Args:
            vectors (`float (n, D)`): of the student, of any length.
            figures (`float (n, 3)`): as `doubt_figures` gives them; needed if the guess weighs them.

        Raises:
            ValueError: if the guess needs figures and there are none.
        """
        guessed = unit_length(vectors) @ self.weights + self.offset
        if not self.figure_weights.any():
            return guessed
        if figures is None:
            raise ValueError("Expected figures of the texts beside their vectors, got none. Call ask with the texts.")
        return (guessed + np.asarray(figures) @ self.figure_weights).astype(np.float32)

    def ask(self, text_figures, texts):
        """Returns (vectors `float32 (n, D)` as the encoder gives them, doubts `float32 (n,)`) of texts.

        Args:
            text_figures (`TextFigures`): of the student's runtime.
            texts (`list[str]`).
        """
        figures, units = text_figures(texts)
        vectors = units if text_figures.bare.config["normalize"] else units * figures[:, 2:]
        return vectors.astype(np.float32), self(units, doubt_figures(figures))

    def threshold(self, share):
        """Returns the doubt from which queries go to the teacher, so that of texts like those of the fit `share` do.

        Raises:
            ValueError: if the share is not from 0 to 1, or the guess has no quantiles.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"Expected a share of 0 to 1, got {share}.")
        if self.quantiles is None:
            raise ValueError("Expected quantiles in the guess, got none. Fit it with fit_query_doubt.")
        if share in (0, 1):
            return -np.inf if share else np.inf
        return float(np.interp(1 - share, np.linspace(0, 1, len(self.quantiles)), self.quantiles))

    def recalibrated(self, doubts):
        """Returns the same guess with the quantiles of a sample's doubts, `float (n,)`, for `threshold`."""
        return replace(self, quantiles=np.quantile(doubts, np.linspace(0, 1, 101)).astype(np.float32))

    def save(self, path):
        """Writes the guess as safetensors: its attributes by name."""
        tensors = {name: getattr(self, name) for name in ("weights", "offset", "figure_weights", "quantiles")}
        save_file({name: np.ascontiguousarray(one) for name, one in tensors.items() if one is not None}, path)

    @classmethod
    def load(cls, path):
        """Returns a saved guess."""
        with safe_open(path, "np") as file:
            return cls(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - no dict


def doubt_figures(figures):
    """Returns f of texts, `float64 (n, 3)`: of `TextFigures`' figures, the number of ids as a logarithm."""
    unknown, ids, norm = np.asarray(figures, dtype=np.float64)[:, :FIGURES].T
    return np.stack([unknown, np.log(np.maximum(ids, 1)), norm], axis=1)


def fit_student_doubt(student, teacher, ridge=RIDGE):
    """Returns the `StudentDoubt` that fits the vectors of n texts, without figures and quantiles.

    Args:
        student, teacher (`float (n, D)`): vectors of the same texts by both; some thousands.
        ridge (`float`): strength towards zero weights, in texts; above 0.

    Raises:
        ValueError: if the vectors are not of the same texts and width, or the ridge is not above 0.
    """
    if ridge <= 0:
        raise ValueError(f"Expected a ridge above 0, got {ridge}.")
    distances = _distances(student, teacher)
    weights, offset = _ridge(unit_length(student), distances, ridge)
    return StudentDoubt(weights.astype(np.float32), np.array([offset], dtype=np.float32))


def fit_query_doubt(text_figures, texts, teacher):
    """Returns the `StudentDoubt` of a student for queries, with figures and quantiles.

    Vectors and figures are fitted on all texts, then their mixture again on those of up to 12 words, if these are
    enough. Quantiles are of texts that the guess was not fitted on, fold by fold.

    Args:
        text_figures (`TextFigures`): of the student's runtime.
        texts (`list[str]`): n texts that the student was not trained on; some thousands.
        teacher (`float (n, D)`): the teacher's vectors of them.

    Raises:
        ValueError: if there are fewer than 30 texts, or the vectors are not of these texts and the student's width.
    """
    texts = list(texts)
    if len(texts) < FEWEST_TEXTS:
        raise ValueError(f"Expected {FEWEST_TEXTS} held-out texts or more to fit a doubt, got {len(texts)}. Give more.")
    figures, units = text_figures(texts)
    figures, distances = doubt_figures(figures), _distances(units, teacher)
    short = np.array([len(text.split()) <= QUERY_WORDS for text in texts])
    if short.sum() < FEWEST_TEXTS:
        short[:] = True
    fold = np.random.default_rng(0).permutation(len(texts)) % FOLDS
    guessed = np.zeros(len(texts))
    for k in range(FOLDS):
        guess = _fit(units, figures, distances, short, fold != k)
        guessed[fold == k] = guess(units[fold == k], figures[fold == k])
    weights, offset, figure_weights = _fit(units, figures, distances, short, np.ones(len(texts), bool)).parts
    parts = (np.asarray(part, dtype=np.float32) for part in (weights, [offset], figure_weights))
    return StudentDoubt(*parts).recalibrated(guessed[short])


@dataclass
class _Guess:
    parts: tuple  # weights (D,), offset, figure weights (3,)

    def __call__(self, units, figures):
        weights, offset, figure_weights = self.parts
        return units @ weights + offset + figures @ figure_weights


def _fit(units, figures, distances, short, chosen):
    """Returns the guess fitted on the chosen texts: on all of them, then a mixture of that and figures on short ones.

    The mixture is of guesses for texts that the first fit had not seen, or it would trust the vectors too much.
    """
    deviations = figures[chosen].std(axis=0)
    scale = np.where(deviations > 0, FIGURE_SCALE / np.maximum(deviations, 1e-12), 0)

    def first(rows):
        weights, offset = _ridge(np.concatenate([units[rows], figures[rows] * scale], axis=1), distances[rows], RIDGE)
        return _Guess((weights[:-FIGURES], offset, weights[-FIGURES:] * scale))

    half = np.arange(len(units)) % 2 == 0
    unseen = np.zeros(len(units))
    for rows, others in ((half, ~half), (~half, half)):
        unseen[others] = first(chosen & rows)(units[others], figures[others])
    weights, offset, figure_weights = first(chosen).parts
    rows = chosen & short
    table = np.concatenate([unseen[rows, None], figures[rows]], axis=1)
    deviations = table.std(axis=0)
    scales = np.where(deviations > 0, 1 / np.maximum(deviations, 1e-12), 0)
    mixture, base = _ridge(table * scales, distances[rows], FIGURE_RIDGE)
    share, *beside = mixture * scales
    return _Guess((share * weights, base + share * offset, share * figure_weights + np.array(beside)))


def _distances(student, teacher):
    student, teacher = unit_length(student), unit_length(teacher)
    if student.shape != teacher.shape or not len(student):
        raise ValueError(f"Expected vectors of the same texts and width, got {student.shape} and {teacher.shape}.")
    return 1 - (student * teacher).sum(axis=1, dtype=np.float64)


def _ridge(rows, targets, ridge):
    """Returns (weights, offset) of the ridge regression of targets (n,) on rows (n, d)."""
    centre, mean = rows.mean(axis=0, dtype=np.float64), targets.mean()
    centred = rows - centre
    weights = np.linalg.solve(centred.T @ centred + ridge * np.eye(rows.shape[1]), centred.T @ (targets - mean))
    return weights, mean - centre @ weights
