"""Scratch arrays for callers that bring none: temporary files that remove themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@contextmanager
def default_scratch(shape: tuple[int, ...], dtype: DTypeLike) -> Iterator[NDArray[Any]]:
    """An array in a nameless temporary file."""
    with tempfile.TemporaryFile() as file:
        yield np.memmap(file, dtype, "w+", shape=shape)
