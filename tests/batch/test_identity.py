"""What stands for the same movie, the same item and the same folder is the same."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from napari_cnmf.batch import Batch
from napari_cnmf.errors import BatchError
from napari_cnmf.io import open_movie
from napari_cnmf.io.movies import fingerprint, same_content
from napari_cnmf.io.movies._fingerprint import WHOLE_BYTES

FRAMES = np.random.default_rng(3).integers(100, 200, (40, 24, 32), dtype=np.uint16)


def write_tiff(path: Path, frames: np.ndarray) -> Path:
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return path


def write_hdf5(path: Path, frames: np.ndarray) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("mov", data=frames, chunks=(1, 24, 32), compression="gzip")
    return path


def write_npy(path: Path, frames: np.ndarray) -> Path:
    np.save(path, frames)
    return path


def write_zarr(path: Path, frames: np.ndarray) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    array = zarr.open(str(path), mode="w", shape=frames.shape, chunks=(1, 24, 32), dtype="u2")
    array[:] = frames
    return path


def write_folder(path: Path, frames: np.ndarray) -> Path:
    path.mkdir(exist_ok=True)
    for k, frame in enumerate(frames):
        tifffile.imwrite(path / f"frame{k}.tif", frame)
    return path


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_tiff, "m.tif"),
        (write_hdf5, "m.h5"),
        (write_npy, "m.npy"),
        (write_zarr, "m.zarr"),
        (write_folder, "m"),
    ],
)
def test_one_pixel_of_any_frame_makes_another_movie(batch: Batch, tmp_path: Path, write, name):
    params = {"data": {"fr": 10}, "init": {"gSig": (3, 3)}}
    path = write(tmp_path / name, FRAMES)
    first = batch.add("cnmf", open_movie(path), params=params)
    assert batch.find_same("cnmf", open_movie(path), params=params) == first
    for frame in (0, 1, 17, 20, 38, 39):
        changed = FRAMES.copy()
        changed[frame, 11, 13] ^= 1
        write(path, changed)
        assert batch.find_same("cnmf", open_movie(path), params=params) is None, frame
    write(path, FRAMES)
    assert batch.find_same("cnmf", open_movie(path), params=params) == first


def test_an_array_is_known_by_all_its_pixels(batch: Batch) -> None:
    params = {"data": {"fr": 10}}
    item = batch.add("mcorr", FRAMES, params=params)
    assert batch.find_same("mcorr", FRAMES.copy(), params=params) == item
    changed = FRAMES.copy()
    changed[20, 5, 5] += 1
    assert batch.find_same("mcorr", changed, params=params) is None
    assert batch.find_same("mcorr", FRAMES.astype(np.float32), params=params) is None
    assert batch.find_same("mcorr", FRAMES.reshape(40, 32, 24), params=params) is None


def large_file(path: Path) -> Path:
    """A file that is not read whole: mostly a hole."""
    with path.open("wb") as stream:
        stream.truncate(WHOLE_BYTES + 10_000_000)
    return path


@pytest.mark.parametrize("keeps_time", [False, True])
def test_a_long_movie_that_is_changed_in_place_is_another_one(
    tmp_path: Path, keeps_time: bool
) -> None:
    path = large_file(tmp_path / "long.bin")
    before, state = fingerprint(path), path.stat()
    assert fingerprint(path) == before
    with path.open("r+b") as stream:
        stream.seek(int((state.st_size - 2**16) / 127 * 50.5))  # between the blocks that are read
        stream.write(b"repaired")
    if keeps_time:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    after = fingerprint(path)
    assert after != before
    assert same_content(after, before), "it was not among the blocks that are read"


def test_a_long_movie_is_read_all_over(tmp_path: Path) -> None:
    path = large_file(tmp_path / "long.bin")
    before, size = fingerprint(path), path.stat().st_size
    for position in np.linspace(0, size - 1, 9).astype(int).tolist():
        with path.open("r+b") as stream:
            stream.seek(max(0, position - 300_000))
            stream.write(b"\1" * 700_000)  # more than the distance of two blocks
        changed = fingerprint(path)
        assert not same_content(changed, before), position
        large_file(path)
    many = tmp_path / "many"
    many.mkdir()
    for k in range(1100):
        (many / f"{k}.tif").write_bytes(bytes([k % 256]) * 10)
    files = sorted(many.iterdir())
    whole = fingerprint(files)
    assert "-" in whole, "so many files are not all opened"
    files[777].write_bytes(b"x" * 10)
    assert fingerprint(files) != whole


def test_a_movie_that_was_repaired_before_it_ran_is_known_by_what_it_ran_on(
    batch: Batch, tmp_path: Path
) -> None:
    params = {"data": {"fr": 10}}
    path = write_tiff(tmp_path / "m.tif", FRAMES)
    item = batch.add("cnmf", path, params=params, engine="toy")
    write_tiff(path, FRAMES + 1)
    batch.run(item, progress=False)
    assert item.error is None
    assert any("changed after this item was added" in text for text in item.warnings)
    copy = write_tiff(tmp_path / "old.tif", FRAMES)
    assert batch.find_same("cnmf", copy, params=params, engine="toy") is None


def test_a_batch_in_two_threads_never_calls_a_folder_its_own_copy(
    batch: Batch, movie_path: Path
) -> None:
    batch.add_grid("cnmf", movie_path, grid={"init.K": list(range(3, 9))})
    for _ in range(200):
        shared = Batch.open(batch.path)
        begin = threading.Barrier(2)
        problems: list[str] = []

        def look(shared: Batch = shared, begin=begin, problems=problems) -> None:
            begin.wait()
            problems += [item.problem for item in shared.items if item.problem]

        threads = [threading.Thread(target=look) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(shared) == 6


def test_a_batch_is_the_same_however_its_path_is_spelled(
    batch: Batch, movie_path: Path, tmp_path: Path
) -> None:
    item = batch.add("mcorr", movie_path)
    link = tmp_path / "link"
    link.symlink_to(batch.path, target_is_directory=True)
    crooked = batch.path / "items" / ".."
    for spelled in (link, crooked):
        other = Batch.open(spelled)
        assert {one.problem for one in other.items} == {None}
        assert other.items[0] == item
        assert hash(other[0]) == hash(item)
        assert other.add("cnmf", item, params={"init": {"gSig": (3, 3)}}).parent == item
    with pytest.raises(BatchError, match="another batch"):
        Batch.create(tmp_path / "elsewhere").add("cnmf", item)


def test_removing_a_link_to_an_item_leaves_the_item(batch: Batch, movie_path: Path) -> None:
    item = batch.add("cnmf", movie_path)
    link = batch.path / "items" / "zz-link"
    link.symlink_to(item.folder, target_is_directory=True)
    found = Batch.open(batch.path)
    (odd,) = [one for one in found.items if one.folder.name == "zz-link"]
    assert "is a link" in str(odd.problem)
    found.remove(odd)
    assert not os.path.lexists(link)
    assert (item.folder / "item.json").is_file()
    assert [one.uuid for one in found.items] == [item.uuid]


def test_an_item_is_named_by_the_start_of_its_uuid(batch: Batch, movie_path: Path) -> None:
    first, second = (
        batch.add("cnmf", movie_path, name=name, params={"init": {"K": k + 3}})
        for k, name in enumerate(["Gr\u00fcn", "other"])
    )
    assert batch.find(first.uuid[:6]) == batch[first.uuid[:8].upper()] == first
    assert batch.find("Gru\u0308n") == first, "an umlaut of two characters is the same letter"
    with pytest.raises(BatchError, match="no item"):
        batch.find(first.uuid[:5])
    with pytest.raises(BatchError, match="Did you mean 'Gr\u00fcn'"):
        batch.find("gr\u00fcn")
    second.rename(first.uuid[:6])
    assert batch.find(first.uuid[:6]) == second, "an exact name comes before a part of a uuid"


def test_a_name_comes_before_a_position(batch: Batch, movie_path: Path) -> None:
    items = [
        batch.add("cnmf", movie_path, name=name, params={"init": {"K": k + 3}})
        for k, name in enumerate(["1", "2", "3", "same", "same"])
    ]
    assert batch.find("1") == batch["1"] == items[0]
    assert batch.find("0", typed=True) == items[0], "no item has that name: it is a position"
    for no_position in ("01", "0", "00", "+1", " 1", "²", "1.0", "-1", "٠"):
        with pytest.raises(BatchError, match="no item"):
            batch.find(no_position)
    for no_position in ("01", "00", "+1", " 1", "²", "1.0", "-1", "٠"):
        with pytest.raises(BatchError, match="no item"):
            batch.find(no_position, typed=True)
    assert batch[1] == items[1]
    assert batch[1:3] == items[1:3]
    with pytest.raises(BatchError, match="2 items have the name"):
        batch.find("same")
    with pytest.raises(BatchError, match="no item 'nobody'"):
        batch.find("nobody")
    with pytest.raises(BatchError, match="no item '0'"):
        _ = batch["0"]
    with pytest.raises(BatchError, match=r"no item '01'\. Did you mean '1'\?"):
        batch.remove("01")
    batch.remove("1")
    assert [item.name for item in batch] == ["2", "3", "same", "same"]
    assert batch._ipython_key_completions_() == ["2", "3", "same"]


@pytest.mark.parametrize("key", [True, np.True_, 1.0, None, (0,)])
def test_what_names_no_item_removes_none(batch: Batch, movie_path: Path, key: object) -> None:
    for k in range(2):
        batch.add("cnmf", movie_path, params={"init": {"K": k + 3}})
    with pytest.raises(BatchError, match="named by its name"):
        batch.remove(key)
    assert len(batch) == 2
    assert batch[np.int64(1)] == batch[1]


def test_threads_that_add_the_same_movie_get_one_item(batch: Batch, movie_path: Path) -> None:
    begin = threading.Barrier(4)
    found: list[str] = []

    def add() -> None:
        begin.wait()
        found.append(batch.add("cnmf", movie_path).uuid)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(batch) == len(set(found)) == 1
