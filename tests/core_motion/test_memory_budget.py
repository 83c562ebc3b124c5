"""A budget that does not hold a motion correction is refused, with the least that would do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams


def correct(movie: np.ndarray[Any, Any], memory_gb: float | None, written: list[int]) -> None:
    correct_motion(
        ArraySource(movie),
        CNMFParams().replace(motion={"max_shifts": (4, 4)}),
        write=lambda start, frames: written.append(start),
        memory_gb=memory_gb,
        n_threads=1,
    )


def test_too_small_a_budget_is_refused_before_anything_is_written() -> None:
    movie = np.random.default_rng(0).poisson(30, (40, 48, 48)).astype(np.uint16)
    written: list[int] = []
    with pytest.raises(ParameterError, match="memory_gb must be at least") as error:
        correct(movie, 0.05, written)
    assert not written
    least = float(re.findall(r"at least ([\d.]+)", str(error.value))[0])
    with pytest.raises(ParameterError):
        correct(movie, least - 0.02, written)
    correct(movie, least, written)
    assert written


def test_a_larger_field_needs_more() -> None:
    said = []
    for size in (64, 512):
        movie = np.broadcast_to(np.uint16(3), (400, size, size))
        with pytest.raises(ParameterError) as error:
            correct(movie, 0.01, [])
        said.append(float(re.findall(r"at least ([\d.]+)", str(error.value))[0]))
    assert said[1] > said[0] + 0.1
