"""Where the engine's time goes, with one thread and with more: a table of its stages.

    python benchmarks/engine_cores.py --out benchmarks/results/engine-cores.md

The engine alone, in this process, on movies in files: imports, start and end of a worker are not in
it, and kernels are compiled before. Each figure is the least of several runs, with each number of
threads in turn. Wall seconds need a machine that does nothing else; CPU seconds hardly, and
*serial* is what the thread that calls the others computes itself: no core more makes that shorter.
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from napari_cnmf.core.run import run_cnmf
from napari_cnmf.io import frame_source, open_movie
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording
from regimes import base_regime
from streaming import simulate_to

CORE = "napari_cnmf.core"
STAGES = {
    "reading and binning": ["run.bin_movie"],
    "summary images": ["finding.search.bin_images", "run.frame_images"],
    "motion that is left": ["finding.search.residual_shifts"],
    "whitening": ["finding.search.find_trend", "finding.search.whiten"],
    "background": ["finding.detect.Tile.renew_background"],
    "neuropil of the field": [
        "background.residual.shared_courses", "background.residual.take_out_courses",
    ],
    "energy map": ["finding.detect.map_energy"],
    "peeling": ["finding.detect.peel"],
    "least squares": ["finding.detect.Tile.least_squares"],
    "merging": ["finding.detect.Tile.merge"],
    "traces: setting up": [
        "traces.tracing.predict_background", "traces.tracing.Demixer.build",
        "traces.tracing.find_modes",
    ],
    "traces: reading and solving": ["traces.tracing.extract_traces"],
    "time constants": ["traces.tracing.estimate_kinetics"],
    "deconvolution": ["traces.tracing.deconvolve"],
    "assembling": ["run.assemble"],
    "SNR": ["verdict.evaluate.trace_snr"],
    "spatial correlation": ["verdict.evaluate.spatial_correlation"],
    "shape and class": ["run.score_components"],
}  # fmt: skip
REST = "the rest"
MOVIES: dict[str, dict[str, Any]] = {
    "3000 x 256 x 256, 180 cells": {"n_frames": 3000, "size": 256, "n_cells": 180},
    "3000 x 256 x 256, 480 cells": {"n_frames": 3000, "size": 256, "n_cells": 480},
    "12000 x 256 x 256, 180 cells": {"n_frames": 12_000, "size": 256, "n_cells": 180},
    "3000 x 512 x 512, 600 cells": {"n_frames": 3000, "size": 512, "n_cells": 600},
}
Times = dict[str, tuple[float, float, float]]
"""Wall, CPU, and CPU of the calling thread alone, by stage."""


class Watch:
    """Seconds of each stage; what a stage calls of another counts there alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
        self._open: list[str] = [REST]
        self._since = _clocks()

    def _change(self) -> None:
        now = _clocks()
        for i in range(3):
            self.seconds[self._open[-1]][i] += now[i] - self._since[i]
        self._since = now

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._change()
            self._open.append(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self._change()
                self._open.pop()

        return timed

    def total(self) -> Times:
        """Of each stage."""
        self._change()
        return {stage: (s[0], s[1], s[2]) for stage, s in self.seconds.items()}


def _clocks() -> tuple[float, float, float]:
    return time.perf_counter(), time.process_time(), time.thread_time()


@contextmanager
def watched() -> Iterator[Watch]:
    """The engine with its stages timed."""
    watch = Watch()
    with ExitStack() as stack:
        for stage, names in STAGES.items():
            for name in names:
                *path, attribute = f"{CORE}.{name}".split(".")
                owner = pkgutil.resolve_name(".".join(path))
                timed: Any = watch.around(stage, getattr(owner, attribute))
                if isinstance(vars(owner).get(attribute), classmethod):
                    timed = staticmethod(timed)
                stack.enter_context(patch.object(owner, attribute, timed))
        yield watch


def run(recording: Recording, n_threads: int) -> Times:
    """Seconds of each stage in one run."""
    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": tuple(max(1, round(g)) for g in recording.gSig)},
        data={"decay_time": recording.decay_time_s},
        temporal={"p": 2},
    )
    source = frame_source(open_movie(Path(str(recording.movie))))
    with watched() as watch:
        run_cnmf(source, params, frame_rate_hz=recording.frame_rate_hz, n_threads=n_threads)
    return watch.total()


def measure(recording: Recording, threads: list[int], repeats: int) -> dict[int, Times]:
    """The least of several runs, by number of threads."""
    runs: dict[int, list[Times]] = {n: [] for n in threads}
    for _ in range(repeats):
        for n in threads:
            runs[n].append(run(recording, n))
    return {n: _least(several) for n, several in runs.items()}


def _least(runs: list[Times]) -> Times:
    stages = {stage for times in runs for stage in times}
    out: Times = {}
    for stage in stages:
        seconds = np.min([times.get(stage, (0.0, 0.0, 0.0)) for times in runs], axis=0)
        out[stage] = float(seconds[0]), float(seconds[1]), float(seconds[2])
    return out


def table(name: str, times: dict[int, Times]) -> str:
    """One movie: a row a stage."""
    threads = list(times)
    head = [f"{n} thread{'s' if n > 1 else ''}" for n in threads]
    lines = [
        f"| {name} | {' | '.join(head)} | ratio | CPU, {head[0]} | CPU, {head[-1]} | serial |",
        "|---|" + "---|" * (len(threads) + 4),
    ]

    def row(stage: str, of: dict[int, tuple[float, float, float]], mark: str = "") -> str:
        first, last = of[threads[0]], of[threads[-1]]
        ratio = f"{first[0] / last[0]:.2f}" if last[0] >= 0.01 else "-"
        cells = [*(f"{of[n][0]:.3f}" for n in threads), ratio]
        cells += [f"{s:.3f}" for s in (first[1], last[1], last[2])]
        return f"| {mark}{stage}{mark} | " + " | ".join(f"{mark}{c}{mark}" for c in cells) + " |"

    stages = [*STAGES, REST]
    by_stage = [{n: times[n].get(stage, (0.0, 0.0, 0.0)) for n in threads} for stage in stages]
    lines += map(row, stages, by_stage)
    total = {n: np.sum([of[n] for of in by_stage], axis=0) for n in threads}
    lines.append(row("together", {n: (t[0], t[1], t[2]) for n, t in total.items()}, "**"))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="file for the tables; by default the terminal")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, min(2, os.cpu_count() or 1)])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--movies", type=int, nargs="+", default=list(range(len(MOVIES))))
    parser.add_argument("--keep", type=Path, help="folder in which simulated movies stay")
    options = parser.parse_args()
    tables = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        for i in options.movies:
            name = list(MOVIES)[i]
            recording = simulate_to(folder / f"cores-{i}.tif", base_regime(**MOVIES[name]))
            run(recording, 1)
            tables.append(table(name, measure(recording, options.threads, options.repeats)))
            if options.keep is None:
                Path(str(recording.movie)).unlink()
    text = "\n\n".join(tables) + "\n"
    if options.out is None:
        print(text)
    else:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
