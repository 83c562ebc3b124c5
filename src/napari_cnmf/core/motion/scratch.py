"""Buffers that each thread keeps: fresh pages for every block would cost more than the sums."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SUB_BLOCK_BYTES = 1.2e6
"""Of float32 frames worked on together: they stay in a core's cache from step to step."""


class Scratch(threading.local):
    """Named arrays, one set per thread, grown as needed."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[str, str], NDArray[Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Give an array of ``shape``, of undefined content, valid until the name is taken again."""
        size = int(np.prod(shape))
        key = (name, np.dtype(dtype).str)
        kept = self._arrays.get(key)
        if kept is None or kept.size < size:
            kept = self._arrays[key] = np.empty(size, dtype)
        return kept[:size].reshape(shape)


def sub_blocks(n_frames: int, pixels: int) -> list[slice]:
    """Slices of a block that fit into a core's cache as float32."""
    size = max(1, int(SUB_BLOCK_BYTES // (4 * pixels)))
    return [slice(i, min(i + size, n_frames)) for i in range(0, n_frames, size)]
