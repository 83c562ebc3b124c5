"""One-photon accuracy on the recordings of another simulator, `minisim` (PyPI, GPL-3).

    NAPARI_CNMF_MINISIM_PYTHON=... python benchmarks/minisim_one_photon.py [--seeds 2]

The variable names an interpreter that has minisim; without it this one is tried. CaImAn takes
part where its interpreter is found (`--engines auto`). Movies and truth lie in a temporary folder.
CPU is that of the whole worker process, imports and files included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from bench import choose_engines
from bench_measure import RunFailed, measure
from bench_rows import Row, rows_of
from napari_cnmf.testing import Recording, Truth, simulate_one_photon

NAMES = (
    "hippocampus",
    "dense",
    "strong neuropil, low light",
    "rough moving background",
    "cortex, blurred",
)
HEADER = (
    "| movie | seed | cells | engine | CPU s | F1 found | trace corr. | F1 accepted | "
    "precision / recall |\n|---|---|---|---|---|---|---|---|---|"
)


def make(name: str, seed: int, folder: Path) -> Recording:
    """A recording of minisim as one of ours, its movie in a file."""
    archive = folder / "recording.npz"
    python = os.environ.get("NAPARI_CNMF_MINISIM_PYTHON", sys.executable)
    script = Path(__file__).with_name("minisim_recording.py")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [python, "-P", str(script), name, str(seed), str(archive)]
    subprocess.run(command, check=True, env=environment)
    with np.load(archive) as data:
        movie, seen = data["movie"], data["A"]
        # What is below a hundredth of a cell's peak is scattered light, not its footprint.
        A = np.where(seen >= 0.01 * seen.max(0), seen, 0) / np.maximum(seen.max(0), 1e-12)
        C, S = data["C"], data["S"]
        rate, decay = float(data["frame_rate_hz"]), float(data["decay_time_s"])
    np.save(folder / "movie.npy", movie)
    n, dims = len(C), movie.shape[1:]
    half = np.sqrt((A > 0.5).sum(0) / np.pi)
    gSig = max(1, round(float(np.median(half)) / float(np.sqrt(2 * np.log(2)))))
    # What no score looks at is taken from an empty recording of ours.
    blank = simulate_one_photon(n_frames=len(movie), size=(16, 16), n_cells=0).truth
    truth = Truth(
        **{
            **vars(blank),
            "A": sp.csc_matrix(A, dtype=np.float32),
            "C": C,
            "S": S,
            "dims": dims,
            "frame_rate_hz": rate,
            "radius_px": half,
            "decay_time_s": np.full(n, decay),
            "kind": np.full(n, "filled"),
            "detectable": (S > 0).any(1),
        }
    )
    return Recording(folder / "movie.npy", rate, decay, (gSig, gSig), truth, "minisim")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--engines", default="auto", help="of builtin, caiman, with commas")
    parser.add_argument("--only", help="the movie of this name")
    args = parser.parse_args()
    engines = [e for e in choose_engines(args.engines) if e != "suite2p"]
    print(HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="napari-cnmf-minisim-") as name:
        folder = Path(name)
        warm = rows_of("smoke")[0]
        measure(warm, "builtin", warm.simulate(folder / "warm-up.npy"), folder)
        for movie in NAMES if args.only is None else (args.only,):
            for seed in range(args.first_seed, args.first_seed + args.seeds):
                recording = make(movie, seed, folder)
                row = Row("one-photon", movie, lambda path, r=recording: r, algorithm="cnmfe")
                for engine in engines:
                    print(line(row, seed, engine, recording, folder), flush=True)


def line(row: Row, seed: int, engine: str, recording: Recording, folder: Path) -> str:
    start = f"| {row.name} | {seed} | {recording.truth.n_cells} | {engine} "
    try:
        m = measure(row, engine, recording, folder)
    except RunFailed as error:
        return f"{start}| {error} | | | | |"
    return (
        f"{start}| {m.cpu_s:.1f} | {m.f1_found:.3f} | {m.trace_correlation:.4f} | {m.f1:.3f} | "
        f"{m.precision:.3f} / {m.recall:.3f} |"
    )


if __name__ == "__main__":
    main()
