"""A budget that does not hold a motion correction is refused, with the least that would do."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from napari_cnmf.core.base.parts import RunHere
from napari_cnmf.core.motion import correct as motion
from napari_cnmf.core.motion.correct import correct_motion
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams


def correct(
    movie: np.ndarray[Any, Any], memory_gb: float | None, written: list[int], n_threads: int = 1
) -> None:
    correct_motion(
        ArraySource(movie),
        CNMFParams().replace(motion={"max_shifts": (4, 4)}),
        write=lambda start, frames: written.append(start),
        memory_gb=memory_gb,
        n_threads=n_threads,
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


@pytest.mark.parametrize(("room", "n_expected"), [(0.0, 1), (0.05, 3), (9.0, 6)])
def test_fewer_threads_work_where_the_budget_holds_no_more(
    room: float, n_expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie = np.random.default_rng(0).poisson(30, (40, 48, 48)).astype(np.float32)
    with pytest.raises(ParameterError) as error:
        correct(movie, 0.05, [], n_threads=6)
    least = float(re.findall(r"at least ([\d.]+)", str(error.value))[0])
    granted = []

    class Recorded(RunHere):
        def __init__(self, n_threads: int | None) -> None:
            granted.append(n_threads)
            super().__init__(n_threads)

    monkeypatch.setattr(motion, "RunHere", Recorded)
    correct(movie, least + room, [], n_threads=6)
    assert granted == [n_expected]
