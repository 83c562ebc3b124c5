"""What large recordings and results cost, and how it grows.

Each row is a process of its own: CPU and wall seconds, peak memory of the process and its
children, bytes that they read and wrote, and the exponent with which each grows along frames,
pixels and components (1 is linear); then one recording in compressed formats, beside reading it
once. ``make large`` runs it; ``--quick`` takes sizes of a minute, ``--formats`` the last table alone.
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
FORMATS = ("plain TIFF", "LZW", "zlib", "gzip HDF5", "zarr")
FORMAT_SIZES = {"frames": 1500, "side": 512}
QUICK = {"frames": 8, "side": 4, "cells": 20}
"""Sizes are divided by these where it has to be quick."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--memory-gb", type=float, help="budget of the engine")
    parser.add_argument("--formats", action="store_true", help="the table of formats alone")
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "FILE", "MEMORY"), help="internal")
    args = parser.parse_args()
    if args.child:
        what, path, memory = args.child
        WORK[what](Path(path), float(memory) or None)
        return
    for name, (what, axis, rows) in {} if args.formats else SERIES.items():
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
    print(f"\none recording, by format\n{'':24}" + "".join(f"{c:>12}" for c in COLUMNS))
    sizes = _sized(FORMAT_SIZES, args.quick)
    for form in FORMATS:
        for what in ("read", "cnmf"):
            figures = measure(what, sizes, args.memory_gb, form)
            print(f"{f'{form}, {what}':24}" + "".join(f"{f:12.2f}" for f in figures))


def _sized(row: Sizes, quick: bool) -> Sizes:
    return {k: max(32, v // QUICK[k]) if quick else v for k, v in row.items()}


def measure(
    what: str, sizes: Sizes, memory_gb: float | None, form: str = FORMATS[0]
) -> list[float]:
    """One row in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = PREPARE[what](Path(folder), sizes)
        if form != FORMATS[0]:
            path = _in_format(path, form)
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


def _in_format(path: Path, form: str) -> Path:
    """The same recording, compressed."""
    import h5py
    import tifffile
    import zarr

    from napari_cnmf.io import open_movie

    frames = np.asarray(open_movie(path).data)
    if form in ("LZW", "zlib"):
        out = path.with_name("compressed.tif")
        tifffile.imwrite(
            out, frames, compression=form.lower(), predictor=True, photometric="minisblack",
            metadata={"axes": "TYX"},
        )  # fmt: skip
    elif form == "gzip HDF5":
        out = path.with_name("compressed.h5")
        with h5py.File(out, "w") as file:
            mov = file.create_dataset(
                "mov", data=frames, chunks=(16, *frames.shape[1:]), compression="gzip"
            )
            mov.attrs["fr"] = 15.0
    else:
        out = path.with_name("compressed.zarr")
        zarr.create_array(
            str(out), data=frames, chunks=(16, *frames.shape[1:]), attributes={"fr": 15.0}
        )
    path.unlink()
    return out


def _read(path: Path, _memory_gb: float | None) -> None:
    """Each frame once, as the engine reads them."""
    from napari_cnmf.io import frame_source, open_movie

    source = frame_source(open_movie(path))
    buffer = np.empty((64, *source.shape[1:]), source.dtype)
    for start in range(0, source.shape[0], 64):
        stop = min(start + 64, source.shape[0])
        source.read(start, stop, buffer[: stop - start])


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
    run = {"memory_gb": memory_gb} if memory_gb else {}
    item = batch.add(algorithm, path, run=run, params={"data": {"fr": 15.0}})
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
    "cnmf": _write_recording, "mcorr": _write_recording, "read": _write_recording,
    "curation": _write_result,
}  # fmt: skip
WORK: dict[str, Callable[[Path, float | None], None]] = {
    "cnmf": lambda path, memory: _run("cnmf", path, memory),
    "mcorr": lambda path, memory: _run("mcorr", path, memory),
    "read": _read,
    "curation": _curate,
}

if __name__ == "__main__":
    main()
