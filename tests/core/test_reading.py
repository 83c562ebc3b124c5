"""Pieces of a movie on all threads: every frame once, and no thread left waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.reading import Piece, each_stretch
from napari_cnmf.core.movie.source import ArraySource

MOVIE = np.random.default_rng(0).integers(0, 900, (205, 40, 50), np.uint16)


class Chunked(ArraySource):
    """Frames that are read in order, as those of compressed chunks are."""

    frames_apart = False


class Broken(ArraySource):
    """Cannot be read from a frame on."""

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        if start >= 64:
            raise OSError("the drive is gone")
        return super().read(start, stop, out)


@pytest.mark.parametrize("kind", [ArraySource, Chunked])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_every_frame_is_worked_on_once(
    kind: type[ArraySource], n_threads: int, dtype: type[Any]
) -> None:
    seen = np.zeros((205, 2000), np.float32)
    done: list[int] = []

    def work(pieces: Iterator[Piece]) -> None:
        for start, frames in pieces:
            seen[start : start + len(frames)] += frames
            frames[:] = 0  # pieces are the worker's own

    with Workers(n_threads) as workers:
        source = kind(MOVIE.astype(dtype))
        each_stretch(source, workers, work, block_bytes=100_000, on_block=done.append)
    np.testing.assert_array_equal(seen, MOVIE.reshape(205, -1))
    assert done == sorted(done)
    assert done[-1] == 205


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_movie_that_cannot_be_read_to_the_end_says_so(n_threads: int) -> None:
    with Workers(n_threads) as workers, pytest.raises(OSError, match="the drive is gone"):
        each_stretch(
            Broken(MOVIE), workers, lambda pieces: deque(pieces, 0),
            block_bytes=1 << 20, on_block=lambda done: None,
        )  # fmt: skip
