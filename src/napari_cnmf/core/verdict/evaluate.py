"""Scores, classes and the verdict; also of a result that is there already."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.reports import (
    ProgressCallback,
    Report,
    StopCallback,
    WarningCallback,
    logger,
    never_stop,
    no_progress,
)
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.gather import Found
from napari_cnmf.core.finding.rank_one import active_energy
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.core.plan.plan import Plan
from napari_cnmf.core.verdict.classify import LIKELY, ONE_PHOTON_RULE, Rule, classify
from napari_cnmf.core.verdict.contrast import find_dark
from napari_cnmf.core.verdict.rvalues import spatial_correlation
from napari_cnmf.core.verdict.shape import Shapes, measure_shapes, typical_width
from napari_cnmf.core.verdict.snr import trace_snr
from napari_cnmf.core.verdict.soma_score import own_size, soma_scores
from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import passes_thresholds
from napari_cnmf.params import CNMFParams

_STAGE = "scoring"
_AT_ONCE = 96
"""Components that a thread measures together: with fewer, threads wait for the interpreter."""


def score_components(
    source: FrameSource,
    components: Components,
    params: CNMFParams,
    plan: Plan,
    found: Found,
    mean: NDArray[np.float32],
    workers: Workers,
    report: Report,
) -> tuple[Components, float]:
    """Scores by CaImAn's definitions, classes by shape; and the cells' size in gSig.

    ``mean`` is the mean image ``(n_pixels,)``.

    See Also
    --------
    evaluate_result : the scores of a result that another run or engine made.
    """
    scored = _with_scores(source, components, params, plan.frame_rate_hz, workers, report)
    shapes = Shapes.concatenate(
        workers.map(
            lambda i: measure_shapes(found.factors.part(i, i + _AT_ONCE), plan.field),
            range(0, max(1, len(found.factors)), _AT_ONCE),
        )
    )
    if found.fine_background is not None:
        # In one-photon light the mean image is that of the background.
        rule, dark = ONE_PHOTON_RULE, None
    else:
        image = mean.reshape(plan.field.shape)
        rule, dark = Rule(), find_dark(found.factors, image, np.asarray(scored.snr), workers)
    energy = active_energy(found.factors, workers)
    width = typical_width(shapes, energy, rule.eccentricity)
    attributes = scored.attributes | {"typical_width": 1.0 if width is None else width}
    soma = classifier_scores(scored.replace(attributes=attributes), params, workers)
    likely = soma >= LIKELY if len(soma) else None
    size = plan.field.size
    classes = classify(found.factors, shapes, energy, width, size, rule, dark, likely=likely)
    scored = scored.replace(
        classes=classes.names,
        cnn_preds=soma,
        attributes=attributes | {"reasons": [list(r) for r in classes.reasons]},
    )
    accepted = passes_thresholds(scored, params.quality)
    return scored.replace(accepted=accepted), attributes["typical_width"]


def evaluate_result(
    source: FrameSource | None,
    components: Components,
    params: CNMFParams,
    *,
    frame_rate_hz: float,
    n_threads: int | None = None,
    on_progress: ProgressCallback = no_progress,
    on_warning: WarningCallback = logger.warning,
    on_log: Callable[[str], None] = logger.info,
    should_stop: StopCallback = never_stop,
) -> Components:
    """Score a result again, with these parameters.

    Parameters
    ----------
    source
        Its movie; ``None`` keeps the spatial correlations that the result has.
    components
        Of any engine. Its classes, where it has them, stay.

    Returns
    -------
    Components
        With new ``snr``, ``r_values``, ``ecc`` and ``accepted``, and the thresholds in its
        ``params``.

    Raises
    ------
    ResultError
        If movie and result have different shapes.
    """
    if source is not None:
        expected = (components.n_frames, *components.dims)
        if tuple(source.shape) != expected:
            raise ResultError(
                f"The movie must have the result's shape {expected}, got {tuple(source.shape)}. "
                "Choose the movie that the result was made from."
            )
    report = Report(on_progress, on_warning, on_log, should_stop)
    with Workers(n_threads, report.check) as workers:
        scored = _with_scores(source, components, params, frame_rate_hz, workers, report)
        scored = scored.replace(cnn_preds=classifier_scores(scored, params, workers))
    # Whoever moves a threshold later starts from those that made this verdict.
    thresholds = {"quality": params.to_dict()["quality"]}
    return scored.replace(
        accepted=passes_thresholds(scored, params.quality), params=components.params | thresholds
    )


def _with_scores(
    source: FrameSource | None,
    components: Components,
    params: CNMFParams,
    frame_rate_hz: float,
    workers: Workers,
    report: Report,
) -> Components:
    snr = trace_snr(
        components.C, frame_rate_hz, params.data.decay_time, workers, rest=components.YrA
    )
    r = components.r_values
    if source is not None:
        n_frames = source.shape[0]
        r = spatial_correlation(
            source, components.A, components.C, frame_rate_hz, workers,
            on_block=lambda done: report.progress(_STAGE, done, n_frames),
        )  # fmt: skip
    return components.replace(
        snr=snr,
        r_values=r,
        ecc=_measure_columns(components.A, lambda A: elongation(A, components.dims), workers),
    )


def _measure_columns(
    A: sp.csc_matrix,
    measure: Callable[[sp.csc_matrix], NDArray[np.float64]],
    workers: Workers,
) -> NDArray[np.float64]:
    """A figure of each footprint ``(n,)``, some at a time on all threads."""
    A = A.tocsc()
    starts = range(0, max(1, A.shape[1]), _AT_ONCE)
    return np.concatenate(workers.map(lambda i: measure(A[:, i : i + _AT_ONCE]), starts))


def classifier_scores(
    components: Components, params: CNMFParams, workers: Workers
) -> NDArray[np.float64]:
    """The soma score of each footprint where it takes part; else of length 0, as in CaImAn.

    Unasked it does where it was trained for it: on round somata in a plane, two-photon.
    """
    chosen = params.quality.use_cnn
    if chosen is None:
        chosen = (
            len(components.dims) == 2
            and params.init.method_init == "greedy_roi"
            and not components.attributes.get("one_photon", False)
        )
    if not chosen:
        return np.zeros(0)
    size = own_size(params.init.gSig, components.attributes)
    dims, radii = components.dims, params.quality.gSig_range
    return _measure_columns(components.A, lambda A: soma_scores(A, dims, size, radii), workers)


def elongation(A: sp.csc_matrix, dims: tuple[int, ...]) -> NDArray[np.float64]:
    """Ratio of the long to the short axis of each footprint, by second moments, in the plane."""
    A = A.tocsc()
    n = A.shape[1]
    owner = np.repeat(np.arange(n), np.diff(A.indptr))
    weight = np.maximum(A.data.astype(np.float64), 0)
    total = np.bincount(owner, weight, n)
    weight /= np.where(total > 0, total, 1)[owner]

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(owner, weight * values, n), np.float64)

    y, x = (at.astype(np.float64) for at in np.unravel_index(A.indices, dims)[-2:])
    y -= mean(y)[owner]
    x -= mean(x)[owner]
    syy, sxx, sxy = mean(y * y), mean(x * x), mean(x * y)
    middle, spread = 0.5 * (syy + sxx), np.hypot(0.5 * (syy - sxx), sxy)
    small = np.maximum(middle - spread, np.finfo(np.float32).eps)
    return np.where(total > 0, np.sqrt((middle + spread) / small), 1.0)
