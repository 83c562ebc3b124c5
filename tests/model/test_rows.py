"""Traces that are read when asked for are indexed like arrays and copied by nobody."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError
from napari_cnmf.io import hdf5_heaps
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.io.curation import open_curation, save_curated
from napari_cnmf.model import rows as rows_module
from napari_cnmf.model.components import TRACES, Components
from napari_cnmf.model.reconstruction import denoised
from napari_cnmf.model.rows import ChosenRows, TraceRows, choose_rows, row_blocks

N, N_FRAMES = 7, 300
KEYS: list[Any] = [
    3, -1, np.int64(2), slice(None), slice(1, 5), slice(None, None, -2), slice(5, 2), Ellipsis,
    [4, 0, 0], [], np.array([True, False] * 3 + [True]), np.array([[1, 2], [3, 3]]),
    (2, 5), (2, slice(3, 9)), (slice(1, 6), slice(10, 4)), (slice(None), -1), ([1, 2], [5, 6]),
    (slice(2, 4), slice(None, None, 3)), np.ix_([6, 1], [0, 299]), (None, 1), (1, None),
    ([5, 1], slice(100, 250)), (slice(None), [7, 7, 8]), (slice(None), np.arange(N_FRAMES) > 297),
]  # fmt: skip


def make_components(seed: int = 0) -> Components:
    rng = np.random.default_rng(seed)
    C, S, YrA = rng.random((3, N, N_FRAMES)).astype(np.float32)
    A = sp.random(80, N, 0.2, "csc", np.float32, random_state=rng)
    return Components(A=A, C=C, S=S, YrA=YrA, dims=(8, 10), snr=rng.random(N), frame_rate_hz=10.0)


@pytest.fixture(params=["stored", "stored float64", "chosen"])
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[TraceRows, NDArray[Any]]:
    """Rows, and the array that they stand for."""
    monkeypatch.setattr(rows_module, "LARGE_BYTES", 0)
    made = make_components()
    if request.param == "chosen":
        base = np.concatenate([made.C[::-1], made.C])
        index = np.array([6, 5, -1, 3, -2, 1, 0])
        rows: Any = choose_rows(base, index, [made.C[2], made.C[4]])
        return rows, np.array(made.C)
    if request.param == "stored float64":
        made = made.replace(C=made.C.astype(np.float64))
    rows = read_caiman(write_caiman(made, tmp_path / "result.hdf5")).C
    return rows, np.array(made.C)


def test_rows_are_indexed_like_arrays(pair: tuple[TraceRows, NDArray[Any]]) -> None:
    rows, array = pair
    assert isinstance(rows, TraceRows)
    for key in KEYS:
        np.testing.assert_array_equal(rows[key], array[key], str(key), strict=True)
    for key in (7, -8, [9], (0, 300), np.ones(3, bool), (0, 0, 0)):
        with pytest.raises(IndexError):
            rows[key]
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 1


def test_rows_go_where_an_array_goes(pair: tuple[TraceRows, NDArray[Any]]) -> None:
    rows, array = pair
    assert (len(rows), rows.size, rows.nbytes) == (N, array.size, array.nbytes)
    np.testing.assert_array_equal(np.asarray(rows), array, strict=True)
    np.testing.assert_array_equal(2 * rows - rows, array)
    np.testing.assert_array_equal(rows.mean(axis=1), array.mean(axis=1))
    np.testing.assert_array_equal(np.concatenate([rows, array]), np.concatenate([array, array]))
    np.testing.assert_array_equal(np.stack(list(rows)), array)
    np.testing.assert_array_equal(copy.copy(rows)[2:4], array[2:4])
    with pytest.raises(AttributeError, match="nonsense"):
        rows.nonsense  # noqa: B018


def test_blocks_hold_every_row_once(
    pair: tuple[TraceRows, NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, array = pair
    monkeypatch.setattr(rows_module, "_BLOCK_BYTES", 2 * array[0].nbytes)
    anything: Any = rows
    np.testing.assert_array_equal(np.concatenate([b for _, b in row_blocks(anything)]), array)


def test_a_file_that_was_written_anew_or_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LARGE_BYTES", 0)
    path = write_caiman(make_components(), tmp_path / "result.hdf5")
    C = read_caiman(path).C
    write_caiman(make_components(1).replace(C=np.zeros((N, N_FRAMES))), path)
    with pytest.raises(ResultError, match=r"result\.hdf5 was written anew.*Open it again"):
        C[0]
    path.unlink()
    with pytest.raises(ResultError, match=r"result\.hdf5 cannot be read"):
        C[0]


def test_edits_of_a_large_result_copy_no_traces_and_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_caiman(make_components(), tmp_path / "result.hdf5")
    plain = open_curation(path)
    plain.merge([1, 4])
    plain.delete([0])
    monkeypatch.setattr(rows_module, "LARGE_BYTES", 0)
    large = open_curation(path)
    saved = open_curation(save_curated(large, tmp_path / "saved.hdf5"))
    for cur in (large, saved):
        assert isinstance(cur.components.C, ChosenRows | TraceRows)
        for name in TRACES:
            expected = getattr(plain.components, name)
            if expected is not None:
                np.testing.assert_array_equal(getattr(cur.components, name), expected, name)
    assert saved.undo()
    assert saved.undo()
    np.testing.assert_array_equal(saved.components.C, plain.original.C)


def test_frames_of_large_results_are_those_of_small_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_components()
    monkeypatch.setattr(rows_module, "LARGE_BYTES", 0)
    read = read_caiman(write_caiman(made, tmp_path / "result.hdf5"))
    for key in (0, 299, slice(120, 140), slice(2, 290, 7), slice(290, 100, -30), slice(0, 0)):
        expected, got = denoised(made)[key].compute(), denoised(read)[key].compute()
        np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_arrays_of_numbers_are_not_searched_for_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_components()
    fake = np.frombuffer(b"GCOL\x01\0\0\0" + b"\xff" * 8, np.float32)
    C = np.tile(fake, N * N_FRAMES // 4).reshape(N, N_FRAMES)
    path = write_caiman(made.replace(C=C), tmp_path / "result.hdf5")
    with pytest.raises(OSError, match="larger than the file"):
        hdf5_heaps.require_sound_heaps(path)
    monkeypatch.setattr(hdf5_heaps, "_SEARCHED_WHOLE", 0)
    monkeypatch.setattr(hdf5_heaps, "_LARGE", C.nbytes - 1)
    hdf5_heaps.require_sound_heaps(path)
