"""What is fitted on the examples that are trained on, and on no others: means and deviations, categories, weights.

All of it goes into the config of the model, so scoring cannot fit it anew.
"""

from collections import Counter

import numpy as np

from traceformers.modeling.productive_feed.configuration_productive_feed import LOGARITHMIC
from traceformers.training.productive_feed.activity_window import UNCATEGORIZED

#: Categories with a vector of their own.
MOST_CATEGORIES = 64
#: A category that fewer windows than this hold shares its parent's vector.
FEWEST_WINDOWS = 2
_SMALLEST_DEVIATION = 1e-3


def number_scalers(numbers, names):
    """Returns {"number_means", "number_stds"} of raw numbers (n, N), of the logarithm where the model takes it.

    NaN, not known, is left out; a number that is never known, or always the same, has mean 0 or its own and
    deviation 1.
    """
    values = np.array(numbers, dtype=np.float64)
    logarithmic = [i for i, name in enumerate(names) if name in LOGARITHMIC]
    values[:, logarithmic] = np.log1p(np.maximum(values[:, logarithmic], 0))
    return dict(zip(("number_means", "number_stds"), _moments(values), strict=True))


def event_scalers(window):
    """Returns {"event_number_means", "event_number_stds"} of log(1 + seconds) and log(1 + minutes ago) of events."""
    values = np.stack([np.log1p(window.seconds[window.mask]), np.log1p(window.minutes_ago[window.mask])], axis=1)
    return dict(zip(("event_number_means", "event_number_stds"), _moments(values.astype(np.float64)), strict=True))


def known_categories(window, events):
    """Returns the categories of events before the examples, and their parents, most frequent first, list of `str`."""
    code_of = np.append(events.category_of, -1)  # of no event
    codes = code_of[window.event_index]  # (n, E)
    counts = Counter()
    paths = {}
    for code, name in enumerate(events.category_names):
        if name not in (UNCATEGORIZED, ""):
            for length in range(1, name.count(" > ") + 2):
                paths.setdefault(" > ".join(name.split(" > ")[:length]), []).append(code)
    for path, members in paths.items():
        counts[path] = int(np.isin(codes, members).any(axis=1).sum())
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [name for name, count in ordered if count >= FEWEST_WINDOWS][:MOST_CATEGORIES]


def base_rates(labels):
    """Returns the share of yes of each head, drawn to 1/2 as by one yes and one no, two `float`.

    >>> base_rates(np.array([[1.0, np.nan], [1.0, np.nan]]))
    [0.75, 0.5]
    """
    said = ~np.isnan(labels)
    return [float((labels[said[:, i], i].sum() + 1) / (said[:, i].sum() + 2)) for i in range(labels.shape[1])]


def class_weights(labels):
    """Returns [[weight of no, weight of yes]] of each head, so that both weigh the same and labels weigh 1 on average.

    >>> class_weights(np.array([[1.0, np.nan], [0.0, 1.0], [0.0, 0.0], [0.0, np.nan]]))[0]
    [0.6666666666666666, 2.0]
    """
    weights = []
    for column in np.asarray(labels).T:
        yes, no = int((column >= 0.5).sum()), int((column < 0.5).sum())
        weights.append([1.0, 1.0] if not yes or not no else [(yes + no) / (2 * no), (yes + no) / (2 * yes)])
    return weights


def _moments(values):
    known = ~np.isnan(values)
    counts = np.maximum(1, known.sum(axis=0))
    means = np.where(known, values, 0).sum(axis=0) / counts
    deviations = np.sqrt((np.where(known, values - means, 0) ** 2).sum(axis=0) / counts)
    return means.tolist(), np.where(deviations < _SMALLEST_DEVIATION, 1.0, deviations).tolist()
