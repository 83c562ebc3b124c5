"""Results in 3D beside results in 2D in a real viewer: time to open, memory when others follow.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/volumes.py [--components 2000]

Both have as many pixels, components, frames, and pixels a footprint. Reads the result file, makes
layers, docks and the first drawing. CPU time counts: other work on the machine changes it little.
Then results replace each other in the same viewer, and the private memory is told.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
import psutil
import scipy.sparse as sp
from qtpy.QtWidgets import QApplication

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.ui import _background
from napari_cnmf.ui._loading import finish, load_file
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.traces._dock import TracesWidget

PLANE, VOLUME = (896, 1024), (14, 256, 256)
N_FRAMES = 1000
PIXELS = 220


def make_result(n: int, dims: tuple[int, ...], seed: int = 0) -> Components:
    """Round footprints of ``PIXELS`` pixels at random places; in a volume they span planes."""
    rng = np.random.default_rng(seed)
    step = np.array([2.5, 1.0, 1.0])[-len(dims) :]
    reach = 9
    at = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * len(dims), indexing="ij"), -1)
    at = at.reshape(-1, len(dims))
    offsets = at[np.argsort(((at * step) ** 2).sum(1), kind="stable")[:PIXELS]]
    room = np.abs(offsets).max(0)
    centres = np.stack(
        [rng.integers(r, max(r + 1, d - r), n) for r, d in zip(room, dims, strict=True)], 1
    )
    rows = np.ravel_multi_index(tuple((centres[:, None] + offsets).reshape(-1, len(dims)).T), dims)
    weights = np.exp(-((offsets * step) ** 2).sum(1) / 60).astype(np.float32)
    n_pixels = int(np.prod(dims))
    A = sp.csc_matrix((np.tile(weights, n), rows, np.arange(n + 1) * PIXELS), (n_pixels, n))
    A.sort_indices()
    C = rng.gamma(0.3, 20, (n, N_FRAMES)).astype(np.float32)
    return Components(
        A=A, C=C, S=C, YrA=C, dims=dims, frame_rate_hz=10.0,
        b=np.full((n_pixels, 1), 50, np.float32), f=np.ones((1, N_FRAMES), np.float32),
        snr=rng.gamma(3, 2, n), r_values=rng.beta(5, 2, n), accepted=rng.random(n) > 0.4,
        images={"mean": rng.random(dims).astype(np.float32)},
    )  # fmt: skip


def settle() -> None:
    """Let everything that was started be done and drawn."""
    app = QApplication.instance()
    app.processEvents()
    while _background.is_busy():
        app.processEvents()
        time.sleep(0.002)
    for _ in range(3):
        app.processEvents()


def private_mb() -> float:
    """Memory of this process alone."""
    gc.collect()
    return float(psutil.Process().memory_full_info().uss / 1e6)


def main() -> None:
    """Print a row a measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--components", type=int, default=2000)
    n = parser.parse_args().components
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1600, 1000)
    session = session_of(viewer)
    viewer.window.add_dock_widget(TracesWidget(viewer), area="bottom")
    with tempfile.TemporaryDirectory() as name:
        paths = {
            dims: write_caiman(make_result(n, dims), Path(name) / f"{len(dims)}d.hdf5")
            for dims in (PLANE, VOLUME)
        }
        for path in paths.values():  # imports, shaders, the files' pages
            session.show(finish(load_file(path)))
            settle()
        for dims, path in paths.items():
            times = []
            for _ in range(5):
                session.close_result()
                settle()
                own, wall = time.process_time(), time.perf_counter()
                session.show(finish(load_file(path)))
                settle()
                times.append((time.process_time() - own, time.perf_counter() - wall))
            own, wall = np.median(times, axis=0)
            print(
                f"| open {n} components, {dims} | {own:.2f} CPU s | {wall:.2f} s wall |", flush=True
            )
        for i in range(8):
            session.show(finish(load_file(list(paths.values())[i % 2])))
            settle()
            print(
                f"| {('2D', '3D')[i % 2]} result number {i + 1} | {private_mb():.0f} MB |",
                flush=True,
            )
    viewer.close()


if __name__ == "__main__":
    main()
