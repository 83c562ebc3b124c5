"""The box around some pixels of the field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def box_of(
    pixels: NDArray[np.int64], dims: tuple[int, ...], margin: int
) -> tuple[tuple[slice, ...], NDArray[np.int64]]:
    """Box ``([z], y, x)`` of C-order pixels and its own pixels, C order, in the box's shape.

    It is wider by ``margin`` px along y and x, as far as the field ``dims`` goes.
    """
    box = []
    for axis, (places, n) in enumerate(zip(np.unravel_index(pixels, dims), dims, strict=True)):
        around = margin if axis >= len(dims) - 2 else 0
        low, high = int(places.min()) - around, int(places.max()) + around + 1
        box.append(slice(max(low, 0), min(high, n)))
    inside = np.arange(int(np.prod(dims))).reshape(dims)[tuple(box)]
    return tuple(box), inside
