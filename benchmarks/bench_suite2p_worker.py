"""Runs suite2p on a movie in its own interpreter, where suite2p and h5py must be.

    python bench_suite2p_worker.py JOB.json

The job names ``movie`` (HDF5, ``data (T, Y, X)``), ``width``, ``out`` (npz), ``frame_rate_hz``,
``decay_time_s`` and ``diameter_px``. Registration is off: the movies of the bench are registered.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np


def run(job: dict[str, Any]) -> None:
    """Detect, extract, deconvolve, classify; write footprints, traces and ``iscell`` to ``out``."""
    # By name: this interpreter has suite2p, the one that checks types has not.
    suite2p = importlib.import_module("suite2p")
    movie, folder = Path(job["movie"]), Path(job["out"]).parent
    settings = suite2p.default_settings()
    settings.update(
        fs=job["frame_rate_hz"],
        tau=job["decay_time_s"],
        diameter=[job["diameter_px"]] * 2,
        torch_device="cpu",
    )
    settings["run"].update(do_registration=0, do_regmetrics=False)
    suite2p.run_s2p(
        db={
            "data_path": [str(movie.parent)],
            "file_list": [movie.name],
            "input_format": "h5",
            "save_path0": str(folder),
        },
        settings=settings,
    )
    plane = folder / "suite2p" / "plane0"
    stat = np.load(plane / "stat.npy", allow_pickle=True)
    F, neuropil = np.load(plane / "F.npy"), np.load(plane / "Fneu.npy")
    np.savez(
        job["out"],
        pixels=np.concatenate([s["ypix"] * job["width"] + s["xpix"] for s in stat]),
        weights=np.concatenate([s["lam"] for s in stat]),
        component=np.repeat(np.arange(len(stat)), [len(s["lam"]) for s in stat]),
        traces=F - settings["extraction"]["neuropil_coefficient"] * neuropil,
        is_cell=np.load(plane / "iscell.npy")[:, 0] > 0,
    )


if __name__ == "__main__":
    run(json.loads(Path(sys.argv[1]).read_text()))
