"""Order statistics: quantiles without sorting, and without a branch that depends on the data.

The bits of a float, those of a negative one but its sign turned over, are integers in the same
order. The k-th smallest of n is the largest v that no more than k of them lie below, and its bits
follow from the highest on, one count each: 32 n comparisons, which vectors make faster than the
n log n or n of sorting and selecting, whose every branch a processor guesses wrong half the time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import inline_kernel, kernel


@inline_kernel()
def as_keys(values: NDArray[np.float32], keys: NDArray[np.int32]) -> None:
    """Fill ``keys`` with integers in the order of ``values``, or of as many, evenly spaced."""
    bits = values.view(np.int32)
    n, m = len(bits), len(keys)
    for i in range(m):
        b = bits[(i * n) // m]
        keys[i] = b ^ ((b >> np.int32(31)) & np.int32(0x7FFFFFFF))


@inline_kernel()
def _turned(key: int) -> np.int32:
    """The bits of the float that a key stands for, or the other way round."""
    b = np.int32(key)
    return np.int32(b ^ ((b >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@inline_kernel()
def two_of_order(keys: NDArray[np.int32], lower: int, upper: int, found: NDArray[np.int32]) -> None:
    """Fill ``found (2,)`` with the bits of the floats of rank ``lower`` and ``upper``, from 0."""
    one, zero = np.float32(1.0), np.float32(0.0)
    low = high = np.int64(-(1 << 31))
    for bit in range(31, -1, -1):
        next_low = np.int32(low + (np.int64(1) << bit))
        next_high = np.int32(high + (np.int64(1) << bit))
        # Counted in float32, as wide as the keys are: integers would be counted in int64.
        below_low = below_high = zero
        for i in range(len(keys)):
            below_low += one if keys[i] < next_low else zero
            below_high += one if keys[i] < next_high else zero
        low = np.int64(next_low) if below_low <= lower else low
        high = np.int64(next_high) if below_high <= upper else high
    found[0], found[1] = _turned(low), _turned(high)


@inline_kernel()
def _next_of_order(keys: NDArray[np.int32], rank: int, bits: int) -> np.int32:
    """Bits of the float of the next rank, given those of ``rank``; of the last rank its own."""
    key = _turned(bits)
    one, zero = np.float32(1.0), np.float32(0.0)
    up_to, above = zero, np.int32(0x7FFFFFFF)
    for i in range(len(keys)):
        up_to += one if keys[i] <= key else zero
        above = min(above, keys[i] if keys[i] > key else np.int32(0x7FFFFFFF))
    found: np.int32 = _turned(above if up_to == rank + 1 and rank + 1 < len(keys) else key)
    return found


@kernel("void(float32[:, ::1], float64, float64, float32[:, ::1])")
def _quantiles_of_rows(
    rows: NDArray[np.float32], lower: float, upper: float, out: NDArray[np.float32]
) -> None:
    keys = np.empty(rows.shape[1], np.int32)
    two, next_two = np.empty(2, np.float32), np.empty(2, np.float32)
    bits, next_bits = two.view(np.int32), next_two.view(np.int32)
    at = (lower * (len(keys) - 1), upper * (len(keys) - 1))
    for i in range(len(rows)):
        as_keys(rows[i], keys)
        two_of_order(keys, int(at[0]), int(at[1]), bits)
        for j in range(2):
            next_bits[j] = _next_of_order(keys, int(at[j]), bits[j])
            share = np.float32(at[j] - int(at[j]))
            out[j, i] = two[j] + share * (next_two[j] - two[j])


def quantiles_of_rows(
    rows: NDArray[np.float32], lower: float, upper: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two quantiles of each row of ``rows (n, m)``, each ``(n,)``, as `numpy.quantile` has them.

    NaN counts as larger than all else; m is below 2^24.
    """
    out = np.empty((2, len(rows)), np.float32)
    _quantiles_of_rows(np.ascontiguousarray(rows, np.float32), lower, upper, out)
    return out[0], out[1]
