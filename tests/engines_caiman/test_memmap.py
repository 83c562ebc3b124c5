"""CaImAn's input: the layout that its reference files have."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_cnmf.engines.base import Job, RunOptions
from napari_cnmf.engines.caiman import memmap
from napari_cnmf.engines.caiman.memmap import (
    SCRATCH,
    clear_scratch,
    open_scratch,
    prepare_input,
    read_frames,
)
from napari_cnmf.io import open_movie

DATA = Path(__file__).parents[1] / "data"
REFERENCE = DATA / "result-2d_d1_48_d2_64_d3_1_order_C_frames_300.mmap"


def prepared(job: Job, recorder: Any, order: str) -> Path:
    open_scratch(job.folder)
    movie = open_movie(list(job.movie_paths))
    return prepare_input(job, movie, recorder(), order=order)


@pytest.mark.parametrize("n_frames_at_once", [64, 128, 10_000])
def test_same_layout_as_caiman_s_own(
    make_job: Callable[..., Job],
    recorder: Any,
    monkeypatch: pytest.MonkeyPatch,
    n_frames_at_once: int,
) -> None:
    monkeypatch.setattr(memmap, "_frames_at_once", lambda *_: n_frames_at_once)
    job = make_job(movie_paths=(DATA / "movie-2d.tif",))
    path = prepared(job, recorder, "C")
    assert path.name.endswith("_d1_48_d2_64_d3_1_order_C_frames_300.mmap")
    ours, theirs = (np.fromfile(file, dtype="<f4") for file in (path, REFERENCE))
    # CaImAn adds 0.0001 to every pixel
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", ["movie-2d.tif", "movie-3d.tif"])
def test_read_back_by_our_reader(
    make_job: Callable[..., Job], recorder: Any, name: str, order: str
) -> None:
    job = make_job(movie_paths=(DATA / name,))
    path = prepared(job, recorder, order)
    expected = open_movie(DATA / name).data.compute()
    np.testing.assert_array_equal(open_movie(path).data.compute(), expected)


def test_frames_of_motion_correction(make_job: Callable[..., Job], recorder: Any) -> None:
    job = make_job(movie_paths=(DATA / "movie-3d.tif",))
    path = prepared(job, recorder, "F")
    expected = open_movie(DATA / "movie-3d.tif").data.compute()
    rows = np.fromfile(path, dtype="<f4").reshape(200, -1)
    np.testing.assert_array_equal(read_frames(rows, (6, 32, 40)), expected)


def test_kept_and_used_by_the_next_item(
    make_job: Callable[..., Job], recorder: Any, tmp_path: Path
) -> None:
    first = make_job(run=RunOptions(keep_memmap=True))
    path = prepared(first, recorder, "C")
    (path.parent / "what CaImAn left").write_text("")
    clear_scratch(first.folder, keep=path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    second = make_job("cnmfe")
    shared = prepared(second, recorder, "C")
    assert shared.parent == second.folder / SCRATCH
    assert shared.samefile(path)
    clear_scratch(first.folder)
    assert not (first.folder / SCRATCH).exists()
    assert shared.stat().st_size == 40 * 12 * 10 * 4  # the other one lost nothing by that
    clear_scratch(second.folder)
    third = make_job("evaluate")
    assert prepared(third, recorder, "C").stat().st_nlink == 1


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is reserved on POSIX")
def test_a_full_disk_is_an_error_before_the_first_frame(
    make_job: Callable[..., Job], recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map that is written to beyond the disk's end would kill its process."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    job = make_job()
    with pytest.raises(OSError, match="No space left"):
        prepared(job, recorder, "C")
    assert not list((job.folder / SCRATCH).iterdir())


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room is reserved on POSIX")
def test_a_share_that_reserves_nothing_is_written_to_all_the_same(
    make_job: Callable[..., Job], recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", cannot)
    assert prepared(make_job(), recorder, "C").stat().st_size == 40 * 12 * 10 * 4
