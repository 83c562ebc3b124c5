"""Files of an item that are no JSON: damaged ones end in a sentence, newer ones are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.errors import ResultError
from napari_cnmf.io import read_images, write_images
from napari_cnmf.io.archives import read_sparse
from napari_cnmf.io.motion import read_motion, write_motion

N_FRAMES = 5


def write_shifts(path: Path) -> None:
    write_motion(
        path, shifts=np.ones((N_FRAMES, 2)), border_px=2, error_px=np.zeros(N_FRAMES),
        template=np.zeros((4, 6)), field=np.zeros((N_FRAMES, 2, 3, 2)),
        nodes=[np.arange(2), np.arange(3)], figures={"max_shift_px": 1.5},
    )  # fmt: skip


def external(file: h5py.File) -> None:
    del file["shifts"]
    file.create_dataset("shifts", (8, 2), "u1", external=[("/etc/hostname", 0, 16)])


def linked(file: h5py.File) -> None:
    del file["template"]
    file["template"] = h5py.ExternalLink("other.h5", "/template")


def claims_a_terabyte(file: h5py.File) -> None:
    del file["field"]
    file.create_dataset("field", (2**20, 2**8, 2**8, 2), "f8", chunks=(1, 64, 64, 2))


def no_number(file: h5py.File) -> None:
    file.attrs["border_px"] = "wide"


def shorter(file: h5py.File) -> None:
    del file["error_px"]
    file["error_px"] = np.zeros(N_FRAMES - 1, np.float32)


def gone(file: h5py.File) -> None:
    del file["shifts"]


def a_table(file: h5py.File) -> None:
    del file["shifts"]
    file["shifts"] = np.zeros(N_FRAMES, [("y", "f4"), ("x", "f4")])


def nodes_of_text(file: h5py.File) -> None:
    del file["nodes/0"]
    file["nodes/0"] = "here"


@pytest.mark.parametrize(
    "damage",
    [external, linked, claims_a_terabyte, no_number, shorter, gone, a_table, nodes_of_text],
)
def test_damaged_shifts_are_refused_in_a_sentence(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "motion.h5"
    write_shifts(path)
    with h5py.File(path, "r+") as file:
        damage(file)
    with pytest.raises(ResultError, match=r"motion\.h5"):
        read_motion(path)


def test_what_a_newer_version_adds_to_shifts_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "motion.h5"
    write_shifts(path)
    with h5py.File(path, "r+") as file:
        file["rotation"] = np.zeros(N_FRAMES)
        file["figures"].attrs["method"] = "by eye"
        file.attrs["scanner"] = "resonant"
    record = read_motion(path)
    assert (record.shifts == 1).all()
    assert record.border_px == 2
    assert record.figures == {"max_shift_px": 1.5}
    assert [n.size for n in record.nodes or ()] == [2, 3]


def test_one_byte_damaged_anywhere_in_an_archive_ends_in_a_sentence(tmp_path: Path) -> None:
    images, matrix = tmp_path / "images.npz", tmp_path / "ain.npz"
    write_images(images, {"mean": np.eye(3)})
    sp.save_npz(matrix, sp.eye_array(4, format="csc"))
    said = []
    for path, read in ((images, read_images), (matrix, read_sparse)):
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
            try:
                read(path)
            except ResultError as error:
                said.append(str(error))
    assert len(said) > 300
    assert all(("images.npz" in text or "ain.npz" in text) and text[-1] == "." for text in said)


@pytest.mark.parametrize(
    "arrays",
    [
        {"mean": np.eye(3), "max": np.eye(4)},
        {"mean": np.zeros(3)},
        {"mean": np.array("text")},
        {"mean": np.array([object()])},
    ],
)
def test_pictures_that_are_none_are_refused(tmp_path: Path, arrays: dict[str, Any]) -> None:
    path = tmp_path / "images.npz"
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    with pytest.raises(ResultError, match="summary images"):
        read_images(path)
