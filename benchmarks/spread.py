"""One recording on this computer alone, and spread over worker processes: cost and sameness.

CPU seconds and peak memory of each process, what moves between them, and whether the results are
the same bit for bit. ``python benchmarks/spread.py --frames 3000 --side 512``.
"""

from __future__ import annotations

import argparse
import hashlib
import pickle
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from napari_cnmf.core.base import parts
from napari_cnmf.core.base.parts import RunHere
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.params import CNMFParams

RATE = 15.0


class Counting(RunHere):
    """Works on parts here, and adds up what would go to and come from other computers."""

    def __init__(self) -> None:
        super().__init__(1)
        self.seconds: dict[str, list[float]] = {}
        self.moved: dict[str, list[int]] = {}

    def map(self, work: Any, shared: Any, pieces: Any, **callbacks: Any) -> Iterator[Any]:
        name = work.__name__.strip("_")
        self.moved[name] = [len(pickle.dumps(shared)) if name != "search_tile" else 0]
        self.seconds[name] = []
        began = time.process_time()
        for result in super().map(work, shared, pieces, **callbacks):
            self.seconds[name].append(time.process_time() - began)
            self.moved[name].append(len(pickle.dumps(result)))
            yield result
            began = time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--movie", type=Path, help="this movie instead of a simulated one")
    parser.add_argument("--part-mb", type=float, default=100.0, help="size of a part")
    args = parser.parse_args()
    parts.PART_BYTES = int(args.part_mb * 1e6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = args.movie or _write_movie(folder, args.frames, args.side)
        alone, counted = _alone(path)
        together = _spread(path, folder, args.workers)
        print("the same bit for bit:", alone == together)
        print(
            f"\n{'part of the run':16}{'parts':>8}{'s a part':>10}{'MB shared':>12}{'MB a part':>12}"
        )
        for stage, seconds in counted.seconds.items():
            shared, *each = counted.moved[stage]
            print(
                f"{stage:16}{len(seconds):8}{np.mean(seconds):10.2f}{shared / 1e6:12.2f}"
                f"{np.mean(each) / 1e6:12.2f}"
            )


def _write_movie(folder: Path, n_frames: int, side: int) -> Path:
    from regimes import base_regime
    from streaming import simulate_to

    path = folder / "movie.tif"
    simulate_to(path, base_regime(n_frames, side, n_cells=max(4, side**2 // 400)))
    return path


def _run(path: Path, runner: Any) -> str:
    """Hash of everything that a run gives."""
    movie = open_movie(path, frame_rate_hz=RATE)
    result = run_cnmf(frame_source(movie), CNMFParams(), frame_rate_hz=RATE, runner=runner)
    c = result.components
    digest = hashlib.blake2b(digest_size=16)
    for values in (
        c.A.data,
        c.A.indices,
        c.C,
        c.S,
        c.YrA,
        c.b,
        c.f,
        c.snr,
        c.r_values,
        c.cnn_preds,
    ):
        digest.update(np.ascontiguousarray(values).tobytes())
    for image in result.images.values():
        digest.update(image.tobytes())
    return digest.hexdigest()


def _alone(path: Path) -> tuple[str, Counting]:
    _run(path, RunHere(1))  # compiles, and puts the movie into the cache of the disk
    counting = Counting()
    began, wall = time.process_time(), time.perf_counter()
    found = _run(path, counting)
    print(
        f"alone: {time.process_time() - began:.1f} CPU s, {time.perf_counter() - wall:.1f} s, "
        f"peak {_peak_gb(psutil.Process().pid):.2f} GB"
    )
    return found, counting


def _spread(path: Path, folder: Path, n_workers: int) -> str:
    from distributed import Client, LocalCluster

    from napari_cnmf.engines.spread import RunOnCluster

    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        pids = [worker.pid for worker in cluster.workers.values()]
        for turn in ("first", "second"):  # the first loads and compiles on each worker
            before = _cpu_s(pids)
            began, wall = time.process_time(), time.perf_counter()
            with RunOnCluster(client, folder, [path], n_threads=1) as runner:
                budget = runner.memory_gb
                found = _run(path, runner)
            here = time.process_time() - began
            print(
                f"spread, {turn} run: {here:.1f} CPU s here + {_cpu_s(pids) - before:.1f} on "
                f"{n_workers} workers, {time.perf_counter() - wall:.1f} s, peaks "
                f"{[f'{_peak_gb(pid):.2f}' for pid in pids]} GB of {budget:.1f} each"
            )
    return found


def _cpu_s(pids: list[int]) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(t.user + t.system for t in times)


def _peak_gb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1e6


if __name__ == "__main__":
    main()
