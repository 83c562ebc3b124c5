"""Given cells and regions through a batch: from Python and from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_cnmf as nc
from napari_cnmf.cli import main
from napari_cnmf.errors import ParameterError
from napari_cnmf.testing import Recording, score, simulate


@pytest.fixture(scope="module")
def recording() -> Recording:
    return simulate(n_frames=400, size=(48, 64), n_cells=8, seed=5)


@pytest.fixture
def movie(recording: Recording, tmp_path: Path) -> Path:
    recording.write(tmp_path / "movie.tif")
    return tmp_path / "movie.tif"


def labels_of(recording: Recording) -> np.ndarray:
    A = recording.truth.A.toarray()
    core = 0.3 * A.max(0) < A
    return np.where(core.any(1), np.where(core, A, 0).argmax(1) + 1, 0).reshape(
        recording.truth.dims
    )


PARAMS = {"init": {"gSig": (4, 4)}, "data": {"decay_time": 0.7}}


def test_given_cells_are_fitted_and_none_is_searched(
    recording: Recording, movie: Path, tmp_path: Path
) -> None:
    labels = labels_of(recording)
    chosen = np.where(labels <= 3, labels, 0)
    tifffile.imwrite(tmp_path / "cells.tif", chosen.astype(np.uint16))
    batch = nc.Batch.create(tmp_path / "batch")
    item = batch.add("cnmf", movie, params=PARAMS, engine="builtin", ain=tmp_path / "cells.tif")
    batch.run([item])
    found = item.result().components
    assert found.n_components == len(np.unique(chosen)) - 1
    of_three = recording.truth.A[:, :3]
    traces = recording.truth.C[:3]
    close = [np.corrcoef(found.C[k], traces[k])[0, 1] for k in range(3)]
    assert np.median(close) > 0.9
    cosine = (of_three.T @ found.A).toarray().argmax(1)
    np.testing.assert_array_equal(cosine, np.arange(3))
    # what the item accepts is a start for the next one
    cur = item.result()
    cur.reject([0])
    cur.accept([1, 2])
    again = batch.add("cnmf", movie, params=PARAMS, engine="builtin", ain=item)
    assert item.result().accepted.sum() == 2
    assert again.spec.ain is not None
    assert again.spec.hash != item.spec.hash


@pytest.mark.long
def test_the_command_line_takes_cells_and_regions(
    recording: Recording, movie: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = np.zeros(recording.truth.dims, np.uint8)
    left[:, : recording.truth.dims[1] // 2] = 1
    tifffile.imwrite(tmp_path / "left.tif", left)
    np.save(tmp_path / "right.npy", 1 - left)
    common = ["run", str(movie), "--batch", str(tmp_path / "b"), "--engine", "builtin",
              "--set", "init.gSig=4,4", "--set", "decay_time=0.7"]  # fmt: skip
    assert main([*common, "--mask", str(tmp_path / "left.tif")]) == 0
    first = capsys.readouterr().out.splitlines()[-1]
    found = nc.read_caiman(first)
    assert found.n_components > 0
    outside = found.A.toarray()[left.ravel() == 0]
    assert not outside.any()
    assert found.accepted is not None
    assert score(found.take(np.flatnonzero(found.accepted)), recording.truth).precision == 1
    # the other half left out is the same item
    assert main([*common, "--leave-out", str(tmp_path / "right.npy")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == first
    # cells of that item, by its name; the whole field
    assert main([*common, "--ain", "movie", "--name", "second"]) == 0
    second = nc.read_caiman(capsys.readouterr().out.splitlines()[-1])
    batch = nc.Batch.open(tmp_path / "b")
    assert second.n_components == batch["movie"].result().accepted.sum()


def test_nothing_is_left_of_an_item_with_cells_of_another_field(
    movie: Path, tmp_path: Path
) -> None:
    batch = nc.Batch.create(tmp_path / "batch")
    with pytest.raises(ParameterError, match=r"\(48, 64\) of the field, got \(64, 48\)"):
        batch.add("cnmf", movie, params=PARAMS, ain=np.ones((64, 48), int))
    with pytest.raises(ParameterError, match="mask must have the shape"):
        batch.add("cnmf", movie, params=PARAMS, mask=np.ones((64, 48), bool))
    assert len(batch.items) == 0
