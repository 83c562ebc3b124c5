"""How quick the batch manager is: ``xvfb-run -a python benchmarks/batch.py [N_ITEMS] [FOLDER]``.

Prints a table: opening, showing and polling a long batch, adding a grid, what the queue adds to
each item, and how long a cancel takes to end a process tree. ``FOLDER`` is on the disk to measure.
"""

from __future__ import annotations

import os
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
from napari_cnmf.batch.stopping import has_ended
from napari_cnmf.batch.store import NewItem, add_item_folders


class Took(float):
    """Seconds of wall time; ``cpu_s`` of this process, which other work on the machine spares."""

    cpu_s = 0.0


def timed(what: Callable[[], object]) -> Took:
    """How long a call takes."""
    began, cpu = time.perf_counter(), time.process_time()
    what()
    took = Took(time.perf_counter() - began)
    took.cpu_s = time.process_time() - cpu
    return took


def report(name: str, seconds: float) -> None:
    cpu = f" {1000 * seconds.cpu_s:10.1f} ms CPU" if isinstance(seconds, Took) else ""
    print(f"{name:<58} {1000 * seconds:10.1f} ms{cpu}", flush=True)


def make_movie(folder: Path) -> Path:
    path = folder / "movie.tif"
    frames = np.random.default_rng(0).integers(100, 200, (100, 64, 64), dtype=np.uint16)
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    return path


def long_batch(folder: Path, movie: Path, n_items: int) -> Path:
    """A batch of ``n_items`` copies of one item."""
    batch = Batch.create(folder / "long")
    spec = batch.add("cnmf", movie).spec.model_dump()
    changes = (
        {"uuid": f"{k:06x}00-0000-4000-8000-000000000000", "hash": str(k), "name": f"gSig {k % 9}"}
        for k in range(n_items - 1)
    )
    new = [NewItem(ItemSpec.model_validate(spec | change), Status()) for change in changes]
    add_item_folders(batch.path, new)
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


def overhead(folder: Path, movie: Path, n_items: int = 10) -> None:
    """Items that the worker refuses at once, since they have ended: what remains is ours."""
    batch = Batch.create(folder / "queue")
    grid = {"init.K": list(range(1, n_items + 1))}
    items = batch.add_grid("cnmf", movie, grid=grid, engine="builtin")
    whole = timed(lambda: batch.run(progress=False))
    computing = sum(item.status.seconds or 0.0 for item in items)
    bare = timed(lambda: subprocess.run([sys.executable, "-c", "import numpy"], check=True))
    report(
        f"{n_items} items through the queue, beside their computing, each",
        (whole - computing) / n_items,
    )
    report("    of it, a bare interpreter with numpy", bare)


def long_queue(path: Path, n_items: int) -> None:
    """What the queue's thread costs while one of many items runs."""
    batch = Batch.open(path)
    queue = Queue(batch)
    queue._selection.add(None, None)
    queue.n_workers = 0  # it looks at everything and may start nothing
    queue._turn(is_woken=True)
    report(f"queue: a look at {n_items} items", timed(lambda: queue._turn(is_woken=True)))
    report("queue: a turn between two looks", timed(lambda: queue._turn(is_woken=False)))


def showing(path: Path, n_items: int) -> None:
    """The real table over the real watch; needs a screen (``xvfb-run``)."""
    try:
        from qtpy.QtCore import Qt, QThreadPool
        from qtpy.QtWidgets import QApplication
    except ImportError:
        return
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        print("no screen: the table was not shown")
        return
    from napari_cnmf.ui._bridge import BatchBridge
    from napari_cnmf.ui.batch._table_model import BatchTableModel
    from napari_cnmf.ui.batch._table_view import BatchTable

    app = QApplication.instance() or QApplication([])
    model = BatchTableModel()
    table = BatchTable(model)
    table.resize(1000, 500)
    table.show()
    app.processEvents()
    began = time.perf_counter()
    bridge = BatchBridge(Batch.open(path))
    bridge.rows_changed.connect(lambda changes: model.add_rows(changes.added))
    longest = 0.0
    while table.n_shown < n_items:
        turn = time.perf_counter()
        app.processEvents()
        longest = max(longest, time.perf_counter() - turn)
        time.sleep(0.002)
    table.grab()
    report(f"table: {n_items} items opened and painted", time.perf_counter() - began)
    report("    longest time that the GUI did not answer", longest)
    report(
        "table: sort by name", timed(lambda: table.sortByColumn(0, Qt.SortOrder.DescendingOrder))
    )
    report("table: filter", timed(lambda: (table.set_filter("gSig 7"), table.grab())))
    bridge.close()
    QThreadPool.globalInstance().waitForDone()
    app.processEvents()


def cancelling(folder: Path, movie: Path) -> None:
    """From the request until the last process of the tree is gone."""
    batch = Batch.create(folder / "cancel")
    item = batch.add("cnmf", movie)
    queue = Queue(batch)
    report("cancel a queued item", timed(lambda: queue.cancel(item)))
    long = folder / "long.tif"
    frames = np.random.default_rng(0).integers(100, 200, (2000, 128, 128), dtype=np.uint16)
    tifffile.imwrite(long, frames, imagej=True, metadata={"axes": "TYX", "finterval": 0.1})
    running = batch.add("mcorr", long, engine="builtin")
    queue.start([running])
    while running.progress <= 0:
        time.sleep(0.01)
    process = psutil.Process(running.status.process.pid)
    began = time.perf_counter()
    queue.cancel(running)
    while not has_ended(process):
        time.sleep(0.002)
    report("cancel a running item: its process is gone", time.perf_counter() - began)
    queue.wait()
    report("    and the queue has seen it", time.perf_counter() - began)
    deaf(batch, movie)


def deaf(batch: Batch, movie: Path) -> None:
    """A tree that hears no request and no signal is killed after 15 s; this is that kill."""
    item = batch.add("cnmf", movie, refit=True)
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']); time.sleep(99)"
    )
    popen = subprocess.Popen([sys.executable, "-c", code])
    while not psutil.Process(popen.pid).children():
        time.sleep(0.01)
    write_status(item.folder, Status().to(State.RUNNING, process=ProcessInfo.of(popen.pid)))
    handle = LocalHandle(popen)
    report("kill a tree that ignores every signal", timed(handle.kill))
    report("make its status true", timed(lambda: settle(item, Verdict(cancelled=True), None)))


def main() -> None:
    n_items = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    where = sys.argv[2] if len(sys.argv) > 2 else None
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory(dir=where) as name:
        folder = Path(name)
        movie = make_movie(folder)
        path = long_batch(folder, movie, n_items)
        opening(path, n_items)
        showing(path, n_items)
        long_queue(path, n_items)
        adding(folder, movie)
        overhead(folder, movie)
        cancelling(folder, movie)


if __name__ == "__main__":
    main()
