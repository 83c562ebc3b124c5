"""Cost of each export of a large result: CPU seconds, peak memory, size of what is written.

    python benchmarks/exports.py [N_COMPONENTS N_FRAMES] > benchmarks/results/exports.md

Each format is written by a process of its own. Memory is the process's peak less what it had before
the result was made, as a multiple of the result's size in memory (footprints, ``C``, ``S`` and
``YrA`` in float32). *of 10,000 x 20,000* multiplies the CPU seconds by the number of values: every
format but the pictures and the correlation is linear in it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

FORMATS = ("csv", "parquet", "npz", "nwb", "mat", "suite2p", "correlation", "raster")
FULL = 10_000 * 20_000


def main(n: int, n_frames: int) -> int:
    print(f"{n:,} components x {n_frames:,} frames\n")
    print("| format | CPU s | peak memory / result | GB written | CPU s of 10,000 x 20,000 |")
    print("|---|---|---|---|---|")
    for name in FORMATS:
        command = [sys.executable, __file__, "--one", name, str(n), str(n_frames)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"| {name} | failed: {done.stderr.strip().splitlines()[-1]} | | | |", flush=True)
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        full = told["cpu_s"] * FULL / (n * n_frames)
        scaled = "" if name in ("raster", "correlation") else f"{full:.0f}"
        print(
            f"| {name} | {told['cpu_s']:.1f} | {told['peak']:.2f} | {told['gb']:.2f} | {scaled} |",
            flush=True,
        )
    return 0


def one(name: str, n: int, n_frames: int) -> None:
    """Make a result, export it, and print what that took."""
    from napari_cnmf.io.exports import EXPORTERS, export
    from napari_cnmf.model.components import Components

    with tempfile.TemporaryDirectory() as folder:
        # a small one first: what is imported is no memory of the export
        export(_result(20, 50), name, Path(folder) / f"small{EXPORTERS[name].suffix}")
        before = _resident()
        components: Components = _result(n, n_frames)
        size = sum(
            array.nbytes
            for array in (components.C, components.S, components.YrA)
            if array is not None
        )
        size += components.A.data.nbytes + components.A.indices.nbytes
        out = Path(folder) / f"large{EXPORTERS[name].suffix}"
        began = time.process_time()
        export(components, name, out)
        cpu_s = time.process_time() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        files = [out] if out.is_file() else [p for p in out.rglob("*") if p.is_file()]
        written = sum(path.stat().st_size for path in files)
        print(json.dumps({"cpu_s": cpu_s, "peak": (peak - before) / size, "gb": written / 1e9}))


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _result(n: int, n_frames: int) -> object:
    from napari_cnmf.model.components import Components

    rng = np.random.default_rng(0)
    side = max(32, int(np.sqrt(n) * 10))
    starts = rng.integers(0, side * side - 40, n)
    rows = (starts[:, np.newaxis] + np.arange(40)).ravel()
    columns = np.repeat(np.arange(n), 40)
    A = sp.csc_matrix((np.ones(rows.size, np.float32), (rows, columns)), shape=(side**2, n))
    S = np.zeros((n, n_frames), np.float32)
    S[rng.integers(0, n, 20 * n), rng.integers(0, n_frames, 20 * n)] = 1
    C = np.empty_like(S)
    level = np.zeros(n, np.float32)
    for t in range(n_frames):
        level = 0.95 * level + S[:, t]
        C[:, t] = level
    YrA = rng.standard_normal((n, n_frames), dtype=np.float32)
    YrA *= 0.2
    return Components(
        A=A, C=C, S=S, YrA=YrA, dims=(side, side), frame_rate_hz=30.0,
        b=np.ones((side**2, 1), np.float32), f=np.full((1, n_frames), 5, np.float32),
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        raise SystemExit(main(*(int(a) for a in sys.argv[1:3] or ("2000", "6000"))))
