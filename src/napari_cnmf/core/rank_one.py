"""One component ``a c``: the moves that peeling, least squares and activity maps share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core.energy import lower_side_scale
from napari_cnmf.core.rows import sum_rows

_SAMPLES = 128


@dataclass(frozen=True, eq=False)
class Place:
    """Where a box lies in the field: its part inside, and the pixels there.

    Attributes
    ----------
    local
        The part of the box inside the field.
    pixels
        Indices of its pixels, of the part's shape ``(bz, by, bx)``, int32.
    """

    local: tuple[slice, slice, slice]
    pixels: NDArray[np.int32]

    @classmethod
    def of(cls, corner: NDArray[np.int64], box: tuple[int, ...], shape: tuple[int, ...]) -> Place:
        local, index = [], np.zeros((1, 1, 1), np.int32)
        for axis in range(3):
            first, extent = int(corner[axis]), shape[axis]
            low = min(max(0, -first), box[axis])
            high = max(low, min(box[axis], extent - first))
            local.append(slice(low, high))
            along = np.arange(first + low, first + high, dtype=np.int32)
            view = [1, 1, 1]
            view[axis] = -1
            index = index * np.int32(extent) + along.reshape(view)
        return cls((local[0], local[1], local[2]), index)


@kernel("float32(float32[::1], float32[::1])")
def soft_threshold(c: NDArray[np.float32], out: NDArray[np.float32]) -> np.float32:
    """``out = max(c - centre - 2 sigma, 0)``; returns ``<c, out>``."""
    work = np.empty(min(_SAMPLES, len(c)), np.float32)
    centre, sigma = lower_side_scale(c, work)
    level = centre + np.float32(2.0) * sigma
    total = np.float32(0.0)
    for t in range(len(c)):
        v = max(c[t] - level, np.float32(0.0))
        out[t] = v
        total += v * c[t]
    return total


def project(
    X: NDArray[np.float32], pixels: NDArray[np.int32], a: NDArray[np.float32]
) -> NDArray[np.float32]:
    """``a'X / a'a`` over rows ``pixels``; ``a`` of their shape, its zeros left out."""
    used = a != 0
    values = a[used]
    norm = float(values @ values)
    return sum_rows(X, pixels[used], values / np.float32(norm if norm > 0 else 1.0))
