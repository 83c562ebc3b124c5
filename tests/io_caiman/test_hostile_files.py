"""Files that claim what they do not hold, or point somewhere else, are refused in one sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman import read_caiman, read_state, write_caiman
from napari_cnmf.io.hdf5_heaps import require_sound_heaps

DATA = Path(__file__).parents[1] / "data"
Change = Callable[[h5py.File], None]


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "result-2d.hdf5", tmp_path / "result.hdf5"))


def put(name: str, make: Callable[[h5py.File, str], Any]) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]
        make(file, name)

    return change


@pytest.mark.parametrize("name", ["estimates/C", "estimates/A", "estimates/S", "params", "dims"])
@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("/etc/hostname", "/"), h5py.SoftLink("/estimates/YrA")]
)
def test_links(result: Path, name: str, link: Any) -> None:
    with h5py.File(result, "r+") as file:
        del file[name]
        file[name] = link
    with pytest.raises(ResultError, match=r"link to somewhere else|must hold estimates/A"):
        read_caiman(result)


def test_values_in_another_file(result: Path, tmp_path: Path) -> None:
    """HDF5 would read any file of the user into the traces."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 19200)
    with h5py.File(result, "r+") as file:
        del file["estimates/C"]
        external = [(str(secret), 0, 19200)]
        file.create_dataset("estimates/C", (8, 300), "f8", external=external)
    with pytest.raises(ResultError, match="kept in other files"):
        read_caiman(result)


@pytest.mark.parametrize("name", ["estimates/C", "estimates/b", "params/init/gSig"])
def test_more_than_the_file_can_hold(result: Path, name: str) -> None:
    with h5py.File(result, "r+") as file:
        del file[name]
        file.create_dataset(name, (2**20, 2**14), "f8", chunks=(64, 64))
    with pytest.raises(ResultError, match="more than a file of this size can hold"):
        read_caiman(result)


def test_what_is_not_known_is_never_read(result: Path) -> None:
    """Other programs and newer versions add what they like."""
    with h5py.File(result, "r+") as file:
        file.create_dataset("estimates/huge", (2**20, 2**14), "f8", chunks=(64, 64))
        file.create_dataset("huge", (2**20, 2**14), "f8", chunks=(64, 64))
        file["estimates/elsewhere"] = h5py.ExternalLink("/etc/hostname", "/")
        file["records"] = np.zeros(3, dtype=[("a", "i4"), ("b", "S5")])
        file["napari_cnmf/of_tomorrow"] = np.arange(3)
        file["napari_cnmf"].attrs["schema"] = "99"
        file["params/init/records"] = np.zeros(3, dtype=[("a", "i4")])
    components = read_caiman(result)
    assert components.n_components == 8
    again = write_caiman(components, result.with_name("again.hdf5"), carry_from=result)
    with h5py.File(again) as file:
        assert file["napari_cnmf/of_tomorrow"][()].tolist() == [0, 1, 2]
        assert "records" in file
        assert "elsewhere" not in file["estimates"]


def test_a_group_inside_of_itself(result: Path) -> None:
    with h5py.File(result, "r+") as file:
        file["params/init/loop"] = file["params"]
    with pytest.raises(ResultError, match="nest at most"):
        read_caiman(result)


@pytest.mark.parametrize("length", [2**64 - 8, 2**63, 5000])
def test_a_damaged_text_ends_in_a_sentence(result: Path, length: int) -> None:
    """HDF5 itself walks through such a heap for ever."""
    content = bytearray(result.read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 24 : heap + 32] = length.to_bytes(8, "little")
    result.write_bytes(content)
    with pytest.raises(ResultError, match="beyond its collection"):
        read_caiman(result)


@pytest.mark.parametrize("n_lost", [1, 4])
def test_a_damaged_text_that_lost_bytes_moved_is_found(result: Path, n_lost: int) -> None:
    """Free room of no size, in a collection that lies at an odd place."""
    content = bytearray(result.read_bytes())
    heap = content.find(b"GCOL")
    content[heap + 16 : heap + 32] = bytes(16)
    result.write_bytes(content[: heap - 64] + content[heap - 64 + n_lost :])
    with pytest.raises(OSError, match="beyond its collection"):
        require_sound_heaps(result)


def test_good_heaps_pass(result: Path) -> None:
    require_sound_heaps(result)


def test_json_that_is_none(tmp_path: Path) -> None:
    components = read_caiman(DATA / "result-2d.hdf5")
    path = write_caiman(
        components.replace(attributes={"a": 1}), tmp_path / "r.hdf5", state={"journal": [1]}
    )
    for name in ("attributes.json", "state/journal.json"):
        damaged = Path(shutil.copy(path, tmp_path / "damaged.hdf5"))
        with h5py.File(damaged, "r+") as file:
            file[f"napari_cnmf/{name}"][0] = 0xFF
        read = read_state if name.startswith("state") else read_caiman
        with pytest.raises(ResultError, match="must hold JSON"):
            read(damaged)


# -- the field's sizes in another order


def reverse(file: h5py.File, *names: str) -> None:
    for name in names:
        value = np.array([64, 48])
        if name in file:
            del file[name]
        file[name] = value


def test_reversed_sizes_are_put_right_where_the_file_tells(result: Path) -> None:
    """The name of CaImAn's memory map tells the field."""
    right = read_caiman(result)
    with h5py.File(result, "r+") as file:
        reverse(file, "dims")
        file.attrs["mmap_file"] = "/gone/movie_d1_48_d2_64_d3_1_order_C_frames_300.mmap"
    found = read_caiman(result)
    assert found.dims == (48, 64)
    assert (found.A != right.A).nnz == 0


def test_reversed_sizes_are_refused_where_nothing_tells(result: Path) -> None:
    with h5py.File(result, "r+") as file:
        reverse(file, "dims")
        file.attrs["mmap_file"] = ""
    with pytest.raises(
        ResultError, match=r"patches of a field \(48, 64\) and stripes of \(64, 48\)"
    ):
        read_caiman(result)


def test_sizes_of_a_volume_in_another_order(tmp_path: Path) -> None:
    path = Path(shutil.copy(DATA / "result-3d.hdf5", tmp_path / "volume.hdf5"))
    with h5py.File(path, "r+") as file:
        del file["dims"]
        file["dims"] = np.array([40, 32, 6])
        file.attrs["mmap_file"] = "movie_d1_6_d2_32_d3_40_order_C_frames_200.mmap"
    assert read_caiman(path).dims == (6, 32, 40)


def test_a_right_field_stays_whatever_its_cells_look_like(tmp_path: Path) -> None:
    """Single pixels, rows and columns tell nothing against what the file says."""
    import scipy.sparse as sp

    from napari_cnmf.model.components import Components

    images = np.zeros((4, 6, 9))
    images[0, 2, 3] = images[1, 1, :] = images[2, :, 4] = images[3, 1:4, 2:6] = 1
    A = sp.csc_matrix(images.reshape(4, -1).T)
    path = write_caiman(Components(A=A, C=np.ones((4, 5)), dims=(6, 9)), tmp_path / "r.hdf5")
    assert read_caiman(path).dims == (6, 9)


@pytest.mark.parametrize("dims", [(2, 1), (400, 1), (1, 400), (40, 1, 50), (1, 40, 50)])
def test_an_axis_of_one_pixel_may_stand_anywhere(dims: tuple[int, ...]) -> None:
    """One line of pixels, or one plane, is the same field in every order of its axes."""
    import scipy.sparse as sp

    from napari_cnmf.io.caiman._order import field_of_footprints

    A = sp.csc_matrix(np.ones((int(np.prod(dims)), 2), np.float32))
    assert field_of_footprints(A, dims) == dims


def test_a_few_pixels_tell_no_field() -> None:
    """Pixels 0 and 3 are a diagonal in (2, 3) and neighbours in (3, 2)."""
    import scipy.sparse as sp

    from napari_cnmf.io.caiman._order import field_of_footprints

    A = sp.csc_matrix(np.array([[1, 0, 0, 1, 0, 0]], np.float32).T)
    assert field_of_footprints(A, (2, 3)) == (2, 3)


def oblique_lines(dims: tuple[int, int]) -> Any:
    """Thin dendrites that look like upright ones in a field of the reversed sizes."""
    import scipy.sparse as sp

    from napari_cnmf.model.components import Components

    images = np.zeros((3, *dims))
    for image, start in zip(images, (0, 20, 40), strict=True):
        steps = np.arange(60)
        image[start + steps, steps] = 1
    A = sp.csc_matrix(images.reshape(3, -1).T)
    return Components(A=A, C=np.ones((3, 5)), dims=dims)


def test_our_own_file_says_its_field_whatever_its_cells_look_like(tmp_path: Path) -> None:
    from napari_cnmf.io.caiman._order import field_of_footprints, move_rows

    components = oblique_lines((100, 101))
    seen = field_of_footprints(move_rows(components.A, (100, 101), to="F"), (100, 101))
    assert seen == (101, 100), "the case must be one that the shapes alone get wrong"
    path = write_caiman(components, tmp_path / "r.hdf5")
    found = read_caiman(path)
    assert found.dims == (100, 101)
    assert (found.A != components.A).nnz == 0


def test_sizes_reversed_elsewhere_are_put_right_in_our_own_file(tmp_path: Path) -> None:
    path = write_caiman(read_caiman(DATA / "result-2d.hdf5"), tmp_path / "ours.hdf5")
    with h5py.File(path, "r+") as file:
        reverse(file, "dims")
        file["estimates/dims"][...] = [64, 48]
        file.attrs["mmap_file"] = ""
    assert read_caiman(path).dims == (48, 64)


@pytest.mark.parametrize("text", ["", "x", "48", "48,64,9", "-48,-64", "4" * 5000, "\u0664,768"])
def test_a_damaged_field_of_ours_is_passed_over(tmp_path: Path, text: str) -> None:
    path = write_caiman(read_caiman(DATA / "result-2d.hdf5"), tmp_path / "ours.hdf5")
    with h5py.File(path, "r+") as file:
        file["napari_cnmf"].attrs["dims"] = text
    assert read_caiman(path).dims == (48, 64)
