"""Whether new recordings still look like those of before: tokens without a name, surprise, vectors, plain figures.

Each figure is compared by the population stability index (PSI: the symmetrised Kullback-Leibler divergence of ten bins
of equal count; above 0.1 a shift, above 0.25 a great one, by custom) and by a permutation test of it; vectors by the
maximum mean discrepancy with a Gaussian kernel ("A Kernel Two-Sample Test", Gretton, Borgwardt, Rasch, Schölkopf,
Smola, JMLR 2012), permuted as well.

Axes: R sessions of before, N new ones, H width of a vector.
"""

from dataclasses import asdict, dataclass

import numpy as np

BINS, GREAT_PSI = 10, 0.25
PERMUTATIONS = 999
MOST_COMPARED = 1000  # sessions of a side for the test of vectors: it compares all pairs
SIGNIFICANT = 0.01
MEASURES = {
    "unknown_share": "share of [UNK] and unknown events",
    "other_share": "share of tags, attributes and roles without a token",
    "surprise_mean": "surprise, bits a token of an action",
    "tokens": "tokens a session",
    "duration_s": "duration, seconds",
    "actions": "actions a session",
    "clicks_per_step": "clicks a step",
    "struggle": "struggle",
}


@dataclass
class Drift:
    """One line of the table: what was measured, its mean before and now, size of the shift, chance of it, verdict.

    `size` is the PSI of a figure, the squared mean discrepancy of vectors; `verdict` is "same", "shifted" (unlikely by
    chance) or "great shift" (and large).
    """

    measure: str
    before: float | None
    now: float | None
    size: float
    p_value: float
    verdict: str

    def to_dict(self):
        """Returns the fields, JSON-safe."""
        return asdict(self)


def measure_drift(before, now, permutations=PERMUTATIONS):
    """Returns a list of `Drift`, one a measure, `vectors` last.

    Args:
        before, now (`SessionIndex`): made with the same model.
        permutations (`int`): of each test; the smallest p-value is 1 / (permutations + 1).

    Raises:
        ValueError: another model made one of them, or one has fewer than 2 sessions.
    """
    if before.about["fingerprint"] != now.about["fingerprint"]:
        raise ValueError(
            f"Expected two indexes of one model, got {before.about['model']} and {now.about['model']}. Embed the new "
            "recordings with the model of the old ones."
        )
    if min(len(before), len(now)) < 2:
        raise ValueError(f"Expected 2 or more sessions on each side, got {len(before)} and {len(now)}. Add recordings.")
    table = []
    for name, words in MEASURES.items():
        old, new = (np.array(index.columns[name], dtype=float) for index in (before, now))
        old, new = old[np.isfinite(old)], new[np.isfinite(new)]
        if len(old) < 2 or len(new) < 2:
            continue
        size, chance = stability(old, new, permutations)
        table.append(_line(words, float(old.mean()), float(new.mean()), size, chance, size > GREAT_PSI))
    size, chance, scale = discrepancy(before.vectors, now.vectors, permutations)
    table.append(_line("vectors", None, None, size, chance, size > 0.1 * scale))
    return table


def _line(words, before, now, size, chance, great):
    verdict = "same" if chance > SIGNIFICANT else "great shift" if great else "shifted"
    shown = [None if value is None else float(f"{value:.6g}") for value in (before, now)]
    return Drift(words, *shown, round(size, 4), round(chance, 4), verdict)


def stability(before, now, permutations=PERMUTATIONS, seed=0):
    """Returns `(PSI, p-value)` of two samples of a figure.

    Bins hold equal numbers of both samples together, so that a permutation does not move their borders; half a session
    is added to each, so that an empty one is no infinite shift.

    Args:
        before (`float64 (R,)`), now (`float64 (N,)`). permutations (`int`). seed (`int`): of the permutations.

    >>> round(stability(np.arange(100.0), np.arange(100.0))[0], 3)
    0.0
    """
    values = np.concatenate([before, now])
    borders = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(borders, values, side="left")
    held = np.eye(len(borders) + 1)[bins]  # (R + N, bins)
    total, rng = held.sum(axis=0), np.random.default_rng(seed)
    rows = [np.arange(len(values)) < len(before)]
    rows += [rng.permutation(rows[0]) for _ in range(permutations)]
    first = np.stack(rows).astype(float) @ held  # (1 + permutations, bins)
    shares = [(counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True) for counts in (first, total - first)]
    psi = ((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum(axis=1)
    return float(psi[0]), float((psi >= psi[0] - 1e-12).mean())


def discrepancy(before, now, permutations=PERMUTATIONS, seed=0):
    """Returns `(squared maximum mean discrepancy, p-value, mean kernel)` of two samples of vectors.

    Args:
        before (`float32 (R, H)`), now (`float32 (N, H)`): of longer samples `MOST_COMPARED` rows, drawn with the seed.
        permutations (`int`). seed (`int`).
    """
    rng = np.random.default_rng(seed)
    sides = [
        side if len(side) <= MOST_COMPARED else side[np.sort(rng.choice(len(side), MOST_COMPARED, replace=False))]
        for side in (before, now)
    ]
    values = np.concatenate(sides).astype(np.float64)
    squares = (values**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2 * values @ values.T, 0.0)
    usual = np.median(apart[~np.eye(len(apart), dtype=bool)])
    kernel = np.exp(-apart / max(usual, 1e-12))
    np.fill_diagonal(kernel, 0.0)
    rows = [np.arange(len(values)) < len(sides[0])]
    rows += [rng.permutation(rows[0]) for _ in range(permutations)]
    first = np.stack(rows).astype(float)  # (1 + permutations, R + N)
    m, n = len(sides[0]), len(sides[1])
    seen = first @ kernel
    inside = (seen * first).sum(axis=1)
    across = (seen * (1 - first)).sum(axis=1)
    rest = kernel.sum() - inside - 2 * across
    found = inside / (m * (m - 1)) + rest / (n * (n - 1)) - 2 * across / (m * n)  # unbiased: eq. 3 of the paper
    return float(found[0]), float((found >= found[0] - 1e-12).mean()), float(kernel.mean())
