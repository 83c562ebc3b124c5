"""What was opened is what is run, and it is opened once."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_cnmf.batch import Batch, Item, Queue, State
from napari_cnmf.batch.jobs import prepare_job
from napari_cnmf.batch.preflight import check_space
from napari_cnmf.batch.processes import LocalHandle
from napari_cnmf.batch.reporter import FileReporter
from napari_cnmf.batch.status import Status
from napari_cnmf.batch.worker import _tell_unused
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.engines.builtin import _frames_per_bin
from napari_cnmf.errors import MovieError
from napari_cnmf.io import open_movie
from napari_cnmf.io.movies import _open, remarks_on
from napari_cnmf.params import CNMFParams


@pytest.fixture
def plain_path(tmp_path: Path) -> Path:
    """A movie whose file says neither rate nor pixel size."""
    path = tmp_path / "plain.tif"
    frames = np.random.default_rng(0).integers(100, 200, (20, 24, 32), dtype=np.uint16)
    tifffile.imwrite(path, frames)
    return path


def test_rate_and_pixel_size_of_an_opened_movie_are_those_of_the_run(
    batch: Batch, plain_path: Path
) -> None:
    movie = replace(open_movie(plain_path, frame_rate_hz=15), pixel_size_um=(0.7, 0.8))
    item = batch.add("cnmf", movie, engine="toy")
    motion = batch.add("mcorr", movie, engine="toy")
    for one in (item, motion, Batch.open(batch.path)[0]):
        assert one.frame_rate_hz == 15
        assert one.input_movie().pixel_size_um == (0.7, 0.8)
        job = prepare_job(one)
        assert (job.frame_rate_hz, job.pixel_size_um) == (15, (0.7, 0.8))
        assert job.open_movie().frame_rate_hz == 15
    batch.run(item, progress=False)
    assert item.state is State.COMPLETED
    assert item.result().components.frame_rate_hz == 15
    params = {"data": {"fr": 30}}
    assert prepare_job(batch.add("cnmf", movie, params=params, engine="toy")).frame_rate_hz == 30
    assert batch.find_same("cnmf", open_movie(plain_path, frame_rate_hz=20), engine="toy") is None


def test_a_missing_rate_says_how_to_give_it_in_python_too(batch: Batch, plain_path: Path) -> None:
    with pytest.raises(MovieError) as caught:
        batch.add("cnmf", plain_path)
    assert "params={'data': {'fr': 30}}" in str(caught.value)
    assert "--set data.fr=30" in str(caught.value)


def test_a_job_opens_its_movie_once(
    batch: Batch, movie_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = batch.add("cnmf", movie_path)
    opened = []
    original = _open._read

    def count(*arguments: Any, **options: Any) -> Any:
        opened.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(_open, "_read", count)
    job = prepare_job(item, n_threads=1)
    check_space(job)
    remarks_on(job.open_movie())
    assert job.open_movie().frame_rate_hz == pytest.approx(10)
    assert len(opened) == 1


class DyingLauncher:
    """Starts workers that are killed before they have imported anything."""

    def launch(self, item: Item, **_: Any) -> LocalHandle:
        code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        return LocalHandle(subprocess.Popen([sys.executable, "-c", code]))


def test_a_worker_that_is_killed_while_it_starts_is_interrupted(
    batch: Batch, movie_path: Path
) -> None:
    item = batch.add("cnmf", movie_path, engine="toy")
    queue = Queue(batch, launcher=DyingLauncher())
    queue.start()
    assert queue.wait(60)
    assert item.state is State.INTERRUPTED
    assert "SIGKILL" in str(item.error)
    item.retry()
    batch.run(item, progress=False)
    assert item.state is State.COMPLETED


class PickyEngine:
    title = "Picky"

    def unused_parameters(self, algorithm: Algorithm, params: CNMFParams) -> dict[str, str]:
        return {"init.ssub": "It reads everything.", "preprocess.p": "temporal.p alone counts."}


def test_what_the_chosen_engine_does_not_use_is_a_warning(batch: Batch, movie_path: Path) -> None:
    params = CNMFParams.preset("two-photon somata").replace(init={"ssub": 7})
    item = batch.add("cnmf", movie_path, params=params)
    reporter = FileReporter(item.folder, Status().to(State.RUNNING), terminated=lambda: False)
    _tell_unused(PickyEngine(), prepare_job(item), reporter)
    (warning,) = reporter.status.warnings
    assert warning.startswith("Picky does not use")
    assert "init.ssub (It reads everything)" in warning
    assert "preprocess.p" not in warning, "a preset sets it so"


@pytest.mark.parametrize(
    ("n_frames", "side", "n_bins"),
    [(5000, 256, None), (5000, 512, 186), (5000, 1024, 47), (5000, 2048, 40), (79, 2048, 40)],
)
def test_images_after_motion_correction_take_little_memory(
    n_frames: int, side: int, n_bins: int | None
) -> None:
    frames = np.broadcast_to(np.uint16(0), (n_frames, side, side))
    per_bin = _frames_per_bin(open_movie(frames, frame_rate_hz=10))
    assert (per_bin is None) == (n_bins is None)
    if per_bin is not None and n_bins is not None:
        assert 0.9 * n_bins <= n_frames // per_bin <= 1.03 * n_bins


def test_tables_and_notebooks_show_what_differs(batch: Batch, movie_path: Path) -> None:
    batch.add_grid("cnmf", movie_path, grid={"init.gSig": [(3, 3), (4, 4)]}, engine="toy")
    batch.run(batch[0], progress=False)
    table = batch.df
    assert table["init.gSig"].tolist() == [(3, 3), (4, 4)]
    assert "merging.merge_thr" not in table.columns
    assert table["n_curated"].fillna(-1).tolist() == [1, -1]
    item = batch[0]
    item.result().accept([1])
    assert batch.df["n_curated"][0] == 2
    assert "<img" in item._repr_html_()
    item.rename("<script>\x1b[2J")
    assert item.name == "<script>\ufffd[2J"
    assert "&lt;script&gt;" in batch._repr_html_()
    assert "init.gSig" in batch._repr_html_()
