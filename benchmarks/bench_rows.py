"""Rows of ``bench.py``: movies with a truth, and each engine's parameters for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import Recording, simulate_one_photon
from regimes import (
    KNOBS,
    ONE_PHOTON,
    OTHER,
    base_regime,
    knob_regime,
    one_photon_regime,
    other_regime,
)
from second_simulator import simulate_other
from streaming import simulate_to

GROUPS = ("smoke", "table", "noise", "scale", "knobs", "other", "one-photon")


@dataclass(frozen=True)
class Row:
    """A recording and how it is run.

    Attributes
    ----------
    simulate
        Writes the movie to the path it is given.
    memory_gb, n_processes
        Budget and threads of the built-in engine; ``None`` leaves them to it.
    cold
        Kernels are compiled in this run, as in the first after installation.
    algorithm
        ``cnmf``, or ``cnmfe`` for one-photon recordings.
    """

    group: str
    name: str
    simulate: Callable[[Path], Recording]
    memory_gb: float | None = None
    n_processes: int | None = None
    cold: bool = False
    algorithm: str = "cnmf"


def rows_of(group: str) -> list[Row]:
    """The rows of one of ``GROUPS``."""
    middle: dict[str, Any] = {"n_frames": 3000, "size": 256, "n_cells": 180}
    large: dict[str, Any] = {"n_frames": 3000, "size": 512, "n_cells": 600}
    match group:
        case "smoke":
            return [_base(group, "300 x 64 x 64, 10 cells", n_frames=300, size=64, n_cells=10)]
        case "table":
            return [
                _base(group, "2000 x 128 x 128, 45 cells"),
                _base(group, "3000 x 256 x 256, 180 cells", **middle),
                _base(group, "3000 x 512 x 512, 600 cells", **large),
            ]
        case "noise":
            return [
                _base(group, "128 x 128, 45 cells, twice the noise", noise=2.0),
                _base(group, "128 x 128, 45 cells, three times the noise", noise=3.0),
                _base(group, "128 x 128, 110 cells", n_cells=110),
                _base(group, "128 x 128, 110 cells, 2.5 times the noise", n_cells=110, noise=2.5),
            ]
        case "scale":
            long: dict[str, Any] = {**middle, "n_frames": 12_000}
            longest: dict[str, Any] = {**middle, "n_frames": 24_000}
            return [
                _base(group, "first run: 2000 x 128 x 128", cold=True),
                _base(group, "3000 x 512 x 512, memory_gb=0.6", memory_gb=0.6, **large),
                _base(group, "3000 x 256 x 256, memory_gb=0.5", memory_gb=0.5, **middle),
                _base(group, "12000 x 256 x 256, memory_gb=0.5", memory_gb=0.5, **long),
                _base(group, "24000 x 256 x 256, memory_gb=0.8", memory_gb=0.8, **longest),
                _base(group, "3000 x 256 x 256, one thread", n_processes=1, **middle),
                _base(group, "3000 x 256 x 256, two threads", n_processes=2, **middle),
            ]
        case "knobs":
            return [_knob(group, name) for name in KNOBS]
        case "other":
            return [_other(group, name) for name in OTHER]
        case _:
            return [_one_photon(group, name) for name in ONE_PHOTON]


def _base(
    group: str,
    name: str,
    *,
    memory_gb: float | None = None,
    n_processes: int | None = None,
    cold: bool = False,
    **knobs: Any,
) -> Row:
    def simulate(path: Path) -> Recording:
        return simulate_to(path, base_regime(**knobs))

    return Row(group, name, simulate, memory_gb, n_processes, cold)


def _knob(group: str, name: str) -> Row:
    def simulate(path: Path) -> Recording:
        return simulate_to(path, knob_regime(name))

    return Row(group, name, simulate)


def _other(group: str, name: str) -> Row:
    def simulate(path: Path) -> Recording:
        return simulate_other(other_regime(name)).write(path)

    return Row(group, name, simulate)


def _one_photon(group: str, name: str) -> Row:
    def simulate(path: Path) -> Recording:
        return simulate_one_photon(one_photon_regime(name)).write(path)

    return Row(group, name, simulate, algorithm="cnmfe")


def parameters(row: Row, engine: str, recording: Recording) -> CNMFParams:
    """The parameters of an engine for a row's recording."""
    if row.algorithm == "cnmfe":
        return _one_photon_parameters(engine, recording)
    return _two_photon_parameters(engine, recording)


def _one_photon_parameters(engine: str, recording: Recording) -> CNMFParams:
    """The one-photon preset; CaImAn gets windows and thresholds that suit the cells.

    A window of 2 gSig + 3 and a ring of 1.4 of them: with the usual 4 gSig + 1 and 1.5 the ring
    lies further away than the background reaches (hippocampus: F1 .806, traces .671; with these
    .927, .880). ``min_corr`` 0.8 and ``min_pnr`` 8 of CaImAn's own images leave about as many seeds
    as there are cells, and 95 % of these; 10 loses more, 6 makes up to four times as many seeds.
    It has no rule of shapes: its own default thresholds decide, and what it found counts as well.
    """
    radius = tuple(max(1, round(g)) for g in recording.gSig)
    params = CNMFParams.preset("one-photon").replace(
        init={"gSig": radius}, data={"decay_time": recording.decay_time_s}
    )
    if engine == "builtin":
        return params.replace(preprocess={"p": 2}, temporal={"p": 2})
    return params.replace(
        init={
            "gSiz": tuple(2 * g + 3 for g in radius),
            "ring_size_factor": 1.4,
            "min_corr": 0.8,
            "min_pnr": 8,
        },
        patch={"rf": 10 * max(radius), "stride": 4 * max(radius)},
        quality={"min_SNR": 2.5, "rval_thr": 0.8},
    )


def _two_photon_parameters(engine: str, recording: Recording) -> CNMFParams:
    """The two-photon preset, tuned for each engine.

    CaImAn is told what it asks for as well as it can be: patches of four to five cells across,
    half again as many components per patch as there are cells, and a decay as an AR(1), which
    suits these frame rates. The built-in engine takes no K and an AR(2).
    """
    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": tuple(max(1, round(g)) for g in recording.gSig)},
        data={"decay_time": recording.decay_time_s},
    )
    if engine == "builtin":
        return params.replace(preprocess={"p": 2}, temporal={"p": 2})
    half = max(16, round(4.5 * max(recording.gSig)))
    field = math.prod(recording.shape[1:])
    density = recording.truth.C.shape[0] / field
    K = max(2, math.ceil(1.5 * density * (2 * half) ** 2))
    return params.replace(
        init={"K": K},
        patch={"rf": half, "stride": half // 2},
        quality={"use_cnn": False},
    )
