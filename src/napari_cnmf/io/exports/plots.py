"""Draws pictures of all traces at once: a raster, and who is active with whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._overwriting import mark_of
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    new_export,
)
from napari_cnmf.model.curation import Curatable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")
_DPI = 150
_MOST_COLUMNS = 4096
"""More frames than that are drawn several a column; a picture has a third of them in pixels."""
_MOST_TICKS = 200_000
_LARGEST_PICTURE = 1000
"""Side of the drawn matrix, which is about that many pixels wide."""
_MOST_LEAVES = 1500
_BLOCK = 256
_NAMES = {
    "dff": "dF/F",
    "detrended": "detrended fluorescence (a.u.)",
    "spikes": "deconvolved activity (a.u.)",
    "denoised": "denoised fluorescence (a.u.)",
    "raw": "raw fluorescence (a.u.)",
}


@checked_writer
def write_raster(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Draw dF/F (detrended for one-photon) and spikes of every component over time.

    Rows are ordered by id; the colour of dF/F ends at the 99th percentile of all values. Spikes
    are drawn where they exceed a tenth of the component's largest one, as events are counted.
    Where there are more frames than a picture has columns, a column shows the mean of some, and
    where there are more events than can be told apart, how many of them a pixel has.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.png``, ``.pdf`` or ``.svg``.
    include_rejected
        Draw rejected components too; their ids have an ``r`` behind them.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected, context=context)
    return _save(lambda: raster_figure(chosen, on_progress), out, "raster", chosen, overwrite)


@checked_writer
def write_correlation(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Draw the correlation matrix of the denoised traces, similar components side by side.

    With more than a thousand components a pixel shows the mean over all pairs of two small groups
    of similar ones; the matrix itself, which grows with their square, is never made.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.png``, ``.pdf`` or ``.svg``.
    include_rejected
        Draw rejected components too; their ids have an ``r`` behind them.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        The file cannot be written.

    See Also
    --------
    napari_cnmf.model.figures.trace_correlation : the numbers.
    """
    chosen = select(source, include_rejected=include_rejected, context=context)
    return _save(
        lambda: correlation_figure(chosen, on_progress), out, "correlation", chosen, overwrite
    )


def raster_figure(chosen: Selected, on_progress: OnProgress = ignore_progress) -> Figure:
    """Draw the raster as a matplotlib figure, which belongs to no window."""
    kind = "dff" if "dff" in chosen.trace_kinds else "detrended"
    figure = _new_figure((9.0, 6.0))
    above, below = figure.subplots(2, 1, sharex=True)
    traces, events = _raster_pictures(chosen, kind, on_progress)
    times = chosen.times_s
    end = chosen.n_frames if times is None else chosen.n_frames * _step(times)
    extent = (0, max(end, 1e-9), max(chosen.n_components, 1) - 0.5, -0.5)
    finite = traces[np.isfinite(traces)]
    limit = float(np.percentile(finite, 99)) if finite.size else 1.0
    shown = above.imshow(
        traces if traces.size else np.zeros((1, 1)),
        aspect="auto", interpolation="nearest", cmap="viridis", vmin=0, vmax=max(limit, 1e-9),
        extent=extent,
    )  # fmt: skip
    figure.colorbar(shown, ax=above, label=_NAMES[kind], pad=0.01)
    if events is None or not events.size:
        below.text(0.5, 0.5, "no deconvolved activity", transform=below.transAxes, ha="center")
    elif np.count_nonzero(events) <= _MOST_TICKS:
        rows, columns = np.nonzero(events)
        size = max(1.0, min(6.0, 160 / len(events)))
        at = columns * (end / events.shape[1])
        below.plot(at, rows, "|", color="black", markersize=size)
        below.set_ylim(len(events) - 0.5, -0.5)
    else:
        most = max(float(np.percentile(events, 99)), 1e-9)
        below.imshow(
            events, aspect="auto", cmap="Greys", vmin=0, vmax=most, extent=extent
        )  # fmt: skip
    # as wide as the axes above, which share their room with the colours
    figure.colorbar(shown, ax=below, pad=0.01).ax.set_visible(False)
    for axes in (above, below):
        axes.set_ylabel(_rows_label(chosen))
        _label_rows(axes.yaxis, _row_names(chosen))
        if times is not None:
            for frame in chosen.timeline.first_frames[1:]:
                axes.axvline(times[frame], color="tab:red", linewidth=0.6)
    below.set_xlabel("frame" if times is None else "time (s)")
    return figure


def _raster_pictures(
    chosen: Selected, kind: str, on_progress: OnProgress
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Images of traces and events, a row a component; columns join frames of long ones."""
    bins = np.linspace(0, chosen.n_frames, min(chosen.n_frames, _MOST_COLUMNS) + 1).astype(int)
    shape = (chosen.n_components, len(bins) - 1)
    traces = np.zeros(shape, np.float32)
    has_spikes = "spikes" in chosen.trace_kinds
    events = np.zeros(shape, np.float32) if has_spikes else None
    for start, stop in chosen.blocks() if chosen.n_frames else ():
        block = chosen.trace_block(kind, start, stop)
        traces[start:stop] = np.add.reduceat(block, bins[:-1], axis=1) / np.diff(bins)
        if events is not None:
            spikes = chosen.trace_block("spikes", start, stop)
            active = spikes > 0.1 * spikes.max(axis=1, keepdims=True)
            events[start:stop] = np.add.reduceat(active, bins[:-1], axis=1, dtype=np.float32)
        on_progress(stop, chosen.n_components)
    return traces, events


def correlation_figure(chosen: Selected, on_progress: OnProgress = ignore_progress) -> Figure:
    """Draw the matrix as a matplotlib figure, which belongs to no window."""
    order = _similar_together(chosen, on_progress)
    groups = np.array_split(order, max(1, min(len(order), _LARGEST_PICTURE)))
    figure = _new_figure((6.5, 5.5))
    axes = figure.subplots()
    picture = _mean_correlation(chosen, groups) if len(order) else np.zeros((1, 1))
    shown = axes.imshow(picture, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    figure.colorbar(shown, ax=axes, label="correlation of denoised traces")
    names = _row_names(chosen)
    for axis in (axes.xaxis, axes.yaxis):
        _label_rows(axis, [names[int(group[0])] for group in groups if group.size])
    label = _rows_label(chosen)
    if len(groups) < len(order):
        label += f", mean of {len(order) / len(groups):.0f} a pixel"
    axes.set_xlabel(label)
    axes.set_ylabel(label)
    return figure


def _unit_traces(chosen: Selected, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Denoised traces of some selected components, centred and of length 1; NaN if constant."""
    C = np.asarray(chosen.whole.C[chosen.rows[rows]], np.float64)
    centred = C - C.mean(axis=1, keepdims=True) if C.shape[1] else C
    length = np.sqrt(np.einsum("ij,ij->i", centred, centred))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(centred / length[:, np.newaxis], np.float64)


def _mean_correlation(chosen: Selected, groups: Sequence[NDArray[np.intp]]) -> NDArray[np.float64]:
    """Mean correlation over all pairs of two groups, ``(n_groups, n_groups)``.

    The mean over pairs is the product of the groups' mean unit traces: no pair is computed alone.
    """
    means = np.empty((len(groups), chosen.n_frames))
    for number, group in enumerate(groups):
        # a constant trace has no correlation with any: its own row is empty
        unit = _unit_traces(chosen, group)
        means[number] = unit.mean(axis=0) if len(group) == 1 else np.nan_to_num(unit).mean(axis=0)
    return np.clip(means @ means.T, -1, 1)


def _new_figure(size: tuple[float, float]) -> Figure:
    # Figure itself, not pyplot: nothing global, and it may be drawn in a thread.
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _save(
    draw: Callable[[], Figure], out: PathLike, name: str, chosen: Selected, overwrite: bool
) -> Path:
    suffix = Path(out).suffix.lower().lstrip(".")
    # the names under which the formats keep what wrote them
    key = "Software" if suffix == "png" else "Creator"
    with new_export(out, _SUFFIXES, name, overwrite=overwrite, sources=chosen.sources) as beside:
        draw().savefig(beside, dpi=_DPI, format=suffix, metadata={key: mark_of(name)})
    return Path(out)


def _step(times: NDArray[np.float64]) -> float:
    return float(times[-1] - times[0]) / (times.size - 1) if times.size > 1 else 1.0


def _rows_label(chosen: Selected) -> str:
    return "component" if chosen.accepted.all() else "component (r: rejected)"


def _row_names(chosen: Selected) -> list[str]:
    pairs = zip(chosen.ids.tolist(), chosen.accepted.tolist(), strict=True)
    return [str(id_) if good else f"{id_} r" for id_, good in pairs]


def _label_rows(axis: Any, names: Sequence[str]) -> None:
    """Ids of some rows: as many as can be read."""
    every = max(1, len(names) // 12)
    axis.set_ticks(np.arange(0, len(names), every), names[::every])


def _similar_together(chosen: Selected, on_progress: OnProgress) -> NDArray[np.intp]:
    """Order of the leaves of average linkage on ``1 - correlation``.

    Of very many components some are ordered so, and each of the others follows the one of them
    that it resembles most.
    """
    n = chosen.n_components
    leaders = np.unique(np.linspace(0, max(n - 1, 0), min(n, _MOST_LEAVES)).astype(np.intp))
    if n < 3:
        return leaders
    unit = np.empty((len(leaders), chosen.n_frames), np.float32)
    for start in range(0, len(leaders), _BLOCK):
        part = leaders[start : start + _BLOCK]
        unit[start : start + _BLOCK] = np.nan_to_num(_unit_traces(chosen, part))
    order = _leaves(unit @ unit.T)
    if len(leaders) == n:
        on_progress(n, n)
        return order
    position = np.empty(n)
    rank = np.argsort(order)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        likeness = np.nan_to_num(_unit_traces(chosen, rows)).astype(np.float32) @ unit.T
        position[rows] = rank[likeness.argmax(axis=1)]
        on_progress(rows[-1] + 1, n)
    return np.argsort(position, kind="stable")


def _leaves(matrix: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - matrix.astype(np.float64)
    np.fill_diagonal(distance, 0)
    distance = np.clip((distance + distance.T) / 2, 0, 2)
    tree = linkage(
        squareform(distance, checks=False), "average", optimal_ordering=len(matrix) < 500
    )
    return np.asarray(leaves_list(tree), np.intp)
