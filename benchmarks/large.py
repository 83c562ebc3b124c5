"""What large recordings and results cost, and how it grows.

Each row is a process of its own: CPU and wall seconds, peak memory of the process and its
children, bytes that they read and wrote, and the exponent with which each grows along frames,
pixels and components (1 is linear). ``make large`` runs it; ``--quick`` takes sizes of a minute.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

Sizes = dict[str, int]
COLUMNS = ("cpu_s", "wall_s", "peak_gb", "read_gb", "written_gb")
SERIES: dict[str, tuple[str, str, list[Sizes]]] = {
    "cells over frames": ("cnmf", "frames", [{"frames": n, "side": 256} for n in (1500, 3000, 6000)]),
    "cells over pixels": ("cnmf", "side", [{"frames": 1500, "side": n} for n in (256, 512, 1024)]),
    "motion over frames": ("mcorr", "frames", [{"frames": n, "side": 512} for n in (400, 800, 1600)]),
    "motion over pixels": ("mcorr", "side", [{"frames": 200, "side": n} for n in (512, 1024, 2048)]),
    "curation over components": (
        "curation", "cells", [{"cells": n, "frames": 20_000} for n in (1000, 3000, 10_000)],
    ),
}  # fmt: skip
"""Name of each series: what is done, the size that grows, and the sizes of its rows."""
QUICK = {"frames": 8, "side": 4, "cells": 20}
"""Sizes are divided by these where it has to be quick."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--memory-gb", type=float, help="budget of the engine")
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "FILE", "MEMORY"), help="internal")
    args = parser.parse_args()
    if args.child:
        what, path, memory = args.child
        WORK[what](Path(path), float(memory) or None)
        return
    for name, (what, axis, rows) in SERIES.items():
        print(f"\n{name}\n{'':24}" + "".join(f"{c:>12}" for c in COLUMNS))
        table = [measure(what, _sized(row, args.quick), args.memory_gb) for row in rows]
        grown = [math.log(_sized(row, args.quick)[axis]) for row in rows]
        grown = [2 * g for g in grown] if axis == "side" else grown
        for row, figures in zip(rows, table, strict=True):
            label = " ".join(f"{k}={v}" for k, v in _sized(row, args.quick).items())
            print(f"{label:24}" + "".join(f"{f:12.2f}" for f in figures))
        logs = np.log(np.maximum(np.array(table), 1e-3))
        slopes = [np.polyfit(grown, column, 1)[0] for column in logs.T]
        print(f"{'grows with the power':24}" + "".join(f"{s:12.2f}" for s in slopes))


def _sized(row: Sizes, quick: bool) -> Sizes:
    return {k: max(32, v // QUICK[k]) if quick else v for k, v in row.items()}


def measure(what: str, sizes: Sizes, memory_gb: float | None) -> list[float]:
    """One row in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = PREPARE[what](Path(folder), sizes)
        command = [sys.executable, __file__, "--child", what, str(path), str(memory_gb or 0)]
        began = time.perf_counter()
        child = psutil.Popen(command, stdout=subprocess.DEVNULL)
        seen: dict[int, tuple[float, float, float]] = {}
        peak = 0.0
        while child.poll() is None:
            now = 0.0
            for process in (child, *_children(child)):
                try:
                    cpu, io = process.cpu_times(), process.io_counters()
                    now += process.memory_info().rss
                except psutil.Error:
                    continue
                seen[process.pid] = (cpu.user + cpu.system, io.read_chars, io.write_chars)
            peak = max(peak, now)
            time.sleep(0.02)
        wall_s = time.perf_counter() - began
        if child.returncode:
            raise SystemExit(f"{what} {sizes} failed.")
    cpu_s, read, written = np.sum(list(seen.values()), axis=0)
    return [cpu_s, wall_s, peak / 1e9, read / 1e9, written / 1e9]


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


# -- what is measured


def _write_recording(folder: Path, sizes: Sizes) -> Path:
    from regimes import base_regime
    from streaming import simulate_to

    side = sizes["side"]
    regime = base_regime(sizes["frames"], side, n_cells=max(4, side**2 // 400))
    simulate_to(folder / "movie.tif", regime)
    return folder / "movie.tif"


def _write_result(folder: Path, sizes: Sizes) -> Path:
    import scipy.sparse as sp

    from napari_cnmf.io.caiman import write_caiman
    from napari_cnmf.model.components import Components

    rng, n, side = np.random.default_rng(0), sizes["cells"], 1024
    corners = rng.integers(0, side - 14, (n, 2))
    rows = (corners[:, :1, None] + np.arange(14)[:, None]) * side + corners[:, 1:, None]
    pixels = (rows + np.arange(14)).reshape(n, -1)
    weights = np.full(pixels.size, 1 / 14, np.float32)
    A = sp.csc_matrix((weights, pixels.ravel(), np.arange(n + 1) * 196), shape=(side**2, n))
    C, S, YrA = (rng.random((n, sizes["frames"]), dtype=np.float32) for _ in range(3))
    made = Components(A=A, C=C, S=S, YrA=YrA, dims=(side, side), frame_rate_hz=30.0)
    return write_caiman(made, folder / "result.hdf5")


def _run(algorithm: str, path: Path, memory_gb: float | None) -> None:
    from napari_cnmf.batch import Batch, State

    batch = Batch.create(path.parent / "batch")
    item = batch.add(algorithm, path, run={"memory_gb": memory_gb} if memory_gb else {})
    batch.run([item], progress=False)
    if item.state is not State.COMPLETED:
        raise SystemExit(str(item.error))


def _curate(path: Path, _memory_gb: float | None) -> None:
    from napari_cnmf.core.reestimate import Reestimator
    from napari_cnmf.io.curation import open_curation

    cur = open_curation(path, estimator=Reestimator(None))
    for k in range(10):
        id_ = cur.merge([2 * k, 2 * k + 1])
        cur.components.C[cur.row_of(id_)]
    cur.dff(cur.ids[:100])


PREPARE: dict[str, Callable[[Path, Sizes], Path]] = {
    "cnmf": _write_recording, "mcorr": _write_recording, "curation": _write_result,
}  # fmt: skip
WORK: dict[str, Callable[[Path, float | None], None]] = {
    "cnmf": lambda path, memory: _run("cnmf", path, memory),
    "mcorr": lambda path, memory: _run("mcorr", path, memory),
    "curation": _curate,
}

if __name__ == "__main__":
    main()
