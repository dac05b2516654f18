"""Means of table rows without torch: a kernel compiled by numba, and numpy where numba is missing.

Axes: B texts, N ids of all texts, V entries, E width of the table, H heads.
"""

import numpy as np

try:
    import numba
    from numba.core import cgutils
    from numba.extending import intrinsic
except ImportError:
    numba = None

#: As in the model: a smaller sum of weights divides no more.
LEAST_WEIGHT = np.float32(1e-30)

#: As in torch.nn.functional.normalize.
LEAST_NORM = np.float32(1e-12)

#: Values that the numpy path looks up at once; bounds its memory.
_GATHER_AT_ONCE = 1 << 22


def mean_of_rows(table, scale, weights, ids, offsets, normalize, back_end=None, out=None) -> np.ndarray:
    """Return, for each text, the weighted mean float32 (B, E) of its entries, or zeros if nothing weighs anything.

    Arguments:
        table (V, E): float32, or float16 or int8 with `scale`; rows are premultiplied by their weight.
        scale float32 (V, H) or None: what the blocks of each row are to be multiplied by.
        weights float32 (V, H): the weights, whose sums divide those of the rows.
        ids int32 (N,), offsets int64 (B + 1,): texts one after the other.
        normalize (bool): scale the means to length 1.
        back_end (str or None): "numba" or "python"; None = numba where it can be imported.
        out float32 (B, E) or None: where to write the means.

    Raises:
        IndexError: an id is no row of the table.
    """
    if out is None:
        out = np.empty((len(offsets) - 1, table.shape[1]), np.float32)
    bags = _bags_by_numba if uses_numba(back_end) else _bags_by_numpy
    if not bags(table, scale, weights, ids, offsets, normalize, out):
        raise IndexError(
            f"Expected ids in [0, {len(table)}), the rows of the table, got {ids.min()} to {ids.max()}; table and "
            "vocabulary must belong together."
        )
    return out


def uses_numba(back_end) -> bool:
    """Return whether a back end is the compiled one.

    Raises:
        ValueError: it is no back end. ImportError: it is numba, which is missing.
    """
    if back_end not in (None, "numba", "python"):
        raise ValueError(f"Expected back_end to be 'numba', 'python' or None, got {back_end!r}; leave it out.")
    if back_end == "numba" and numba is None:
        raise ImportError("Expected numba for back_end='numba', found none; install numba, or leave back_end out.")
    return numba is not None and back_end != "python"


# --- numpy --------------------------------------------------------------------------------------------------


def _bags_by_numpy(table, scale, weights, ids, offsets, normalize, out):
    if len(ids) and not 0 <= ids.min() <= ids.max() < len(table):
        return False
    out[:] = 0
    room = max(_GATHER_AT_ONCE // table.shape[1], 1)
    first = 0
    while first < len(out):  # as many texts at once as there is room for, at least one
        last = max(int(np.searchsorted(offsets, offsets[first] + room, side="right")) - 1, first + 1)
        last = min(last, len(out))
        filled = first + np.flatnonzero(np.diff(offsets[first : last + 1]))
        if len(filled):
            part = ids[offsets[first] : offsets[last]]
            starts = offsets[filled] - offsets[first]
            out[filled] = _means(table[part], None if scale is None else scale[part], weights[part], starts)
        first = last
    if normalize:
        out /= np.maximum(np.sqrt((out * out).sum(1, keepdims=True)), LEAST_NORM)
    return True


def _means(rows, scale, weights, starts):
    """Return means (B, E) of rows (N, E) whose texts, none of them empty, begin at starts (B,)."""
    heads = weights.shape[1]
    rows = rows.astype(np.float32).reshape(len(rows), heads, -1)
    if scale is not None:
        rows *= scale[:, :, None]
    sums = np.add.reduceat(rows, starts, axis=0)  # (B, H, E / H)
    totals = np.add.reduceat(weights, starts, axis=0)[:, :, None]
    means = np.where(totals[:, :1] > 0, sums / np.maximum(totals, LEAST_WEIGHT), 0)
    return means.reshape(len(starts), -1).astype(np.float32)


# --- numba --------------------------------------------------------------------------------------------------


def _bags_by_numba(table, scale, weights, ids, offsets, normalize, out):
    if table.dtype == np.float16:
        table = table.view(np.uint16)  # numba has no float16 on a CPU, see `_half`
    return _bags(table, scale, weights, ids, offsets, normalize, out)


def _compiled(function):
    """Return `function` compiled by numba, or as it is where numba is missing."""
    if numba is None:
        return function
    options = {"nogil": True, "fastmath": {"contract", "reassoc", "nsz"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep the result in: compile in every process
        return numba.njit(**options)(function)


if numba is not None:

    @intrinsic
    def _half(typingctx, bits):
        """float32 of the bits of a float16: one instruction of the processor."""

        def build(context, builder, signature, arguments):
            ir = cgutils.ir
            return builder.fpext(builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType())

        return numba.types.float32(numba.types.uint16), build

    def _value(x):
        return np.float32(x)

    @numba.extending.overload(_value)
    def _value_of(x):
        if x == numba.types.uint16:
            return lambda x: _half(x)
        return lambda x: np.float32(x)


@_compiled
def _bags(table, scale, weights, ids, offsets, normalize, out):
    """Write the means of all texts to `out` (B, E); returns False at an id that is no row."""
    width, heads = table.shape[1], weights.shape[1]
    block = width // heads
    sums = np.empty(width, np.float32)
    for text in range(len(offsets) - 1):
        first, last = offsets[text], offsets[text + 1]
        sums[:] = 0
        some = np.float32(0)
        for i in range(first, last):
            if ids[i] < 0 or ids[i] >= len(table):
                return False
        for head in range(heads):
            begin, end = head * block, head * block + block
            part = sums[begin:end]
            total = np.float32(0)
            for i in range(first, last):
                total += weights[ids[i], head]
            # Four rows in one go: their cache misses overlap, and the sums are written a quarter as often.
            i = first
            while i + 4 <= last:
                a, b, c, d = ids[i], ids[i + 1], ids[i + 2], ids[i + 3]
                p = q = r = s = np.float32(1)
                if scale is not None:
                    p, q, r, s = scale[a, head], scale[b, head], scale[c, head], scale[d, head]
                one, two = table[a, begin:end], table[b, begin:end]
                three, four = table[c, begin:end], table[d, begin:end]
                for k in range(block):
                    pair = p * _value(one[k]) + q * _value(two[k])
                    part[k] += pair + (r * _value(three[k]) + s * _value(four[k]))
                i += 4
            while i < last:
                a = ids[i]
                p = np.float32(1)
                if scale is not None:
                    p = scale[a, head]
                one = table[a, begin:end]
                for k in range(block):
                    part[k] += p * _value(one[k])
                i += 1
            if head == 0:
                some = total
            factor = np.float32(1) / max(total, LEAST_WEIGHT)
            for k in range(block):
                part[k] *= factor
        factor = np.float32(1) if some > 0 else np.float32(0)
        if normalize:
            square = np.float32(0)
            for k in range(width):
                square += sums[k] * sums[k]
            factor /= max(np.sqrt(square), LEAST_NORM)
        for k in range(width):
            out[text, k] = sums[k] * factor
    return True
