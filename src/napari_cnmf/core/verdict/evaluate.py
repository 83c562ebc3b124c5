"""Scores, probabilities and the verdict, also of a result that exists already."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.budget import check_budget
from napari_cnmf.core.base.parts import PartRunner, RunHere
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
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.core.plan.plan import Plan
from napari_cnmf.core.verdict.cell_model import CellModel, shipped_model, wanted_probability
from napari_cnmf.core.verdict.events import EventImages, Windows, window_width
from napari_cnmf.core.verdict.evidence import (
    FIGURES,
    GROUPS,
    measure_evidence,
    stored_figures,
)
from napari_cnmf.core.verdict.rvalues import spatial_correlation
from napari_cnmf.core.verdict.snr import trace_snr
from napari_cnmf.errors import ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.evaluation import HELD_BACK, passes_thresholds
from napari_cnmf.params import CNMFParams

_STAGE = "scoring"
_AT_ONCE = 96
"""Components that a thread measures together: with fewer, threads wait for the interpreter."""
_BASE_GB = 0.25
"""Interpreter, libraries and kernels."""
_IMAGES, _WINDOWS, _FOOTPRINTS = 40, 60, 80
"""Bytes for each pixel of the field, of the squares around the components, and of footprints."""
_TRACES, _PER_FRAME = 100e6, 4000
"""Bytes of traces that are looked at together, and of those that tell a common course, a frame."""
_BLOCKS_OF_FRAMES = 64e6
"""Blocks of the movie: one that is read, one that is worked on, as they are and for the kernels."""


def score_components(
    source: FrameSource,
    components: Components,
    params: CNMFParams,
    plan: Plan,
    runner: PartRunner,
    workers: Workers,
    report: Report,
) -> tuple[Components, float]:
    """CaImAn's scores, the probability of a cell, kinds; and the cells' size in gSig.

    See Also
    --------
    evaluate_result : the scores of a result that another run or engine made.
    """
    quality = params.quality.for_scores(are_probabilities=True)
    scored = _with_scores(source, components, params, plan.frame_rate_hz, runner, workers, report)
    # A result holds what made it, also what was left to the engine.
    thresholds = {"quality": quality.model_dump(mode="json")}
    scored = scored.replace(params=components.params | thresholds)
    return scored.replace(accepted=passes_thresholds(scored, quality)), float(
        scored.attributes["typical_width"]
    )


def hold_verdict_back(components: Components, moving: str, report: Report) -> Components:
    """Components of which none is accepted unasked, as their movie still moves.

    Parameters
    ----------
    moving
        How far, in a sentence.
    """
    report.warn(f"{moving} The verdict is held back: no component is accepted unasked.")
    reason = "the verdict is held back, as the movie still moves: correct motion, then run again"
    return components.replace(attributes=components.attributes | {HELD_BACK: reason})


def evaluate_result(
    source: FrameSource | None,
    components: Components,
    params: CNMFParams,
    *,
    frame_rate_hz: float,
    memory_gb: float | None = None,
    n_threads: int | None = None,
    runner: PartRunner | None = None,
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
        Of any engine. Traces that lie in their file are read from it, some rows at a time.
    memory_gb
        Budget, if there is one; too small a one is refused, and none changes the scores.
    n_threads
        By default one per core.
    runner
        Who reads the parts of the movie; by default this process.

    Returns
    -------
    Components
        With new ``snr``, ``r_values``, ``ecc``, ``cnn_preds``, ``classes`` and ``accepted``, and
        the thresholds in its ``params``.

    Raises
    ------
    ResultError
        If movie and result have different shapes.
    ParameterError
        If the budget does not hold what is needed.
    """
    if source is not None:
        expected = (components.n_frames, *components.dims)
        if tuple(source.shape) != expected:
            raise ResultError(
                f"The movie must have the result's shape {expected}, got {tuple(source.shape)}. "
                "Choose the movie that the result was made from."
            )
        check_budget(needed_gb(components, params), memory_gb)
    report = Report(on_progress, on_warning, on_log, should_stop)
    runner = runner or RunHere(n_threads)
    with Workers(n_threads, report.check) as workers:
        scored = _with_scores(source, components, params, frame_rate_hz, runner, workers, report)
    # Whoever moves a threshold later starts from those that made this verdict.
    quality = params.quality.for_scores(are_probabilities=True)
    thresholds = {"quality": quality.model_dump(mode="json")}
    scored = scored.replace(params=components.params | thresholds)
    return scored.replace(accepted=passes_thresholds(scored, quality))


def needed_gb(components: Components, params: CNMFParams) -> float:
    """Most memory that scoring a result with its movie holds at once, in decimal GB."""
    # Pixels of the squares around all components that are looked at, and of their footprints.
    in_windows = components.n_components * window_width(params.init.gSig) ** 2
    in_memory = (components.C, components.S, components.YrA, components.F_dff)
    traces = sum(rows.nbytes for rows in in_memory if isinstance(rows, np.ndarray))
    at_once = max(_TRACES, _PER_FRAME * components.n_frames)
    frames = max(_BLOCKS_OF_FRAMES, 16 * components.n_pixels)
    held = _IMAGES * components.n_pixels + _WINDOWS * in_windows + _FOOTPRINTS * components.A.nnz
    return _BASE_GB + 1e-9 * (held + traces + at_once + frames)


def _with_scores(
    source: FrameSource | None,
    components: Components,
    params: CNMFParams,
    frame_rate_hz: float,
    runner: PartRunner,
    workers: Workers,
    report: Report,
) -> Components:
    """The components with SNR, r, eccentricity, probability of a cell, kinds and evidence."""
    A = components.A.tocsc().sorted_indices()
    decay_time = params.data.decay_time
    snr = trace_snr(components.C, frame_rate_hz, decay_time, workers, rest=components.YrA)
    r, images, error = components.r_values, None, None
    g_sig = tuple(float(g) for g in params.init.gSig)
    windows = Windows.around(A, components.dims, g_sig)
    if source is not None:
        n_frames, decay_frames = source.shape[0], decay_time * frame_rate_hz
        events = EventImages(A, components.C, windows, frame_rate_hz, decay_frames, workers)
        r = spatial_correlation(
            source, A, components.C, frame_rate_hz, workers,
            peaks=events.peaks,
            also=events.wanted,
            runner=runner,
            check=report.check,
            on_share=lambda share: report.progress(_STAGE, share * n_frames, n_frames),
        )  # fmt: skip
        images, error = events.images(_noise_of_pixels(components))
    scored = components.replace(
        A=A,
        snr=snr,
        r_values=r,
        ecc=_measure_columns(A, lambda A: elongation(A, components.dims), workers),
    )
    figures, width = measure_evidence(
        scored, windows, images, error, g_sig, decay_time * frame_rate_hz
    )
    if images is None:
        figures = _with_stored(figures, components)
    return with_verdict(scored, figures, params, width)


def _noise_of_pixels(components: Components) -> NDArray[np.floating]:
    return np.ones(components.A.shape[0]) if components.sn is None else components.sn


def _with_stored(figures: NDArray[np.float32], components: Components) -> NDArray[np.float32]:
    """Use the figures that only the movie tells as the result keeps them, where it does."""
    stored = stored_figures(components.attributes)
    if stored is None or stored.shape != figures.shape:
        return figures
    return np.where(np.isnan(figures), stored, figures)


def with_verdict(
    components: Components,
    figures: NDArray[np.float32],
    params: CNMFParams,
    width: float | None = None,
) -> Components:
    """Probabilities and kinds from the figures, with the verdict and what spoke for it.

    Parameters
    ----------
    figures
        ``(n, len(FIGURES))``, see :func:`napari_cnmf.core.verdict.evidence.measure_evidence`.
    width
        The movie's own cell size in gSig.

    Returns
    -------
    Components
        With ``cnn_preds`` (of length 0 where ``use_cnn`` is off), ``classes``, and the evidence in
        its attributes.
    """
    model = shipped_model()
    of_kind = model.probabilities(figures)
    p = wanted_probability(of_kind, params.init.method_init)
    kinds = np.array(model.kinds, dtype=np.str_)[of_kind.argmax(1)]
    evidence = {
        "figures": list(FIGURES),
        "values": _rows_rounded(figures),
        "spoke": what_spoke(model, figures),
    }
    attributes = {k: v for k, v in components.attributes.items() if k != "reasons"}
    attributes |= {"evidence": evidence, "typical_width": 1.0 if width is None else width}
    attributes.pop("learned", None)
    if params.quality.learned:
        # Here, because who corrects nothing needs nothing of it.
        from napari_cnmf.core.verdict.learning import read_learned

        learned = read_learned(params.quality.learned)
        p = learned.probability(p, figures)
        attributes["learned"] = asdict(learned)
    off = params.quality.use_cnn is False
    return components.replace(
        cnn_preds=np.zeros(0) if off else p, classes=kinds, attributes=attributes
    )


def _rows_rounded(figures: NDArray[np.float32]) -> list[list[float | None]]:
    """Rows of values to four digits, enough to judge by; ``None`` for NaN, which JSON lacks."""
    values = figures.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(np.abs(values))) - 3)
        rounded = np.where(values == 0, 0, np.round(values / unit) * unit)
    # the factor leaves digits of its own behind
    rows: list[list[float]] = np.round(rounded, 9).tolist()
    return [[None if math.isnan(v) else v for v in row] for row in rows]


def what_spoke(model: CellModel, figures: NDArray[np.float32]) -> list[dict[str, float]]:
    """Change of each component's logit of being a soma by each group of figures.

    Beside a component with the same figures but that group's, which are those of a typical soma.
    """
    model = model.only(model.kind == 0)
    names = [name for name in GROUPS if name != "recording"]
    change = np.empty((len(figures), len(names)))
    for i, name in enumerate(names):
        columns = [FIGURES.index(member) for member in GROUPS[name]]
        without = figures.copy()
        without[:, columns] = model.typical[columns]
        # what other trees say stays
        asking = model.only(np.asarray(np.isin(model.figure, columns).any(1)))
        change[:, i] = asking.logits(figures)[:, 0] - asking.logits(without)[:, 0]
    told = np.round(model.sharpness * change, 2).tolist()
    return [dict(zip(names, row, strict=True)) for row in told]


def _measure_columns(
    A: sp.csc_matrix,
    measure: Callable[[sp.csc_matrix], NDArray[np.float64]],
    workers: Workers,
) -> NDArray[np.float64]:
    """Measure a figure of each footprint ``(n,)``, some at a time on all threads."""
    A = A.tocsc()
    starts = range(0, max(1, A.shape[1]), _AT_ONCE)
    return np.concatenate(workers.map(lambda i: measure(A[:, i : i + _AT_ONCE]), starts))


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
