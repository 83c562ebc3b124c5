"""A disk that becomes full while a file is written: one sentence, nothing left, no dead process."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_cnmf.io.full_disk import hdf5_for_writing, npy_content

RESULT = Path(__file__).parents[1] / "data" / "result-2d.hdf5"

_WRITE_EVERYTHING = """
import json, os, resource, sys, warnings
from pathlib import Path
import numpy as np
from napari_cnmf.errors import CnmfError
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.io.exports import Context, export
from napari_cnmf.io.motion import write_motion

warnings.simplefilter("ignore")
folder, result = Path(sys.argv[1]), Path(sys.argv[2])
components = read_caiman(result)
rng = np.random.default_rng(0)
motion = dict(
    shifts=rng.random((900, 2)), border_px=2, template=rng.random((90, 70)),
    field=rng.random((900, 4, 4, 2)), nodes=(np.arange(4), np.arange(4)), figures={"a": 1.0},
)

def as_format(name):
    return lambda out: export(components, name, out)

writers = {"result.hdf5": lambda out: write_caiman(components, out, carry_from=result)}
writers |= {"motion.h5": lambda out: write_motion(out, **motion)}
suffixes = {"caiman": ".hdf5", "nwb": ".nwb", "npz": ".npz", "mat": ".mat", "imagej": ".zip",
            "labels": ".tif", "params": ".toml", "methods": ".txt", "csv": "", "suite2p": ""}
writers |= {f"export-{name}{suffix}": as_format(name) for name, suffix in suffixes.items()}
for name, write in writers.items():
    out = folder / name
    write(out)
    files = [out] if out.is_file() else [p for p in out.rglob("*") if p.is_file()]
    size = max(file.stat().st_size for file in files)
    os.rename(out, folder / f"whole-{name}")
    before = sorted(os.listdir(folder))
    for limit in {300, 20_000, 200_000, size // 2, size - 1}:
        if limit >= size:
            continue
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            write(out)
            said = ""
        except (CnmfError, OSError) as error:
            said = str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        left = [name for name in sorted(os.listdir(folder)) if name not in before]
        os.write(1, (json.dumps([name, limit, size, said, left]) + chr(10)).encode())
    write(out)  # somebody made room
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, which HDF5 ended. Each limit stands for the end of the disk."""
    pytest.importorskip("pynwb")
    command = [sys.executable, "-c", _WRITE_EVERYTHING, str(tmp_path), str(RESULT)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert (ran.returncode, ran.stderr) == (0, "")
    tried = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len({name for name, *_ in tried}) == 12
    for name, limit, size, said, left in tried:
        assert "File too large" in said, (name, limit, size, said)
        assert "\n" not in said
        assert ".tmp" not in said, "a sentence names the file that was asked for"
        assert left == [], (name, limit, size)


class _Disk:
    """Stands for a stream of the system; has no room after so many bytes."""

    def __init__(self, stream: io.FileIO, room: int) -> None:
        self._stream, self._room = stream, room

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, piece: memoryview) -> int:
        n = min(len(piece), self._room - self._stream.tell(), 1000)  # systems write parts
        if n <= 0:
            raise OSError(28, "No space left on device")
        return self._stream.write(piece[:n])


def _fill(file: h5py.File, values: np.ndarray) -> None:
    for i in range(40):
        group = file.create_group(f"group{i}")
        group.attrs["text"] = f"attribute {i}"
        group["small"] = values[i]
        group.create_dataset("packed", data=values[: i + 2], chunks=(2, 50), compression="gzip")
    file["large"] = np.repeat(values, 20, axis=0)
    file["same"] = file["large"]  # a hard link
    del file["group3"]
    file.flush()


@pytest.mark.parametrize("room", [0, 700, 5000, 40_000, 300_000])
def test_hdf5_goes_on_until_the_block_ends(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(room).random((50, 50))
    opened = Path.open
    monkeypatch.setattr(Path, "open", lambda *a, **k: _Disk(opened(*a, **k), room))
    read = []

    def write() -> None:
        with hdf5_for_writing(tmp_path / "a.h5") as file:
            _fill(file, values)
            read.append(file["group7/small"][()])

    with pytest.raises(OSError, match="No space left"):
        write()
    np.testing.assert_array_equal(read, values[7:8])


def test_what_fits_is_what_hdf5_writes(tmp_path: Path) -> None:
    values = np.random.default_rng(1).random((50, 50))
    with hdf5_for_writing(tmp_path / "a.h5") as file:
        _fill(file, values)
    with hdf5_for_writing(tmp_path / "a.h5", "r+") as file:
        file.attrs["late"] = 3
        del file["group4"]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["late"] == 3
        assert len(file) == 40
        assert file["same"] == file["large"]
        np.testing.assert_array_equal(file["large"][::20], values)
        np.testing.assert_array_equal(file["group39/packed"][()], values[:41])


def test_an_error_of_the_block_is_raised_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"), hdf5_for_writing(tmp_path / "a.h5"):
        raise KeyError("mine")
    with pytest.raises(FileNotFoundError), hdf5_for_writing(tmp_path / "none" / "a.h5"):
        pass


@pytest.mark.parametrize("shape", [(), (0, 3), (4, 5), (70, 90)])
def test_npy_content(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape)
    np.testing.assert_array_equal(np.load(io.BytesIO(npy_content(array))), array)
