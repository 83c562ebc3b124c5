"""What each step of the engine is good for: it is left out, on recordings it may be there for.

    python benchmarks/engine_ablation.py --out benchmarks/results/engine-ablation.md \
        [--movie REGISTERED.tif]

The table says how F1 of the accepted components (two-photon preset) changes in each group of
recordings, in thousandths; for "fades" the trace correlation, for "no cells" the components found.
Steps before the verdict are left out of the whole run, groups of its figures of the verdict alone.
Of the seeds none was tuned on. Recordings are spread over processes of one thread each: the table
does not depend on how many.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from hand_count import FRAME_RATE_HZ, Standing, count_params, stand
from napari_cnmf.core.finding.detect import Steps, Tile
from napari_cnmf.core.finding.energy import energy_threshold
from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.traces.kinetics import estimate_kinetics
from napari_cnmf.core.verdict.cell_model import shipped_model
from napari_cnmf.core.verdict.evidence import FIGURES, GROUPS, stored_figures
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, score, simulate
from regimes import base_regime, knob_regime, other_regime
from second_simulator import simulate_other

CORE = "napari_cnmf.core"
FIRST_SEED = 31


@dataclass(frozen=True)
class Case:
    """A recording and how it is analysed.

    Attributes
    ----------
    group
        Column of the table.
    kind, name, knobs
        Which simulator, the row of its regimes, what is changed.
    told_size
        Times the true half-width of a cell that ``gSig`` says.
    """

    group: str
    kind: str
    name: str
    knobs: tuple[tuple[str, Any], ...]
    seed: int
    told_size: float = 1.0

    def record(self) -> Recording:
        knobs = dict(self.knobs)
        if self.kind == "base":
            return simulate(base_regime(seed=self.seed, **knobs))
        if self.kind == "knob":
            return simulate(knob_regime(self.name, seed=self.seed, **knobs))
        return simulate_other(other_regime(self.name, seed=self.seed, **knobs))


def cases(n_seeds: int) -> list[Case]:
    """All recordings, group by group."""
    dense = {"n_cells": 110, "noise": 2.5}
    rows: list[tuple[str, str, str, dict[str, Any], float]] = [
        ("dense", "base", "", dense, 1),
        ("noisy", "base", "", {"noise": 3.0}, 1),
        ("300 frames", "knob", "300 frames", {}, 1),
        ("long", "knob", "20,000 frames", {"n_frames": 15_000, "size": (64, 64), "n_cells": 12}, 1),
        ("no cells", "base", "", {"n_cells": 0}, 1),
        ("no cells", "base", "", {"n_cells": 0, "n_frames": 15_000, "size": 64}, 1),
        ("moves", "knob", "residual motion", {"rigid_motion_rms_px": 0.7}, 1),
        ("moves", "knob", "non-rigid motion", {"flicker_fraction": 0.01}, 1),
        ("fades", "knob", "bleaching", {}, 1),
        ("gSig -40 %", "base", "", {}, 0.6),
        ("gSig +60 %", "base", "", {}, 1.6),
        ("sizes", "knob", "sizes 3-12 px", {}, 1),
        ("processes", "knob", "dendrites crossing", {"n_puncta": 25}, 1),
        ("processes", "knob", "fine processes", {}, 1),
        ("neuropil", "knob", "neuropil on all scales", {}, 1),
        ("border", "knob", "cells cut by the border", {"n_dendrites": 6}, 1),
        ("everything", "knob", "everything", {}, 1),
        ("other", "other", "clear", {"n_frames": 2000}, 1),
        ("other", "other", "crowded and noisy", {"n_frames": 2000}, 1),
    ]
    return [
        Case(group, kind, name, tuple(knobs.items()), seed, told)
        for group, kind, name, knobs, told in rows
        for seed in range(FIRST_SEED, FIRST_SEED + n_seeds)
    ]


@contextmanager
def patches(*pairs: tuple[str, Any]) -> Iterator[None]:
    """Names of the engine replaced by others."""
    with ExitStack() as stack:
        for name, value in pairs:
            stack.enter_context(patch(f"{CORE}.{name}", value))
        yield


def analyse(
    recording: Recording, steps: Steps | None = None, decay: float = 1.0, told_size: float = 1.0
) -> Components:
    """Run the engine; ``decay`` times the true one is told."""
    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": tuple(max(1, round(told_size * g)) for g in recording.gSig)},
        data={"decay_time": decay * recording.decay_time_s},
    )
    return watch(recording.array(), params, recording.frame_rate_hz, steps)


def watch(
    movie: NDArray[Any], params: CNMFParams, frame_rate_hz: float, steps: Steps | None = None
) -> Components:
    """Run the engine without a word."""
    return run_cnmf(
        ArraySource(movie), params, frame_rate_hz=frame_rate_hz, steps=steps, n_threads=1,
        on_warning=lambda sentence: None,
    ).components  # fmt: skip


def figures(recording: Recording, components: Components) -> NDArray[np.float64]:
    """F1 of the accepted and of all, trace correlation, number of all."""
    every = score(components, recording.truth)
    good = score(components, recording.truth, subset=components.accepted)
    return np.array([good.f1, every.f1, every.trace_correlation, every.n_components], np.float64)


def _told(*inputs: Any, **more: Any) -> Any:
    """Kinetics as they were told, not estimated."""
    found = estimate_kinetics(*inputs, **more)
    told = inputs[2]
    return replace(found, decay_s=np.full_like(found.decay_s, told))


_RENEW = Tile.renew_background


def _once(tile: Tile) -> None:
    """The background before the first component alone."""
    if not len(tile.factors):
        _RENEW(tile)


def _no_courses(background: NDArray[np.float32], workers: Any) -> NDArray[np.float32]:
    return np.zeros((0, background.shape[-1]), np.float32)


def _nothing(down: NDArray[np.float32], n_bins: int) -> NDArray[np.float32]:
    return np.zeros_like(down)


def _no_trend(brightness: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.zeros((0, len(brightness)), np.float32)


def _constant(n_bins: int) -> float:
    return energy_threshold(400)


WITHOUT: dict[str, tuple[tuple[tuple[str, Any], ...], dict[str, Any]]] = {
    "neuropil that the field shares": ((("background.residual.shared_courses", _no_courses),), {}),
    "background again after components": ((("finding.detect.Tile.renew_background", _once),), {}),
    "smoothing of the background's grid": ((("background.grid.smooth_nodes", lambda v: v),), {}),
    "matched filter in time": ((("finding.energy.gather_decay", lambda traces: None),), {}),
    "E-: what goes down as far as up": (
        (("finding.energy.both_ways", _nothing), ("finding.peel.both_ways", _nothing)),
        {},
    ),
    "share of what is explained": ((("finding.energy.EXPLAINED", 0.0),), {}),
    "threshold that grows with time": ((("finding.peel.energy_threshold", _constant),), {}),
    "second detection pass": ((), {"steps": Steps(detections=1)}),
    "least squares after detection": ((), {"steps": Steps(rounds=(0, 0, 1))}),
    "second round of least squares": ((), {"steps": Steps(rounds=(1, 1, 1))}),
    "merging": ((), {"steps": Steps(merge_correlation=None)}),
    "detrending": ((("finding.search.find_trend", _no_trend),), {}),
    "relaxed events": ((("traces.tracing.STANDS_OUT", None),), {}),
    "(decay told twice too long)": ((), {"decay": 2.0}),
    "estimation of that decay": ((("traces.tracing.estimate_kinetics", _told),), {"decay": 2.0}),
}
"""Names replaced and arguments of ``analyse``, for each step that is left out."""


def evidence_rows(seen: Components) -> dict[str, Components]:
    """The components of one run, judged without each group of figures, and without the probability."""
    figures = stored_figures(seen.attributes)
    assert figures is not None
    model, quality = shipped_model(), CNMFParams.preset("two-photon somata").quality
    rows = {}
    for name, members in GROUPS.items():
        without = figures.copy()
        without[:, [FIGURES.index(m) for m in members]] = np.nan
        judged = seen.replace(cnn_preds=model.probabilities(without)[:, 0])
        rows[f"evidence: {name}"] = judged.replace(accepted=passes_thresholds(judged, quality))
    off = quality.model_copy(update={"use_cnn": False})
    rows["probability of a cell"] = seen.replace(accepted=passes_thresholds(seen, off))
    return rows


BASE = "nothing: the engine as it is"


def run_case(case: Case) -> dict[str, NDArray[np.float64]]:
    """Figures of one recording, for each thing that is left out."""
    recording = case.record()
    seen = analyse(recording, told_size=case.told_size)
    table = {BASE: figures(recording, seen)}
    for name, (names, inputs) in WITHOUT.items():
        with patches(*names):
            left = analyse(recording, told_size=case.told_size, **inputs)
        table[name] = figures(recording, left)
    for name, components in evidence_rows(seen).items():
        table[name] = figures(recording, components)
    return table


def run_movie(path: Path) -> dict[str, Standing]:
    """The real recording beside its hand count, for each thing that is left out."""
    import tifffile

    movie, params = tifffile.imread(path), count_params()
    seen = watch(movie, params, FRAME_RATE_HZ)
    every = {BASE: seen}
    for name, (names, inputs) in WITHOUT.items():
        if "decay" not in inputs:
            with patches(*names):
                every[name] = watch(movie, params, FRAME_RATE_HZ, **inputs)
    every |= evidence_rows(seen)
    return {name: stand(c, c.accepted) for name, c in every.items() if c.accepted is not None}


def column(group: str) -> int:
    """Which of the figures a group is judged by."""
    return {"fades": 2, "no cells": 3}.get(group, 0)


def write(
    path: Path,
    done: list[tuple[Case, dict[str, NDArray[np.float64]]]],
    movie: dict[str, Standing] | None,
) -> None:
    """The table, as markdown: means of each group, then changes in thousandths."""
    groups = list(dict.fromkeys(case.group for case, _ in done))
    names = list(done[0][1])

    def mean(name: str, group: str) -> float:
        return float(np.mean([t[name][column(group)] for c, t in done if c.group == group]))

    def over_all(name: str, figure: int) -> float:
        return float(np.mean([t[name][figure] for c, t in done if c.group != "no cells"]))

    head = ["left out", "F1 accepted", "F1 found", "trace corr.", *groups]
    head += ["real: sure of 9 / nowhere"] if movie else []
    lines = [
        "<!-- made by benchmarks/engine_ablation.py -->",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    for name in names:
        cells = []
        for i in range(3):
            value, base = over_all(name, i), over_all(BASE, i)
            cells.append(f"{value:.3f}" if name == BASE else _change(value - base))
        for g in groups:
            value, base = mean(name, g), mean(BASE, g)
            digits = 1 if g == "no cells" else 3
            if name == BASE:
                cells.append(f"{value:.{digits}f}")
            else:
                cells.append(f"{value:.1f}" if g == "no cells" else _change(value - base))
        if movie:
            cells.append(f"{movie[name].sure} / {movie[name].nowhere}" if name in movie else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    path.write_text("\n".join(lines) + "\n")


def _change(value: float) -> str:
    """In thousandths, a dot where there is none."""
    n = round(1000 * value)
    return f"{n:+d}" if n else "·"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--movie", type=Path, help="the registered recording of the hand count")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3, help="recordings of each kind")
    parser.add_argument("--groups", nargs="*", help="some columns alone")
    arguments = parser.parse_args()
    chosen = [
        c for c in cases(arguments.seeds) if not arguments.groups or c.group in arguments.groups
    ]
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
        movie = pool.submit(run_movie, arguments.movie) if arguments.movie else None
        done = []
        for case, table in zip(chosen, pool.map(run_case, chosen), strict=True):
            done.append((case, table))
            print(len(done), "of", len(chosen), case.group, table[BASE].round(3), flush=True)
        write(arguments.out, done, movie.result() if movie else None)


if __name__ == "__main__":
    main()
