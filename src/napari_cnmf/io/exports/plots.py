"""Pictures of all traces at once: a raster, and who is active with whom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import PathLike, new_file
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.figures import trace_correlation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUFFIXES = (".png", ".pdf", ".svg")
_DPI = 150
_NAMES = {
    "dff": "dF/F",
    "detrended": "detrended fluorescence (a.u.)",
    "spikes": "deconvolved activity (a.u.)",
    "denoised": "denoised fluorescence (a.u.)",
    "raw": "raw fluorescence (a.u.)",
}


def write_raster(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = False,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Draw dF/F (detrended for one-photon) and spikes of every component over time.

    Rows are ordered by id; the colour of dF/F ends at the 99th percentile of all values. Spikes
    are drawn where they exceed a tenth of the component's largest one, as events are counted.

    Raises
    ------
    ExportError
        The file cannot be written.
    """
    figure = raster_figure(select(source, include_rejected=include_rejected))
    return _save(figure, out)


def write_correlation(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = False,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Draw the correlation matrix of the denoised traces, similar components side by side.

    Raises
    ------
    ExportError
        The file cannot be written.

    See Also
    --------
    napari_cnmf.model.figures.trace_correlation : the numbers.
    """
    figure = correlation_figure(select(source, include_rejected=include_rejected))
    return _save(figure, out)


def raster_figure(chosen: Selected) -> Figure:
    """The raster as a matplotlib figure, which belongs to no window."""
    kind = "dff" if "dff" in chosen.traces else "detrended"
    figure = _new_figure((9.0, 6.0))
    above, below = figure.subplots(2, 1, sharex=True)
    traces = chosen.traces[kind]
    times = chosen.times_s
    end = chosen.components.n_frames if times is None else chosen.components.n_frames * _step(times)
    limit = float(np.nanpercentile(traces, 99)) if np.isfinite(traces).any() else 1.0
    shown = above.imshow(
        traces if traces.size else np.zeros((1, 1)),
        aspect="auto", interpolation="nearest", cmap="viridis", vmin=0, vmax=max(limit, 1e-9),
        extent=(0, max(end, 1e-9), max(chosen.n_components, 1) - 0.5, -0.5),
    )  # fmt: skip
    figure.colorbar(shown, ax=above, label=_NAMES[kind], pad=0.01)
    _draw_spikes(below, chosen, end)
    # as wide as the axes above, which share their room with the colours
    figure.colorbar(shown, ax=below, pad=0.01).ax.set_visible(False)
    for axes in (above, below):
        axes.set_ylabel("component")
        _label_rows(axes.yaxis, chosen.ids)
    below.set_xlabel("frame" if times is None else "time (s)")
    return figure


def correlation_figure(chosen: Selected) -> Figure:
    """The matrix as a matplotlib figure, which belongs to no window."""
    matrix = trace_correlation(chosen.components)
    order = _similar_together(matrix)
    figure = _new_figure((6.5, 5.5))
    axes = figure.subplots()
    picture = matrix[np.ix_(order, order)] if matrix.size else np.zeros((1, 1))
    shown = axes.imshow(picture, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    figure.colorbar(shown, ax=axes, label="correlation of denoised traces")
    for axis in (axes.xaxis, axes.yaxis):
        _label_rows(axis, chosen.ids[order])
    axes.set_xlabel("component")
    axes.set_ylabel("component")
    return figure


def _new_figure(size: tuple[float, float]) -> Figure:
    # Figure itself, not pyplot: nothing global, and it may be drawn in a thread.
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _save(figure: Figure, out: PathLike) -> Path:
    with new_file(out, _SUFFIXES) as beside:
        figure.savefig(beside, dpi=_DPI, format=Path(out).suffix.lower().lstrip("."))
    return Path(out)


def _step(times: NDArray[np.float64]) -> float:
    return float(times[1]) if times.size > 1 else 1.0


def _draw_spikes(axes: Any, chosen: Selected, end: float) -> None:
    spikes = chosen.traces.get("spikes")
    if spikes is None or not spikes.size:
        axes.text(0.5, 0.5, "no deconvolved activity", transform=axes.transAxes, ha="center")
        return
    rows, frames = np.nonzero(spikes > 0.1 * spikes.max(axis=1, keepdims=True))
    at = frames * (end / chosen.components.n_frames)
    axes.plot(at, rows, "|", color="black", markersize=max(1.0, min(6.0, 160 / len(spikes))))
    axes.set_ylim(len(spikes) - 0.5, -0.5)


def _label_rows(axis: Any, ids: NDArray[np.intp]) -> None:
    """Ids of some rows: as many as can be read."""
    every = max(1, len(ids) // 12)
    at = np.arange(0, len(ids), every)
    axis.set_ticks(at, [str(i) for i in ids[at]])


def _similar_together(matrix: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order of the leaves of average linkage on ``1 - correlation``."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    n = len(matrix)
    if n < 3:
        return np.arange(n)
    distance = 1 - np.nan_to_num(matrix)
    np.fill_diagonal(distance, 0)
    distance = np.clip((distance + distance.T) / 2, 0, 2)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=n < 500)
    return np.asarray(leaves_list(tree), np.intp)
