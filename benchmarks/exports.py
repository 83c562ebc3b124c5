"""Cost of each export of a large result: CPU seconds, peak memory, size of what is written.

    python benchmarks/exports.py [N_COMPONENTS N_FRAMES] > benchmarks/results/exports.md

Memory is the peak of the process during an export less what it had before the result was made, as
a multiple of the size of the result in memory (footprints, ``C``, ``S``, ``YrA`` in float32); 1 is
the result itself. The last column multiplies the CPU seconds by the number of values: tables and
archives are linear in it. Linux only: the peak is reset between formats.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from napari_cnmf.io.exports import EXPORTERS, export
from napari_cnmf.model.components import Components

FORMATS = ("csv", "parquet", "npz", "nwb", "mat", "suite2p", "correlation", "raster")
FULL = 10_000 * 20_000


def main(n: int, n_frames: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        small = _result(20, 50)
        for name in FORMATS:  # what is imported is no memory of an export
            export(small, name, Path(folder) / f"small {name}{EXPORTERS[name].suffix}")
        before = _memory_mb("VmRSS")
        result = _result(n, n_frames)
        size_mb = _size_mb(result)
        print(f"{n:,} components x {n_frames:,} frames, {size_mb:.0f} MB in memory\n")
        print("| format | CPU s | peak memory / result | GB written | CPU s of 10,000 x 20,000 |")
        print("|---|---|---|---|---|")
        for name in FORMATS:
            out = Path(folder) / f"large {name}{EXPORTERS[name].suffix}"
            Path("/proc/self/clear_refs").write_text("5")
            began = time.process_time()
            export(result, name, out)
            cpu_s = time.process_time() - began
            peak = (_memory_mb("VmHWM") - before) / size_mb
            files = [out] if out.is_file() else [p for p in out.rglob("*") if p.is_file()]
            gb = sum(path.stat().st_size for path in files) / 1e9
            full = f"{cpu_s * FULL / (n * n_frames):.0f}"
            scaled = "" if name in ("raster", "correlation") else full
            print(f"| {name} | {cpu_s:.1f} | {peak:.2f} | {gb:.2f} | {scaled} |", flush=True)
    return 0


def _size_mb(result: Components) -> float:
    arrays = (result.C, result.S, result.YrA, result.A.data, result.A.indices)
    return sum(array.nbytes for array in arrays if array is not None) / 1e6


def _memory_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024 / 1e6


def _result(n: int, n_frames: int) -> Components:
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
    raise SystemExit(main(*(int(a) for a in sys.argv[1:3] or ("2000", "6000"))))
