"""Runs suite2p beside the engines of the bench: its interpreter, its job, its result."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_cnmf.testing import Recording

PYTHON_VARIABLE = "NAPARI_CNMF_SUITE2P_PYTHON"
"""Environment variable that names the Python of an environment with suite2p 1.x and h5py."""

_WORKER = Path(__file__).with_name("bench_suite2p_worker.py")


def suite2p_python() -> str | None:
    """Path of the interpreter that has suite2p, ``None`` without one."""
    named = os.environ.get(PYTHON_VARIABLE)
    if named:
        return named
    return sys.executable if importlib.util.find_spec("suite2p") else None


def unavailable_reason() -> str | None:
    """Reason why suite2p cannot take part, ``None`` where it can."""
    python = suite2p_python()
    if python is None:
        return f"no suite2p here; name the Python of its environment in {PYTHON_VARIABLE}"
    if not Path(python).exists():
        return f"{PYTHON_VARIABLE} must name an interpreter, got {python}"
    return None


def write_job(recording: Recording, folder: Path) -> Path:
    """Write the movie and the settings as suite2p reads them; not part of what is measured.

    Defaults of suite2p 1.x but frame rate, decay and diameter, which it asks for.
    """
    import h5py

    with h5py.File(folder / "movie.h5", "w") as file:
        file["data"] = recording.array()
    job = folder / "suite2p.json"
    job.write_text(
        json.dumps(
            {
                "movie": str(folder / "movie.h5"),
                "width": recording.shape[-1],
                "out": str(folder / "suite2p.npz"),
                "frame_rate_hz": recording.frame_rate_hz,
                "decay_time_s": recording.decay_time_s,
                "diameter_px": 2 * float(np.mean(recording.gSig)),
            }
        ),
        encoding="utf-8",
    )
    return job


def run_job(job: Path) -> str | None:
    """Run suite2p; return its last words where it failed, else ``None``."""
    done = subprocess.run(
        [str(suite2p_python()), str(_WORKER), str(job)],
        capture_output=True,
        text=True,
        check=False,
        cwd=job.parent,
    )
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return said[-1]


def read_outcome(
    job: Path, dims: tuple[int, ...]
) -> tuple[tuple[sp.csc_matrix, NDArray[Any]], NDArray[np.bool_]]:
    """Read ``(A, C)``, ``C`` less 0.7 of the neuropil, and which ROIs are called cells."""
    with np.load(job.with_suffix(".npz")) as out:
        shape = int(np.prod(dims)), len(out["traces"])
        A = sp.csc_matrix((out["weights"], (out["pixels"], out["component"])), shape=shape)
        return (A, out["traces"]), out["is_cell"]
