"""Results of every kind, computed by the built-in engine or put together, as we write them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.engines import get_engine
from napari_cnmf.engines.base import RESULT_FILE, Algorithm
from napari_cnmf.io.caiman import read_caiman, write_caiman
from napari_cnmf.io.curation import open_curation, save_curated
from napari_cnmf.model import rows
from napari_cnmf.model.components import Components
from napari_cnmf.testing.contract import _workbench as bench
from napari_cnmf.testing.recording import Recording


def computed(folder: Path, algorithm: Algorithm, recording: Recording, **init: object) -> Path:
    """A result of the built-in engine."""
    params = bench.params_of(recording).replace(init=init)
    job = bench.job_of(folder, algorithm, recording, params)
    get_engine("builtin").run(job, bench.Listener())
    return job.folder / RESULT_FILE


def plane(folder: Path) -> Path:
    return computed(folder, Algorithm.CNMF, bench.two_photon(folder))


def volume(folder: Path) -> Path:
    return computed(folder, Algorithm.CNMF, bench.volume(folder))


def plane_by_plane(folder: Path) -> Path:
    """A volume whose planes are analysed one by one."""
    return computed(folder, Algorithm.CNMF, bench.volume(folder), plane_by_plane=True)


def one_photon(folder: Path) -> Path:
    one = {"K": None, "gSig": (3, 3), "gSiz": (13, 13), "min_corr": 0.6, "min_pnr": 4}
    return computed(folder, Algorithm.CNMFE, bench.one_photon(folder), **one)


def ring(folder: Path) -> Path:
    """A ring background, which CaImAn's CNMF-E has, through our writer."""
    source = read_caiman(Path(__file__).parents[1] / "data" / "result-1p.hdf5")
    return write_caiman(source, folder / "ring.hdf5")


def curated(folder: Path) -> Path:
    """Decisions by hand against the scores, tags, notes, an unsure one."""
    cur = open_curation(_judged(folder))
    cur.accept([1])
    cur.reject([0])
    cur.unsure([2])
    cur.tag([0], "dim – ü")
    cur.note(1, "looks round")
    return save_curated(cur, folder / "curated.hdf5")


def merged(folder: Path) -> Path:
    cur = open_curation(_judged(folder))
    cur.merge([3, 4])
    cur.reject([0])
    return save_curated(cur, folder / "merged.hdf5")


def left_in_file(folder: Path) -> Path:
    """Traces so large that they stay in the file of the run until a curation of it is written."""
    given = _judged(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "LARGE_BYTES", 1)
        cur = open_curation(given)
        assert isinstance(cur.components.C, rows.TraceRows)
        cur.reject([2])
        return save_curated(cur, folder / "left_in_file.hdf5")


def zero(folder: Path) -> Path:
    components = read_caiman(_judged(folder)).take([])
    return write_caiman(components, folder / "zero.hdf5")


def one(folder: Path) -> Path:
    return write_caiman(read_caiman(_judged(folder)).take([2]), folder / "one.hdf5")


def bare(folder: Path) -> Path:
    """Neither background nor scores nor a verdict."""
    A = sp.csc_matrix(np.eye(30, 3, dtype=np.float32))
    C = np.random.default_rng(0).random((3, 50))
    return write_caiman(Components(A=A, C=C, dims=(5, 6)), folder / "bare.hdf5")


def future(folder: Path) -> Path:
    """What a newer version and another program added: text, arrays, tables, in each group."""
    path = shutil.copy(curated(folder), folder / "future.hdf5")
    with h5py.File(path, "r+") as file:
        n = file["estimates/C"].shape[0]
        file["estimates/newer_score"] = np.arange(n, dtype=float)
        for place in ("napari_cnmf", "napari_cnmf/state"):
            group = file[place].create_group("newer")
            group["table"] = np.arange(6.0).reshape(2, 3)
            group["count"] = 3
            group.attrs["said"] = "ü"
            file[place].attrs["newer_text"] = "of a later version"
        other = file.create_group("another_program")
        other["values"] = np.arange(4)
        other.attrs["version"] = "2.0"
    return Path(path)


def residual_alone(folder: Path) -> Path:
    """Residual traces under the name R alone, as older versions of CaImAn have them."""
    path = shutil.copy(_judged(folder), folder / "residual_alone.hdf5")
    with h5py.File(path, "r+") as file:
        del file["estimates/YrA"]
    return Path(path)


def _judged(folder: Path) -> Path:
    """Scores and classes with which each term of the rule decides for some component.

    The first passes, the second has scores below all thresholds, the third cannot be judged, the
    fourth has the wrong shape, the last two differ in what the rule calls lowest.
    """
    given = read_caiman(Path(__file__).parents[1] / "data" / "result-2d.hdf5").take(range(6))
    classes = np.array(["soma", "soma", "soma", "process", "soma", "soma"])
    quality = {"min_SNR": 3.0, "rval_thr": 0.9, "SNR_lowest": 0.6, "rval_lowest": -1.0}
    return write_caiman(
        given.replace(
            snr=np.array([8.0, 0.7, 9.0, 9.0, 0.5, 3.0]),
            r_values=np.array([0.95, 0.1, np.nan, 0.95, 0.99, 0.9]),
            cnn_preds=None,
            classes=classes,
            accepted=np.array([True, False, False, False, False, True]),
            params=given.params | {"quality": quality, "init": {"gSig": (3, 3)}},
        ),
        folder / "judged.hdf5",
    )


KINDS: dict[str, Callable[[Path], Path]] = {
    kind.__name__: kind
    for kind in (
        plane, volume, plane_by_plane, one_photon, ring, curated, merged, left_in_file, zero,
        one, bare, future, residual_alone,
    )
}  # fmt: skip


@pytest.fixture(scope="session")
def our_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A result of each kind by its name; not to be changed."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in KINDS.items()}
