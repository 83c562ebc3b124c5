"""What each step of the engine is good for: it is left out, on the same recordings.

    python benchmarks/engine_ablation.py --out benchmarks/results/engine-ablation.md

Means over six recordings: F1 of all components, trace correlation, precision, recall and F1 of
the accepted ones (two-photon preset). Steps before the shape rule are left out of the whole
run, terms of the rule are left out of the rule alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from engine_accuracy import ArraySource
from napari_cnmf.core import evaluate, run_cnmf
from napari_cnmf.core.activity import Activity
from napari_cnmf.core.classify import Rule, classify
from napari_cnmf.core.deconvolve import deconvolve
from napari_cnmf.core.detect import Steps, Tile
from napari_cnmf.core.energy import EnergyMap
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.geometry import Field
from napari_cnmf.core.kinetics import estimate_kinetics
from napari_cnmf.core.shape import Shapes, measure_shapes
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import (
    Recording,
    base_regime,
    knob_regime,
    other_regime,
    score,
    simulate,
    simulate_other,
)

CORE = "napari_cnmf.core"
FRAMES = 1000

Maker = Callable[[], Recording]


def recordings() -> list[Maker]:
    """Six that are hard in different ways, of a seed that nothing was tuned on."""
    knobs: dict[str, Any] = {"seed": 7, "n_frames": FRAMES}
    configs = [
        base_regime(n_cells=110, noise=2.0, seed=7, n_frames=FRAMES),
        knob_regime("dendrites crossing", **knobs),
        knob_regime("bleaching", **knobs),
        knob_regime("residual motion", **(knobs | {"rigid_motion_rms_px": 0.7})),
        knob_regime("everything", **knobs),
    ]
    makers: list[Maker] = [partial(simulate, config) for config in configs]
    return [*makers, partial(simulate_other, other_regime("clear", seed=7, n_frames=FRAMES))]


@dataclass(frozen=True, eq=False)
class Seen:
    """What the rule saw in a run."""

    factors: Factors
    shapes: Shapes
    activity: Activity
    field: Field
    components: Components


@contextmanager
def patches(*pairs: tuple[str, Any]) -> Iterator[None]:
    """Names of the engine replaced by others."""
    with ExitStack() as stack:
        for name, value in pairs:
            stack.enter_context(patch(f"{CORE}.{name}", value))
        yield


def analyse(recording: Recording, steps: Steps | None = None, decay: float = 1.0) -> Seen:
    """Run the engine and keep what the rule saw; ``decay`` times the true one is told."""
    seen: dict[str, Any] = {}

    def measure(factors: Factors, field: Field) -> Shapes:
        seen["field"] = field
        return measure_shapes(factors, field)

    def judge(factors: Factors, shapes: Shapes, activity: Activity, size: float) -> Any:
        seen.update(factors=factors, shapes=shapes, activity=activity)
        return classify(factors, shapes, activity, size)

    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": recording.gSig}, data={"decay_time": decay * recording.decay_time_s}
    )
    with (
        patch.object(evaluate, "classify", judge),
        patch.object(evaluate, "measure_shapes", measure),
    ):
        components = run_cnmf(
            ArraySource(recording.array()),
            params,
            frame_rate_hz=recording.frame_rate_hz,
            steps=steps,
            on_warning=lambda sentence: None,
        ).components
    return Seen(**seen, components=components)


def figures(recording: Recording, components: Components) -> NDArray[np.float64]:
    """F1 of all, trace correlation, precision, recall and F1 of the accepted ones."""
    every = score(components, recording.truth)
    good = score(components, recording.truth, subset=components.accepted)
    return np.array(
        [every.f1, every.trace_correlation, good.precision, good.recall, good.f1], np.float64
    )


def _told(*inputs: Any) -> Any:
    """Kinetics as they were told, not estimated."""
    found = estimate_kinetics(*inputs)
    told = inputs[2]
    return replace(found, decay_s=np.full_like(found.decay_s, told))


def _once(tile: Tile) -> None:
    """The background before the first component alone."""
    if not len(tile.factors):
        _RENEW(tile)


_RENEW = Tile.renew_background


def _upward(energy: EnergyMap) -> NDArray[np.float32]:
    return np.asarray(energy.state[2] - np.float32(0.01) * energy.explained, np.float32)


def _no_trend(brightness: NDArray[np.floating]) -> NDArray[np.float32]:
    return np.zeros((0, len(brightness)), np.float32)


WITHOUT: dict[str, tuple[tuple[tuple[str, Any], ...], dict[str, Any]]] = {
    "second detection pass": ((), {"steps": Steps(detections=1)}),
    "least squares after detection": ((), {"steps": Steps(rounds=(0, 0, 1))}),
    "second round of least squares": ((), {"steps": Steps(rounds=(1, 1, 1))}),
    "merging": ((), {"steps": Steps(merge_correlation=None)}),
    "background again after components": ((("detect.Tile.renew_background", _once),), {}),
    "smoothing of the background's grid": ((("background.smooth_cells", lambda v: v),), {}),
    "E-: what goes down as far as up": ((("energy.EnergyMap.score", _upward),), {}),
    "threshold that grows with time": ((("peel.energy_threshold", lambda n: 12.0),), {}),
    "detrending": ((("search.find_trend", _no_trend),), {}),
    "relaxed events": ((("tracing.deconvolve", partial(deconvolve, relaxed=False)),), {}),
    "(decay told twice too long)": ((), {"decay": 2.0}),
    "estimation of that decay": ((("tracing.estimate_kinetics", _told),), {"decay": 2.0}),
}
"""Names replaced and arguments of ``analyse``, for each step that is left out."""

LOOSE: dict[str, dict[str, Any]] = {
    "the whole rule": {f.name: None for f in fields(Rule)},
    "width": {"width": 0.0, "width_bounds": (0.0, 0.0)},
    "eccentricity": {"eccentricity": 2.0, "eccentricity_cut": 2.0},
    "solidity": {"solidity": 0.0, "solidity_large": 0.0, "solidity_clear": 0.0},
    "solidity of large ones": {"solidity_large": 0.0},
    "area": {"area": 0.0},
    "activity beyond the outline": {"coactivity": np.inf},
    "found twice": {"same": 2.0},
    "contained in a stronger one": {"contained": 2.0},
    "weak and contained": {"weak_contained": 2.0},
}
"""Limits of the rule that bind nothing, for each term that is left out."""


def judged(seen: Seen, rule: Rule | None, shapes: Shapes | None = None) -> Components:
    """The components under another rule; ``None`` accepts every class."""
    c = seen.components
    if rule is None:
        return c.replace(accepted=passes_thresholds(c.replace(classes=None), _quality()))
    found = classify(seen.factors, shapes or seen.shapes, seen.activity, seen.field.size, rule)
    c = c.replace(classes=found.names)
    return c.replace(accepted=passes_thresholds(c, _quality()))


def _quality() -> Any:
    return CNMFParams.preset("two-photon somata").quality


def rule_rows(seen: Seen) -> dict[str, Components]:
    """The components of one run, without each term of the rule."""
    rows = {}
    for name, limits in LOOSE.items():
        whole = name == "the whole rule"
        rows[name] = judged(seen, None if whole else replace(Rule(), **limits))
    with patches(("shape._closed", lambda m: np.pad(m, ((0, 0), (1, 1), (1, 1))))):
        shapes = measure_shapes(seen.factors, seen.field)
    rows["closing of outlines"] = judged(seen, Rule(), shapes)
    with patches(("classify.typical_width", lambda *inputs: 1.0)):
        rows["the movie's own cell size"] = judged(seen, Rule())
    return rows


def line(name: str, values: list[NDArray[np.float64]], base: NDArray[np.float64] | None) -> str:
    """Means over the recordings, F1 also as a difference to the full engine."""
    mean = np.mean(values, axis=0)
    change = "" if base is None else f" ({mean[4] - base[4]:+.3f})"
    cells = " | ".join(f"{v:.3f}" for v in mean)
    return f"| {name} | {cells}{change} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    table: dict[str, list[NDArray[np.float64]]] = {}

    def keep(name: str, recording: Recording, components: Components) -> None:
        table.setdefault(name, []).append(figures(recording, components))

    for make in recordings():
        recording = make()
        seen = analyse(recording)
        keep("everything", recording, seen.components)
        for name, (names, inputs) in WITHOUT.items():
            with patches(*names):
                keep(name, recording, analyse(recording, **inputs).components)
        for name, components in rule_rows(seen).items():
            keep(f"rule: {name}", recording, components)
        write(table, arguments.out)
        print(len(table["everything"]), "recordings", flush=True)


def write(table: dict[str, list[NDArray[np.float64]]], path: Path) -> None:
    """The table so far, as markdown."""
    base = np.mean(table["everything"], axis=0)
    lines = [
        "<!-- made by benchmarks/engine_ablation.py -->",
        "| left out | F1 found | trace corr. | precision | recall | F1 accepted |",
        "|---|---|---|---|---|---|",
        *(line(n, v, None if n == "everything" else base) for n, v in table.items()),
    ]
    lines[3] = lines[3].replace("everything", "nothing: the engine as it is")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
