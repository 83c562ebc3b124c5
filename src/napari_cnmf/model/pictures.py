"""Pictures of a result for notebooks: matplotlib axes, and what a cell of a notebook shows."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import check_choice, check_kind
from napari_cnmf.errors import ParameterError
from napari_cnmf.model.contours import CONTOUR_LEVEL, contours
from napari_cnmf.model.dff import is_detrended_only
from napari_cnmf.model.ids import Ids
from napari_cnmf.model.verdict_colors import VERDICT_COLORS, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from napari_cnmf.model.components import Components
    from napari_cnmf.model.curation.result import CuratedResult

Trace = Literal["raw", "denoised", "dff", "spikes"]
_KINDS = ("raw", "denoised", "dff", "spikes")
_IMAGES = ("mean", "max", "correlation")
"""Summary images that contours are drawn on, the first that the result holds."""
_MOST_TRACES = 30
_MOST_CONTOURS_IN_HTML = 2000


def plot_contours(
    cur: CuratedResult, ids: Ids | None = None, *, ax: Axes | None = None, image: str | None = None
) -> Axes:
    """Draw contours on a summary image, accepted components blue and rejected ones orange.

    Parameters
    ----------
    cur
        The curation.
    ids
        Ids or a mask of the components to draw; all by default.
    ax
        Axes to draw into; a new figure by default.
    image
        Name of a summary image of the result (``mean``, ``max``, ``correlation``, ...).

    Returns
    -------
    matplotlib.axes.Axes
        In pixels of the field. A volume is shown from above: its brightest plane at each pixel.

    Raises
    ------
    ParameterError
        When the result has no image of that name.
    CurationError
        When something is no id.
    """
    components, rows = cur.components, cur.rows_of(ids)
    shown = _image_of(components, image)
    ax = _axes_or_new(ax)
    low, high = np.nanpercentile(shown, (1, 99.7)) if np.isfinite(shown).any() else (0, 1)
    ax.imshow(shown, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    draw_contours(ax, components, rows, cur.accepted)
    ax.set_xlabel("x (px)")
    ax.set_ylabel("y (px)")
    return ax


def plot_traces(
    cur: CuratedResult,
    ids: Ids | None = None,
    *,
    kind: Trace | str = "raw",
    ax: Axes | None = None,
) -> Axes:
    """Draw traces above each other, each scaled to its own range and labelled by its id.

    Parameters
    ----------
    cur
        The curation.
    ids
        Ids or a mask of the components to draw; the first 30 accepted ones by default.
    kind
        ``raw`` (``C + YrA``), ``denoised`` (``C``), ``dff`` (detrended alone for one-photon
        results), or ``spikes``.
    ax
        Axes to draw into; a new figure by default.

    Raises
    ------
    ParameterError
        When the result does not hold this kind of trace.
    CurationError
        When something is no id.
    """
    if ids is None:
        ids = cur.ids[cur.accepted][:_MOST_TRACES]
    rows = cur.rows_of(ids)
    traces = _traces_of(cur, rows, kind)
    ax = _axes_or_new(ax)
    times, label = _times_of(cur.components)
    for position, trace in enumerate(traces):
        known = trace[np.isfinite(trace)]
        low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
        ax.plot(times, position + 0.9 * (trace - low) / max(high - low, 1e-12), lw=0.8)
    ax.set_yticks(np.arange(rows.size) + 0.3, [str(i) for i in cur.ids[rows].tolist()])
    ax.set_ylabel("component")
    ax.set_xlabel(label)
    ax.set_title(_title_of(cur, kind))
    return ax


def plot_raster(
    cur: CuratedResult,
    ids: Ids | None = None,
    *,
    kind: Trace | str = "denoised",
    ax: Axes | None = None,
) -> Axes:
    """Draw traces as rows of an image, each scaled to its own largest value.

    Parameters
    ----------
    cur
        The curation.
    ids
        Ids or a mask of the components to draw, from top to bottom; all accepted by default.
    kind
        As in :func:`plot_traces`.
    ax
        Axes to draw into; a new figure by default.

    Raises
    ------
    ParameterError
        When the result does not hold this kind of trace.
    CurationError
        When something is no id.
    """
    rows = cur.rows_of(cur.ids[cur.accepted] if ids is None else ids)
    traces = np.asarray(_traces_of(cur, rows, kind), np.float32)
    ax = _axes_or_new(ax)
    highest = np.nan_to_num(np.abs(traces)).max(axis=1, initial=0)
    scaled = traces / np.maximum(highest, 1e-12)[:, np.newaxis]
    times, label = _times_of(cur.components)
    end = times[-1] if times.size else 1.0
    ax.imshow(
        scaled, aspect="auto", cmap="magma", vmin=0, vmax=1, interpolation="nearest",
        extent=(0, max(end, 1e-9), max(rows.size, 1) - 0.5, -0.5),
    )  # fmt: skip
    shown = np.unique(np.linspace(0, rows.size - 1, min(rows.size, 20)).astype(int))
    ax.set_yticks(shown, [str(i) for i in cur.ids[rows[shown]].tolist()])
    ax.set_ylabel("component")
    ax.set_xlabel(label)
    ax.set_title(_title_of(cur, kind))
    return ax


def curation_html(cur: CuratedResult, counts: dict[str, int]) -> str:
    """Counts and contours of a curation, as a notebook shows them."""
    head = "<b>Curation</b>" + (f" of {escape(cur.path.name)}" if cur.path is not None else "")
    problem = f"<p>{escape(cur.journal_problem)}</p>" if cur.journal_problem else ""
    return head + _table(counts) + problem + _contours_png(cur.components, cur.accepted)


def components_html(components: Components) -> str:
    """Sizes and contours of components, as a notebook shows them."""
    verdict = components.accepted
    rate = components.frame_rate_hz
    counts = {
        "components": components.n_components,
        "accepted": "not evaluated" if verdict is None else int(verdict.sum()),
        "frames": f"{components.n_frames}" + (f" at {rate:g} Hz" if rate else ""),
        "field": " x ".join(map(str, components.dims)) + " px",
        "background": "ring" if components.has_ring_background else "low rank"
        if components.b is not None and components.b.shape[1] else "none",
    }  # fmt: skip
    shown = verdict if verdict is not None else np.ones(components.n_components, dtype=bool)
    return "<b>Components</b>" + _table(counts) + _contours_png(components, shown)


def _table(values: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table>{rows}</table>"


def _contours_png(components: Components, accepted: NDArray[np.bool_]) -> str:
    """The contours on a summary image as an ``img`` tag."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), layout="tight")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    shown = _image_of(components, None)
    low, high = np.nanpercentile(shown, (1, 99.7)) if np.isfinite(shown).any() else (0, 1)
    ax.imshow(shown, cmap="gray", vmin=low, vmax=max(high, low + 1e-9))
    draw_contours(ax, components, np.arange(accepted.size)[:_MOST_CONTOURS_IN_HTML], accepted)
    ax.set_axis_off()
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    code = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="contours of the components" src="data:image/png;base64,{code}">'


def draw_contours(
    ax: Axes,
    components: Components,
    rows: NDArray[np.intp],
    accepted: NDArray[np.bool_],
    *,
    level: float = CONTOUR_LEVEL,
) -> None:
    """Draw contours in the colours of the verdicts, accepted components above rejected ones.

    Parameters
    ----------
    ax
        Axes in pixels of the field.
    components
        The components.
    rows
        Positions of those that are drawn.
    accepted
        ``(n_components,)``.
    level
        Share of a footprint's peak that its contour runs at.
    """
    from matplotlib.collections import LineCollection

    for is_accepted, verdict in ((False, Verdict.REJECTED), (True, Verdict.ACCEPTED)):
        lines = [
            line[:, [-1, -2]]
            for row in rows[accepted[rows] == is_accepted].tolist()
            for line in contours(components.A, row, components.dims, level=level)
        ]
        color = VERDICT_COLORS[verdict]
        ax.add_collection(LineCollection(lines, colors=color, linewidths=0.9))
    height, width = components.dims[-2:]
    ax.set_xlim(-0.5, width - 0.5)
    ax.set_ylim(height - 0.5, -0.5)


def _image_of(components: Components, name: str | None) -> NDArray[np.floating[Any]]:
    """A summary image in a plane; the sum of the footprints where the result holds none."""
    if name is not None:
        advice = "These are the summary images of this result."
        check_choice("image", name, components.images, ParameterError, advice=advice)
    names = [name] if name is not None else [n for n in _IMAGES if n in components.images]
    if names:
        image = np.asarray(components.images[names[0]])
    else:
        image = np.asarray(components.A.sum(axis=1), np.float64).reshape(components.dims)
    return image.max(axis=0) if image.ndim == 3 else image


def _traces_of(cur: CuratedResult, rows: NDArray[np.intp], kind: str) -> NDArray[Any]:
    check_choice("kind", kind, _KINDS, ParameterError)
    components = cur.components
    if kind == "denoised":
        return components.C[rows]
    if kind == "raw":
        C = components.C[rows]
        return C if components.YrA is None else C + components.YrA[rows]
    if kind == "dff":
        return cur.dff(cur.ids[rows])
    if components.S is None:
        raise ParameterError("This result holds no spikes. Draw kind='denoised' instead.")
    return components.S[rows]


def _title_of(cur: CuratedResult, kind: str) -> str:
    if kind != "dff":
        return f"{kind} fluorescence" if kind != "spikes" else "deconvolved activity"
    return "detrended fluorescence" if is_detrended_only(cur.components) else "dF/F"


def _times_of(components: Components) -> tuple[NDArray[np.float64], str]:
    frames = np.arange(components.n_frames, dtype=float)
    rate = components.frame_rate_hz
    return (frames / rate, "time (s)") if rate else (frames, "frame")


def _axes_or_new(given: Axes | None) -> Axes:
    from matplotlib import pyplot
    from matplotlib.axes import Axes

    if given is None:
        new: Axes = pyplot.subplots(layout="constrained")[1]
        return new
    advice = "Leave it out for a new figure, or take it from plt.subplots()."
    check_kind("ax", given, Axes, ParameterError, needed="matplotlib axes", advice=advice)
    return given
