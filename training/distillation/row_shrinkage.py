"""Rows of rare entries, drawn back towards what their teacher vectors foretell.

An entry that occurs a few times moves as far in training as a frequent one, most of it by chance. Frequent entries show
how a row follows from the teacher's vector of the entry alone; that linear map is the prior of every row, and a row is
as far from its prior as its occurrences bear out: n / (n + k) of the way (the posterior mean of empirical Bayes:
Efron and Morris, JASA 1973). Residual rows of n-grams and skip-grams have the prior zero.
"""

import numpy as np
import torch

#: Occurrences from which on an entry helps to fit the map, and the most that one counts.
FREQUENT, MOST_WEIGHT = 100, 2000
RIDGE = 10.0
#: Strengths k that are tried.
STRENGTHS = (0, 1, 3, 10, 30, 100)


def prior_rows(start, trained, seen, residual=None):
    """Returns what the rows would be by their starting vectors alone, float32 (V, E); None if too few are frequent.

    Args:
        start (float32 (V, D)): the teacher's vectors of the entries.
        trained (float32 (V, E)): rows after training.
        seen (int (V,)): occurrences in training.
        residual (bool (V,), *optional*): rows whose prior is zero.
    """
    residual = np.zeros(len(start), bool) if residual is None else residual
    frequent = np.flatnonzero((seen >= FREQUENT) & ~residual & start.any(1))
    if len(frequent) <= 2 * start.shape[1]:
        return None
    known = np.concatenate([start, np.ones((len(start), 1), start.dtype)], 1)
    weight = np.minimum(seen[frequent], MOST_WEIGHT)[:, None].astype(np.float64)
    inputs = known[frequent].astype(np.float64)
    gram = (inputs * weight).T @ inputs + RIDGE * np.eye(inputs.shape[1])
    linear_map = np.linalg.solve(gram, (inputs * weight).T @ trained[frequent])
    prior = (known @ linear_map.astype(np.float32)).astype(np.float32)
    prior[residual] = 0
    return prior


def shrunk(trained, prior, seen, strength):
    """Returns rows between `prior` and `trained` (V, E): a row seen n times is n / (n + strength) of the way."""
    share = np.ones(len(seen)) if strength == 0 else seen / (seen + strength)
    return prior + (trained - prior) * share[:, None].astype(np.float32)


@torch.no_grad()
def shrink_rare_rows(embeddings, start, seen, residual, figure, strengths=STRENGTHS):
    """Sets the rows to the best of several strengths; returns {"strength", "figure", "tried": {strength: figure}}.

    Args:
        embeddings (`torch.nn.Embedding` (V, E)): changed in place.
        start, seen, residual: as for `prior_rows`.
        figure (callable): returns how good the model is now; more is better. Decided on texts that were not trained on.
        strengths: those to try; where the best is 0, or too few entries are frequent, rows stay as they are.
    """
    trained = embeddings.weight.cpu().numpy().copy()
    prior = prior_rows(start, trained, seen, residual)
    tried = {}
    for strength in strengths if prior is not None else (0,):
        _set(embeddings, shrunk(trained, prior, seen, strength) if strength else trained)
        tried[strength] = figure()
    best = max(tried, key=tried.get)
    _set(embeddings, shrunk(trained, prior, seen, best) if best else trained)
    return {"strength": best, "figure": tried[best], "tried": {str(k): value for k, value in tried.items()}}


def _set(embeddings, rows):
    embeddings.weight.copy_(torch.from_numpy(rows).to(embeddings.weight))
