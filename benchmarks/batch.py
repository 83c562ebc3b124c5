"""How quick the batch manager is: ``python benchmarks/batch.py [N_ITEMS]``.

Prints a table: opening and listing a long batch, polling it, adding a grid, what the queue adds to
each item, and how long a cancel takes to end a process tree.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import tifffile

from napari_cnmf.batch import Batch, BatchWatcher, Queue
from napari_cnmf.batch.processes import LocalHandle
from napari_cnmf.batch.settling import Verdict, settle
from napari_cnmf.batch.spec import ItemSpec
from napari_cnmf.batch.status import ProcessInfo, State, Status, write_status
from napari_cnmf.batch.store import add_item_folder


def timed(what: Callable[[], object]) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def report(name: str, seconds: float) -> None:
    print(f"{name:<58} {1000 * seconds:10.1f} ms")


def make_movie(folder: Path) -> Path:
    path = folder / "movie.tif"
    frames = np.random.default_rng(0).integers(100, 200, (100, 64, 64), dtype=np.uint16)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return path


def long_batch(folder: Path, movie: Path, n_items: int) -> Path:
    """A batch of ``n_items`` copies of one item."""
    batch = Batch.create(folder / "long")
    spec = batch.add("cnmf", movie).spec.model_dump()
    for k in range(n_items - 1):
        changes = {"uuid": f"{k:06x}00-0000-4000-8000-000000000000", "hash": str(k)}
        add_item_folder(batch.path, ItemSpec.model_validate(spec | changes), Status())
    return batch.path


def opening(path: Path, n_items: int) -> None:
    batch = Batch.open(path)
    report(f"list {n_items} items for the first time", timed(lambda: len(batch)))
    report("a table of them, first", timed(lambda: batch.df))
    report("a table of them, again", timed(lambda: batch.df))
    watcher = BatchWatcher(batch)
    report("poll, first", timed(watcher.poll))
    report("poll, nothing changed", min(timed(watcher.poll) for _ in range(5)))


def adding(folder: Path, movie: Path) -> None:
    batch = Batch.create(folder / "grid")
    grid = {"init.gSig": [(k, k) for k in range(2, 12)], "init.K": list(range(1, 101))}
    seconds = timed(lambda: batch.add_grid("cnmf", movie, grid=grid))
    report("add a grid of 1,000 items", seconds)


def overhead(folder: Path, movie: Path) -> None:
    """A worker whose item it may not run ends at once: the rest is ours."""
    batch = Batch.create(folder / "queue")
    item = batch.add("mcorr", movie, engine="builtin")
    whole = timed(lambda: batch.run(progress=False))
    computing = item.status.seconds or 0.0
    start = timed(lambda: subprocess.run([sys.executable, "-c", "import numpy"], check=True))
    report("an item through the queue, process start included", whole - computing)
    report("    of it, a bare interpreter with numpy", start)


def cancelling(folder: Path, movie: Path) -> None:
    """From the request until the last process of a tree that ignores every signal is gone."""
    batch = Batch.create(folder / "cancel")
    item = batch.add("cnmf", movie)
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); time.sleep(99)"
    )
    popen = subprocess.Popen([sys.executable, "-c", code])
    while not psutil.Process(popen.pid).children():
        time.sleep(0.01)
    running = Status().to(State.RUNNING, process=ProcessInfo.of(popen.pid))
    write_status(item.folder, running)
    handle = LocalHandle(popen)
    report("kill a process tree and wait for it", timed(handle.kill))
    report(
        "make its status true",
        timed(lambda: settle(item, Verdict(cancelled=True), None)),
    )
    queue = Queue(batch)
    queued = batch.add("mcorr", movie)
    report("cancel a queued item", timed(lambda: queue.cancel(queued)))


def main() -> None:
    n_items = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        movie = make_movie(folder)
        opening(long_batch(folder, movie, n_items), n_items)
        adding(folder, movie)
        overhead(folder, movie)
        cancelling(folder, movie)


if __name__ == "__main__":
    main()
