"""A linear map to where sessions differ most, for how much the parts of one session do: Fisher's discriminant.

After "The Use of Multiple Measurements in Taxonomic Problems" (Fisher, Annals of Eugenics 1936), with every session a
class of two members. Sites are centred first: what all sessions of a site share tells none of them apart.

Axes: n sessions, W width of what is mapped, D numbers of a vector.
"""

import numpy as np
import torch
from scipy.linalg import eigh

STREAM = 13  # first number of every seed, see pair_batches
# Found on held-out sites among 0, 1, 4 and 16, and shrinkage among 0.1, 0.3, 1 and 3: retrieval and masking both count.
COPY_WEIGHT = 4.0


@torch.inference_mode()
def view_means(encoder, store, views, draws=6, limit=12, seed=0):
    """Returns the means of random pairs of views of each session, and of which session they are.

    The windows of a session are read once: every draw divides them anew, at another window's border. Where the views
    mask text, a masked copy of the session is a pair with it as well, so that a direction which only tells masking is
    no good one.

    Args:
        encoder (`SessionEncoder`).
        store (sequence of `TokenizedSession`).
        views (`SessionViews`).
        draws (`int`): pairs of each session, at most; as many as it has borders.
        limit (`int`): windows of half a session that are read.
        seed (`int`).

    Returns:
        float tensors (n, P, W) of the first and of the second views, `int64 (n,)`, and whether a pair is a session
        and its masked copy, `bool (n,)`.
    """
    device, pairs, copies, sessions = next(encoder.parameters()).device, [], [], []
    encoder.eval()
    for number in range(len(store)):
        if not views.can_draw(store[number]):
            continue
        rng = np.random.default_rng((STREAM, seed, number))
        sides = views.halves(store[number], limit)
        windows, cut = [*sides[0], *sides[1]], len(sides[0])
        others = [border for border in range(1, len(windows)) if border != cut]
        cuts = [cut, *rng.permutation(others).tolist()[: draws - 1]]
        weights = np.concatenate([_weights(encoder, windows, border) for border in cuts])
        n_copied = 0
        if views.mask is not None:
            n_copied = len(windows)
            copy = views.mask.copy(windows, rng)
            weights = _side_by_side(weights, np.zeros((len(weights), sum(len(ids) for ids, _ in copy)), np.float32))
            weights = np.concatenate([weights, _weights(encoder, [*windows, *copy], len(windows))])
            windows, cuts = [*windows, *copy], [*cuts, len(windows)]
        features = {
            "input_ids": torch.from_numpy(np.concatenate([ids for ids, _ in windows]).astype(np.int64))[None],
            "pooled": torch.from_numpy(weights),
            "window_lengths": torch.tensor([len(ids) for ids, _ in windows]),
            "session_index": torch.zeros(len(windows), dtype=torch.int64),
        }
        means = encoder.means({name: values.to(device) for name, values in features.items()})[0]
        pairs.append(means.float().cpu().reshape(len(cuts), 2, -1, means.shape[-1]))
        sessions += [number] * len(cuts)
        copies += [cut == len(windows) - n_copied for cut in cuts]
    pairs = torch.cat(pairs)
    return pairs[:, 0], pairs[:, 1], np.array(sessions), np.array(copies)


def _weights(encoder, windows, border):
    """Returns the weights (2 P, N) of the tokens of the windows before a border, and of those after it."""
    sides = [np.concatenate(encoder.pooled(side), axis=1) for side in (windows[:border], windows[border:])]
    empty = [np.zeros_like(side) for side in sides]
    return np.concatenate([_side_by_side(sides[0], empty[1]), _side_by_side(empty[0], sides[1])])


def _side_by_side(first, second):
    return np.concatenate([first, second], axis=1)


def fitted_projection(encoder, store, views, size, seed=0):
    """Returns weight `float32 (D, W)` and bias `(D,)` fitted to the views of a store's sessions, as tensors.

    The centres of an encoder that has them are fitted first, and kept in it.
    """
    first, second, sessions, copies = view_means(encoder, store, views, seed=seed)
    if encoder.n_parts > 1:
        both = torch.cat([first, second])
        there = (both != 0).any(-1, keepdim=True).sum(0).clamp(min=1)
        encoder.centres.values.copy_(both.sum(0) / there)
        first, second = (encoder.centres.cpu()(side) / (2 * encoder.n_parts) ** 0.5 for side in (first, second))
    elif encoder.normalize:
        first, second = (torch.nn.functional.normalize(side, dim=-1) for side in (first, second))
    sites = np.asarray(store.texts("site"), dtype=str)[sessions]
    first, second = (side.flatten(1).double().numpy() for side in (first, second))
    copied = COPY_WEIGHT * _scatter((first - second)[copies] / 2) if copies.any() else 0.0
    return discriminant(first[~copies], second[~copies], sites[~copies], size, copied=copied)


def discriminant(first, second, sites, size, shrinkage=0.1, copied=0.0):
    """Returns weight `float32 (D, W)` and bias `(D,)` of the discriminant as tensors, the most telling direction first.

    Args:
        first, second (`float (n, W)`): vectors of two parts of each session.
        sites (sequence of `str`): of each session.
        size (`int`): D; directions past W are random ones of the same space.
        copied (`float (W, W)`): added to the scatter within sessions: what else should make no difference.
        shrinkage (`float`): of the scatter within sessions towards a multiple of one: few sessions, wide vectors.
    """
    both = np.concatenate([first, second])
    centre = both.mean(0)
    within = _scatter((first - second) / 2) + copied
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within)) + 1e-12 * np.eye(len(within))
    of_site = np.unique(np.concatenate([sites, sites]), return_inverse=True)[1]
    means = np.stack([both[of_site == site].mean(0) for site in range(of_site.max() + 1)])
    around = both - means[of_site]
    ratios, directions = eigh(_scatter(around), within)
    # Each direction as long as the root of what it tells: the many that tell little do not drown the few.
    weight = (directions * np.sqrt(np.maximum(ratios, 0)))[:, ::-1].T[:size]
    if len(weight) < size:
        mixing = np.random.default_rng(0).standard_normal((size - len(weight), len(weight))) / len(weight) ** 0.5
        weight = np.concatenate([weight, mixing @ weight])
    return torch.from_numpy(weight.astype(np.float32)), torch.from_numpy((-weight @ centre).astype(np.float32))


def _scatter(rows):
    """Returns the mean outer product (W, W) of rows (n, W)."""
    return rows.T @ rows / len(rows)
