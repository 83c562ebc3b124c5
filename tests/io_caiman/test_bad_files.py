"""What is no result ends as one readable error."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman import read_caiman, write_caiman

RESULT = Path(__file__).parents[1] / "data" / "result-2d.hdf5"


def copy(tmp_path: Path) -> Path:
    path = tmp_path / "copy.hdf5"
    path.write_bytes(RESULT.read_bytes())
    return path


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="is not there"):
        read_caiman(tmp_path / "none.hdf5")


@pytest.mark.parametrize("kept", [0, 100, 5_000, 150_000, 254_000])
def test_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cut.hdf5"
    path.write_bytes(RESULT.read_bytes()[:kept])
    with pytest.raises(ResultError, match=r"cut\.hdf5"):
        read_caiman(path)


def test_not_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "text.hdf5"
    path.write_text("no result")
    with pytest.raises(ResultError, match="complete HDF5 file"):
        read_caiman(path)


def test_hdf5_without_estimates(tmp_path: Path) -> None:
    path = tmp_path / "other.hdf5"
    with h5py.File(path, "w") as file:
        file["movie"] = np.zeros((3, 4, 5))
    with pytest.raises(ResultError, match="estimates/A"):
        read_caiman(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("dims", np.array([48, 65]), "as many pixels as A"),
        ("estimates/C", np.zeros((8, 0, 2)), "C must be"),
        ("estimates/C", np.zeros((5, 300)), "A must have shape"),
        ("estimates/S", np.zeros((8, 299)), "S must have shape"),
        ("estimates/bl", np.array([b"many"] * 8), "not laid out like a CaImAn result"),
        ("estimates/A/indices", np.full(721, 10**6), "indices must be from 0 to 3071"),
        ("estimates/A/indices", np.full(721, -1), "indices must be from 0 to 3071"),
        ("estimates/A/indptr", np.array([0, 700, 3, 9, 9, 9, 9, 9, 721]), "must not go down"),
        ("estimates/A/indptr", np.array([0, 9, 9, 9, 9, 9, 9, 9, 10**6]), "end at the number of"),
        ("estimates/A/indptr", np.zeros(9, np.uint8), "end at the number of"),
        ("estimates/A/shape", np.array([2**62, 8]), "two sizes"),
        ("estimates/A/data", np.zeros((721, 2)), "data must be numbers"),
        ("estimates/sn", np.zeros(10), "sn must have 3072 values"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, name: str, value: object, message: str) -> None:
    path = copy(tmp_path)
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = value
    with pytest.raises(ResultError, match=message):
        read_caiman(path)


def test_unknown_field_size(tmp_path: Path) -> None:
    path = copy(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["dims"]
    with pytest.raises(ResultError, match="/dims is missing"):
        read_caiman(path)


def test_a_name_caiman_would_not_open(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"must end in \.hdf5 or \.h5"):
        write_caiman(read_caiman(RESULT), tmp_path / "result.mat")


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    components = read_caiman(RESULT)
    path = tmp_path / "result.hdf5"
    path.write_bytes(b"what was there before")
    with pytest.raises(ResultError, match="is not there"):
        write_caiman(components, path, carry_from=tmp_path / "gone.hdf5")
    assert path.read_bytes() == b"what was there before"
    assert [p.name for p in tmp_path.iterdir()] == ["result.hdf5"]


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="cannot be written"):
        write_caiman(read_caiman(RESULT), tmp_path / "no" / "result.hdf5")
