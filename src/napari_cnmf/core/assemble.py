"""Turns whitened factors into the result in units of the movie."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.background.modes import background_factors
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.energy import energy_threshold
from napari_cnmf.core.finding.gather import Found
from napari_cnmf.core.finding.peel import VERDICTS, Candidates, least_area
from napari_cnmf.core.movie.binning import Binned
from napari_cnmf.core.plan.plan import Plan
from napari_cnmf.core.traces.tracing import Traced, footprint_norms, in_movie_units
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

_AT_ONCE = 32
"""Traces that a thread works on together."""


def assemble(
    plan: Plan,
    params: CNMFParams,
    binned: Binned,
    sn: NDArray[np.float32],
    found: Found,
    traced: Traced,
    images: dict[str, NDArray[np.float32]],
    workers: Workers,
    *,
    one_photon: bool,
) -> tuple[Components, dict[str, float]]:
    """Components of unit norm footprints; ``A C + b f`` is the movie without its noise.

    Where a ring was asked for, the background is ``b0 + W (Y - A C - b0)`` instead.

    The baseline of each trace is moved into the static background, so that ``C`` rests at
    zero and ``bl`` is 0; a spike in the first frame is in ``S``, so that ``c1`` is 0. ``sn`` is the
    noise of each pixel, infinite where a pixel takes no part; the result has 0 there. The traces
    of ``traced`` become those of the result, in place. ``one_photon`` says that the background is
    no baseline for dF/F.
    """
    norm = footprint_norms(traced.A, traced.sn)
    A = in_movie_units(traced.A, traced.sn)
    A.data /= np.repeat(norm, np.diff(A.indptr)).astype(np.float32)
    scale = norm[:, None].astype(np.float32)
    calcium = traced.calcium
    C, S, rest = calcium.C, calcium.S, traced.raw.raw

    # In place: arrays of all traces are what grows with a recording, and there are enough of them.
    def to_movie_units(start: int, stop: int) -> None:
        some = slice(start, stop)
        C[some] *= scale[some]
        S[some] *= scale[some]
        rest[some] -= calcium.baseline[some, None]
        rest[some] *= scale[some]
        rest[some] -= C[some]

    workers.ranges(to_movie_units, len(C), _AT_ONCE)
    static = binned.mean + A @ (calcium.baseline * norm).astype(np.float32)
    behind: dict[str, Any]
    if found.ring is not None:
        behind = {"W": found.ring.W, "b0": static.astype(np.float32)}
    else:
        b, f = background_factors(traced.modes, traced.raw.modes, static)
        behind = {"b": b, "f": f}
    n = len(norm)
    components = Components(
        A=A,
        C=C,
        dims=plan.dims,
        S=S,
        YrA=rest,
        **behind,
        sn=np.where(np.isfinite(sn), sn, 0).astype(np.float32),
        g=calcium.g,
        bl=np.zeros(n, np.float32),
        c1=np.zeros(n, np.float32),
        neurons_sn=calcium.noise * scale[:, 0],
        lam=calcium.lam * scale[:, 0],
        frame_rate_hz=plan.frame_rate_hz,
        params=as_used(params, plan.frames_per_bin).to_dict(),
        images=dict(images),
        attributes={
            "decay_time_s": traced.kinetics.decay_s.tolist(),
            "rise_time_s": traced.kinetics.rise_s.tolist(),
            "one_photon": one_photon,
            "candidates": candidate_table(found.candidates, plan),
        },
    )
    return components, {"n_candidates": float(len(found.candidates.score))}


def as_used(params: CNMFParams, frames_per_bin: int) -> CNMFParams:
    """Copy parameters with the values that were left to the engine: a result holds what made it."""
    init, temporal = params.init, params.temporal
    return params.replace(
        init={"ssub": init.ssub or 1, "tsub": init.tsub or frames_per_bin},
        temporal={"fudge_factor": temporal.fudge_factor or 1.0},
    )


def candidate_table(candidates: Candidates, plan: Plan) -> dict[str, Any]:
    """Every site that was tried, as plain columns that tell why there is no cell at a place.

    ``at`` in pixels of the frame, ``score`` of the energy map, ``energy`` and ``area`` of the
    candidate, ``verdict`` in words; ``least_energy`` and ``least_area`` are what it needed.

    See Also
    --------
    napari_cnmf.model.why.explain_place : reads it.
    """
    return {
        "least_energy": round(energy_threshold(plan.n_bins), 1),
        "least_area": least_area(plan.field),
        "at": candidates.at[:, 3 - len(plan.dims) :].tolist(),
        "score": candidates.score.round(1).tolist(),
        "energy": candidates.energy.round(1).tolist(),
        "area": candidates.area.tolist(),
        "verdict": [VERDICTS[v] for v in candidates.verdict],
    }
