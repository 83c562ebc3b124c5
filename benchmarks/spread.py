"""One recording on this computer alone, and spread over worker processes: cost and sameness.

For motion correction and for finding cells: CPU seconds, bytes read, and peak memory of each
process; what moves between them; whether results are the same bit for bit, also where a worker is
killed in the middle. ``python benchmarks/spread.py --frames 3000 --side 512``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import psutil

from napari_cnmf.core.base import parts
from napari_cnmf.core.base.parts import RunHere
from napari_cnmf.engines.base import Algorithm, Job, RunOptions
from napari_cnmf.engines.builtin import BuiltinEngine
from napari_cnmf.io import open_movie
from napari_cnmf.params import CNMFParams

RATE = 15.0
KILL_IN = {"mcorr": "writing", "cnmf": "finding components"}
"""Stage of each algorithm in which a worker is killed."""


class Counting:
    """Adds up what would go to and come from other computers, where one works on its own."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.moved: dict[str, list[int]] = {}
        self.pickling_s = 0.0

    def __enter__(self) -> Counting:
        self._usual = RunHere.map
        counting, runner_type = self, cast("Any", RunHere)

        def counted(runner: Any, work: Any, shared: Any, pieces: Any, **how: Any) -> Iterator[Any]:
            yield from counting._count(work, self._usual(runner, work, shared, pieces, **how))

        runner_type.map = counted
        return self

    def __exit__(self, *exc: object) -> None:
        cast("Any", RunHere).map = self._usual

    def _count(self, work: Any, results: Iterator[Any]) -> Iterator[Any]:
        name = work.__name__.strip("_")
        began = time.process_time()
        for result in results:
            done = time.process_time()
            self.seconds.setdefault(name, []).append(done - began)
            self.moved.setdefault(name, []).append(len(pickle.dumps(result)))
            self.pickling_s += time.process_time() - done
            yield result
            began = time.process_time()


class Reporter:
    """Reporter that does something at each step."""

    def __init__(self, at: Callable[[str, float], None] = lambda stage, share: None) -> None:
        self._at = at

    def progress(self, stage: str, done: float, total: float) -> None:
        self._at(stage, done / total)

    def log(self, message: str) -> None:
        """Nothing is asked of the log."""

    warning = log

    def should_stop(self) -> bool:
        return False


class Bench:
    """Runs of one movie, each in a folder of its own."""

    def __init__(self, folder: Path, movie: Path, client: Any, pids: Callable[[], list[int]]):
        self._folder, self._movie, self._client, self._pids = folder, movie, client, pids
        self._number = count()

    def run(self, algorithm: str, client: Any = None, reporter: Any = None) -> str:
        """Hash of everything that a run gives."""
        folder = self._folder / f"run{next(self._number)}"
        folder.mkdir()
        job = Job(
            folder,
            Algorithm(algorithm),
            (self._movie,),
            CNMFParams(),
            RATE,
            client=client,
            run=RunOptions(n_processes=1),
        )
        BuiltinEngine().run(job, reporter or Reporter())
        digest = hashlib.blake2b(digest_size=16)
        for path in sorted(folder.iterdir()):
            digest.update(_content(path))
            path.unlink()
        return digest.hexdigest()

    def alone(self, algorithm: str) -> tuple[str, float]:
        """Run here, on one thread; prints what it costs and what would move."""
        self.run(algorithm)  # compiles, and puts the movie into the cache of the disk
        began, read = time.process_time(), _read_gb([os.getpid()])
        with Counting() as counting:
            found = self.run(algorithm)
        cpu = time.process_time() - began - counting.pickling_s
        print(f"\n{algorithm} alone: {cpu:.1f} CPU s, {_read_gb([os.getpid()]) - read:.2f} GB read")
        print(f"  {'part of the run':24}{'parts':>8}{'s a part':>10}{'MB a part':>11}")
        for stage, seconds in counting.seconds.items():
            moved = np.mean(counting.moved[stage]) / 1e6
            print(f"  {stage:24}{len(seconds):8}{np.mean(seconds):10.2f}{moved:11.2f}")
        return found, cpu

    def _idle_cpu(self, pids: list[int], seconds: float = 10.0) -> float:
        """CPU seconds a second that the workers take while they have nothing to do."""
        before = _cpu_s(pids)
        time.sleep(seconds)
        return (_cpu_s(pids) - before) / seconds

    def spread(self, algorithm: str, alone: str, alone_cpu: float) -> None:
        """Run on the workers: once to load and compile, once to measure, once with a kill."""
        for turn in ("first", "second"):
            pids = self._pids()
            idle = self._idle_cpu(pids)
            cpu, read, began = _cpu_s(pids), _read_gb(pids), time.process_time()
            wall = time.monotonic()
            found = self.run(algorithm, self._client)
            here, there = time.process_time() - began, _cpu_s(pids) - cpu
            wall = time.monotonic() - wall
            print(
                f"{algorithm} spread, {turn} run: {here:.1f} CPU s here + {there:.1f} there = "
                f"{(here + there) / alone_cpu:.2f} times alone, of which {idle * wall:.1f} s for "
                f"workers that are there for {wall:.0f} s; {_read_gb(pids) - read:.2f} GB read "
                f"there, peaks {[f'{_peak_gb(pid):.2f}' for pid in pids]} GB, the same bit for "
                f"bit: {found == alone}"
            )
        killed: list[int] = []

        def kill_one(stage: str, share: float) -> None:
            if stage == KILL_IN[algorithm] and share > 0 and not killed:
                killed.append(self._pids()[0])
                os.kill(killed[0], signal.SIGKILL)

        found = self.run(algorithm, self._client, Reporter(kill_one))
        print(
            f"{algorithm} spread, {len(killed)} worker killed while {KILL_IN[algorithm]}: the same "
            f"bit for bit: {found == alone}"
        )


def main() -> None:
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=2.0, help="limit of each worker")
    parser.add_argument("--movie", type=Path, help="this movie instead of a simulated one")
    parser.add_argument("--part-mb", type=float, default=100.0, help="size of a part")
    parser.add_argument("--algorithms", nargs="+", default=["mcorr", "cnmf"])
    args = parser.parse_args()
    parts.PART_BYTES = int(args.part_mb * 1e6)
    with (
        tempfile.TemporaryDirectory() as name,
        LocalCluster(
            n_workers=args.workers, threads_per_worker=1, dashboard_address=":0",
            memory_limit=f"{args.memory_gb}GB",
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):  # fmt: skip
        folder = Path(name)
        movie = args.movie or _write_movie(folder, args.frames, args.side)
        bench = Bench(folder, movie, client, lambda: [w.pid for w in cluster.workers.values()])
        for algorithm in args.algorithms:
            bench.spread(algorithm, *bench.alone(algorithm))


def _write_movie(folder: Path, n_frames: int, side: int) -> Path:
    from regimes import base_regime
    from streaming import simulate_to

    path = folder / "movie.tif"
    simulate_to(path, base_regime(n_frames, side, n_cells=max(4, side**2 // 400)))
    return path


def _content(path: Path) -> bytes:
    """Values in a file of results, without what is written around them, times for example."""
    if path.suffix == ".tif":  # its header has a random number
        return np.asarray(open_movie(path).data).tobytes()
    if path.suffix not in (".h5", ".hdf5", ".npz"):
        return path.read_bytes()
    found = hashlib.blake2b()
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            for name in sorted(arrays):
                found.update(arrays[name].tobytes())
        return found.digest()

    def add(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset):
            found.update(name.encode() + np.asarray(node[()]).tobytes())

    with h5py.File(path) as file:
        file.visititems(add)
    return found.digest()


def _cpu_s(pids: list[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(t.user + t.system for t in times)


def _read_gb(pids: list[int]) -> float:
    return sum(psutil.Process(pid).io_counters().read_chars for pid in pids) / 1e9


def _peak_gb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1e6


if __name__ == "__main__":
    main()
