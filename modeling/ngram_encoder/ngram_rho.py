"""What follows the mean of rows, without torch: a linear map, a small network, or both, as in the model.

The norm before the network is put into its weights: W norm(x) = (W' x - mean(x) W' 1) / deviation(x) + b', so that x is
read once and never copied. One text or a batch take the same kernel, and no library starts threads of its own. numpy's
matrix products take as long for a batch, and the arrays between them cost more than that.

Axes: B texts, E width of the table, R width inside the network, D width of the result.
"""

import numpy as np

from .ngram_bag import LEAST_NORM

try:
    import numba
except ImportError:
    numba = None


class RhoLayers:
    """The parameters of a rho, ready for use.

    Arguments:
        tensors (dict): `linear.weight` (D, E) and `linear.bias` (D,), or `norm.*` (E,), `up.*` (R, E) and `down.*`
            (D, R), or both.
        epsilon (float): of the norm.
    """

    def __init__(self, tensors, epsilon):
        self.tensors = tensors = {name: np.ascontiguousarray(array, np.float32) for name, array in tensors.items()}
        self.epsilon = np.float32(epsilon)
        self.has_linear, self.has_network = "linear.weight" in tensors, "up.weight" in tensors
        if self.has_network:
            up = tensors["up.weight"]
            self.up = np.ascontiguousarray(up * tensors["norm.weight"])
            self.up_sums = self.up.sum(1)
            self.up_bias = tensors["up.bias"] + up @ tensors["norm.bias"]

    def __call__(self, pooled, normalize, compiled) -> np.ndarray:
        """Return vectors float32 (B, D) of pooled ones (B, E).

        Arguments:
            pooled float32 (B, E). normalize (bool): scale the result to length 1. compiled (bool): use numba.
        """
        weights = self.tensors
        out = pooled @ weights["linear.weight"].T + weights["linear.bias"] if self.has_linear else pooled.copy()
        if self.has_network and compiled:
            down = weights["down.weight"], weights["down.bias"]
            _add_network(pooled, self.up, self.up_sums, self.up_bias, *down, self.epsilon, normalize, out)
            return out
        if self.has_network:
            mean = pooled.mean(1, keepdims=True)
            variance = np.maximum((pooled * pooled).mean(1, keepdims=True) - mean * mean, 0)
            hidden = (pooled @ self.up.T - mean * self.up_sums) / np.sqrt(variance + self.epsilon) + self.up_bias
            out += np.maximum(hidden, 0) @ weights["down.weight"].T + weights["down.bias"]
        if normalize:
            out /= np.maximum(np.sqrt(np.einsum("bd,bd->b", out, out)), LEAST_NORM)[:, None]
        return out


def _compiled(function):
    """Return `function` compiled by numba, or as it is where numba is missing."""
    if numba is None:
        return function
    options = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep the result in: compile in every process
        return numba.njit(**options)(function)


@_compiled
def _add_network(pooled, up, up_sums, up_bias, down, down_bias, epsilon, normalize, out):
    """Add the network's output to `out` (B, D), four texts at a time: each weight is read once for the four."""
    B, E = pooled.shape
    R, D = len(up), len(down)
    hidden = np.empty((4, R), np.float32)
    mean, factor = np.empty(4, np.float32), np.empty(4, np.float32)
    for first in range(0, B, 4):
        # A last group that is not full computes its last text several times and writes it once.
        a, b, c, d = first, min(first + 1, B - 1), min(first + 2, B - 1), min(first + 3, B - 1)
        group = min(4, B - first)
        for k in range(group):
            total = square = np.float32(0)
            for i in range(E):
                value = pooled[first + k, i]
                total += value
                square += value * value
            mean[k] = total / np.float32(E)
            variance = max(square / np.float32(E) - mean[k] * mean[k], np.float32(0))
            factor[k] = np.float32(1) / np.sqrt(variance + epsilon)
        one, two, three, four = pooled[a], pooled[b], pooled[c], pooled[d]
        for j in range(R):
            row = up[j]
            p = q = r = s = np.float32(0)
            if group == 1:
                for i in range(E):
                    p += row[i] * one[i]
            else:
                for i in range(E):
                    weight = row[i]
                    p += weight * one[i]
                    q += weight * two[i]
                    r += weight * three[i]
                    s += weight * four[i]
            hidden[0, j], hidden[1, j], hidden[2, j], hidden[3, j] = p, q, r, s
        for k in range(group):
            for j in range(R):
                value = (hidden[k, j] - mean[k] * up_sums[j]) * factor[k] + up_bias[j]
                hidden[k, j] = max(value, np.float32(0))
        one, two, three, four = hidden[0], hidden[1], hidden[2], hidden[3]
        for i in range(D):
            row = down[i]
            p = q = r = s = np.float32(0)
            if group == 1:
                for j in range(R):
                    p += row[j] * one[j]
            else:
                for j in range(R):
                    weight = row[j]
                    p += weight * one[j]
                    q += weight * two[j]
                    r += weight * three[j]
                    s += weight * four[j]
            out[a, i] += p + down_bias[i]
            if group > 1:
                out[b, i] += q + down_bias[i]
            if group > 2:
                out[c, i] += r + down_bias[i]
            if group > 3:
                out[d, i] += s + down_bias[i]
        if normalize:
            for k in range(first, first + group):
                square = np.float32(0)
                for i in range(D):
                    square += out[k, i] * out[k, i]
                scale = np.float32(1) / max(np.sqrt(square), LEAST_NORM)
                for i in range(D):
                    out[k, i] *= scale
