"""Random numbers that belong to a row: the same whichever batch, worker or rank the row is drawn in.

The mixing function is SplitMix64's (Steele, Lea, Flood, OOPSLA 2014, "Fast splittable pseudorandom number
generators"): a counter goes in, 64 well mixed bits come out, for a whole array at a time.
"""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_uniforms(seed, epoch, rows, columns, stream=0):
    """Returns numbers in [0, 1), float64 (B, columns), that depend on (seed, epoch, row, column, stream) alone.

    Args:
        seed, epoch (`int`), rows (int (B,)), columns (`int`).
        stream (`int`): another one for each purpose.
    """
    with np.errstate(over="ignore"):
        key = np.uint64(0)
        for part in (seed, epoch, stream):
            key = _mix(key + GOLDEN + np.uint64(part & 0xFFFFFFFFFFFFFFFF))
        keys = _mix(key + GOLDEN * np.asarray(rows).astype(np.uint64))
        bits = _mix(keys[:, None] + GOLDEN * np.arange(1, columns + 1, dtype=np.uint64))
    return (bits >> np.uint64(11)) * 2.0**-53


def _mix(z):
    z = np.asarray(z, np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
