"""One run of one engine in its own process: CPU seconds, peak memory, accuracy."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench_suite2p as suite2p
from bench_rows import Row, parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_cnmf.testing import Recording
    from napari_cnmf.testing.scoring import Result

_SAMPLE_S = 0.02


@dataclass(frozen=True)
class Measured:
    """Time, memory and accuracy of one run.

    Attributes
    ----------
    cpu_s
        User and system time of the engine's process and all its children, imports included.
    wall_s
        From start of the process to its end.
    peak_gb
        Most resident memory of these processes together, sampled.
    f1_found, trace_correlation
        Of all components.
    f1, precision, recall
        Of the accepted ones.
    """

    cpu_s: float
    wall_s: float
    peak_gb: float
    f1_found: float
    trace_correlation: float
    f1: float
    precision: float
    recall: float


class RunFailed(Exception):
    """An engine did not complete; the message says why."""


def measure(row: Row, engine: str, recording: Recording, folder: Path) -> Measured:
    """Run ``engine`` on a recording that lies in a file.

    Raises
    ------
    RunFailed
        With the item's error.
    """
    from napari_cnmf.testing import score

    scratch = Path(tempfile.mkdtemp(dir=folder))
    prepare = _prepare_suite2p if engine == "suite2p" else _prepare_item
    run = prepare(row, engine, recording, scratch)
    with _cache(folder if row.cold else None), _peak_of_children() as peak:
        before, began = _cpu_of_children(), time.perf_counter()
        outcome = run()
        wall_s, cpu_s = time.perf_counter() - began, _cpu_of_children() - before
    result, accepted = outcome()
    shutil.rmtree(scratch, ignore_errors=True)
    found = score(result, recording.truth)
    good = score(result, recording.truth, subset=accepted)
    return Measured(
        cpu_s, wall_s, peak[0] / 1e9, found.f1, found.trace_correlation,
        good.f1, good.precision, good.recall,
    )  # fmt: skip


_Outcome = Callable[[], tuple["Result", "NDArray[Any] | None"]]


def _prepare_item(
    row: Row, engine: str, recording: Recording, scratch: Path
) -> Callable[[], _Outcome]:
    """Add an item of a batch for one of our engines; the function returned runs it."""
    from napari_cnmf.batch import Batch, State
    from napari_cnmf.batch.adding import parse_algorithm
    from napari_cnmf.io.caiman import read_caiman

    batch = Batch.create(scratch / "batch")
    asked = {"n_processes": row.n_processes, "memory_gb": row.memory_gb}
    item = batch.add(
        parse_algorithm(row.algorithm),
        Path(str(recording.movie)),
        params=parameters(row, engine, recording).replace(data={"fr": recording.frame_rate_hz}),
        refit=engine == "caiman" and row.algorithm == "cnmf",
        engine=engine,
        name="bench",
        run={name: value for name, value in asked.items() if value is not None},
    )

    def read() -> tuple[Result, NDArray[Any] | None]:
        components = read_caiman(item.result_path)
        return components, components.accepted

    def run() -> _Outcome:
        batch.run([item])
        if item.state is not State.COMPLETED:
            raise RunFailed(f"{item.state}: {item.error}")
        return read

    return run


def _prepare_suite2p(
    row: Row, engine: str, recording: Recording, scratch: Path
) -> Callable[[], _Outcome]:
    """Write suite2p's input file, before the clock runs."""
    job = suite2p.write_job(recording, scratch)

    def run() -> _Outcome:
        failure = suite2p.run_job(job)
        if failure is not None:
            raise RunFailed(f"failed: {failure}")
        return lambda: suite2p.read_outcome(job, recording.truth.dims)

    return run


def _cpu_of_children() -> float:
    """CPU seconds of all children that have ended, and of theirs."""
    times = os.times()
    return times.children_user + times.children_system


@contextmanager
def _peak_of_children() -> Iterator[list[int]]:
    """List whose one value is the most memory that the children held together, in bytes."""
    import psutil

    peak, over = [0], threading.Event()
    me = psutil.Process()

    def watch() -> None:
        while not over.wait(_SAMPLE_S):
            total = 0
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.Error:
                    # It has ended since it was listed.
                    continue
            peak[0] = max(peak[0], total)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


@contextmanager
def _cache(folder: Path | None) -> Iterator[None]:
    """Give the children an empty cache of compiled kernels below ``folder``, if one is given."""
    if folder is None:
        yield
        return
    before = os.environ.get("NUMBA_CACHE_DIR")
    os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(dir=folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["NUMBA_CACHE_DIR"]
        else:
            os.environ["NUMBA_CACHE_DIR"] = before


def as_json(row: Row, engine: str, measured: Measured | str) -> str:
    """The figures as one line of JSON for scripts, and for ``kept``."""
    figures: dict[str, Any] = (
        {"error": measured} if isinstance(measured, str) else vars(measured).copy()
    )
    return json.dumps({"group": row.group, "movie": row.name, "engine": engine, **figures})


def kept(path: Path | None) -> dict[tuple[str, str, str], Measured | str]:
    """Figures of runs in a file of such lines, by group, movie and engine."""
    if path is None or not path.exists():
        return {}
    runs: dict[tuple[str, str, str], Measured | str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        key = run.pop("group"), run.pop("movie"), run.pop("engine")
        runs[key] = run["error"] if "error" in run else Measured(**run)
    return runs
