"""Colours of components: by verdict, selection, figure or group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.io.movies import natural_key
from napari_cnmf.model.verdict_colors import VERDICT_COLORS, Verdict

if TYPE_CHECKING:
    from napari.utils.colormaps import CyclicLabelColormap

    from napari_cnmf.model.components import Components

_REJECTED_ALPHA = 0.5
"""Rejected components stay visible, behind what counts."""

SELECTION_COLORS = ("#bbff99", "#339999", "#0088ff", "#ee9911", "#aa8855")
"""Contour in the canvas and trace in the dock have the same one; the first is no verdict's."""


def selection_color(position: int) -> str:
    """Colour of the selection's ``position``-th component."""
    return SELECTION_COLORS[position % len(SELECTION_COLORS)]


def verdicts(components: Components) -> NDArray[np.str_]:
    """Verdict of the engine on each component, ``(n_components,)``."""
    if components.accepted is None:
        return np.full(components.n_components, Verdict.UNJUDGED.value)
    return np.where(components.accepted, Verdict.ACCEPTED.value, Verdict.REJECTED.value)


def verdict_rgba(states: NDArray[np.str_]) -> NDArray[np.float32]:
    """Colours ``(n_components, 4)`` of verdicts ``(n_components,)``."""
    rgba = np.zeros((len(states), 4), np.float32)
    for verdict, color in VERDICT_COLORS.items():
        rgba[states == verdict.value] = _rgba(color)
    rgba[states == Verdict.REJECTED.value, 3] = _REJECTED_ALPHA
    return rgba


def label_colormap(
    rgba: NDArray[np.float32], hidden: NDArray[np.bool_] | None = None
) -> CyclicLabelColormap:
    """Colormap of the Labels layer: label ``i + 1`` has row ``i`` of ``rgba``.

    Parameters
    ----------
    rgba
        ``(n_components, 4)``, 0 to 1.
    hidden
        ``(n_components,)``; those components become transparent.

    Notes
    -----
    Assign the whole colormap even when one label changes: 5 to 10 ms at 5,000 components, and
    napari does not repaint when ``colormap.colors`` alone is assigned.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    # One colour beside the background even for a result without components.
    colors = np.zeros((max(len(rgba), 1) + 1, 4), np.float32)
    colors[1 : len(rgba) + 1] = rgba
    if hidden is not None:
        colors[1 : len(rgba) + 1][hidden] = 0
    return CyclicLabelColormap(colors=colors, background_value=0, display_name="verdicts")


def _rgba(color: str) -> tuple[float, ...]:
    digits = color.removeprefix("#")
    return (*(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)), 1.0)


_UNKNOWN = (0.6, 0.6, 0.6, 0.5)
"""Of a component that has no such figure, or belongs to no group."""
GROUP_COLORS = (
    "#4e9cff",
    "#ff9f1c",
    "#3ddc84",
    "#ff5c8a",
    "#b388ff",
    "#f2e14c",
    "#2ed9d9",
    "#ff7847",
    "#9ccc3c",
    "#d98cff",
)
_PERCENTILES = (2.0, 98.0)


def figure_rgba(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Colours ``(n, 4)`` of figures ``(n,)``, dark to bright; few extremes do not decide them."""
    from napari.utils.colormaps import ensure_colormap

    values = np.asarray(values, float)
    rgba = np.tile(np.array(_UNKNOWN, np.float32), (len(values), 1))
    finite = np.isfinite(values)
    if finite.any():
        low, high = figure_range(values)
        share = np.clip((values[finite] - low) / (high - low), 0, 1)
        # The darkest fifth of the map cannot be told from the movie.
        rgba[finite] = ensure_colormap("plasma").map(0.2 + 0.8 * share)
    return rgba


def figure_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """Range of figures that the darkest and the brightest colour stand for; never equal."""
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, _PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def group_rgba(
    groups: Sequence[str], colors: Mapping[str, str] | None = None
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """Colours ``(n, 4)`` of named groups, and the colour of each name; no name is gray.

    Names without one of ``colors`` are told apart in the order of names and numbers; colours repeat
    after ten.
    """
    colors = colors or {}
    names = sorted({g for g in groups if g}, key=natural_key)
    legend = {
        name: colors.get(name, GROUP_COLORS[i % len(GROUP_COLORS)]) for i, name in enumerate(names)
    }
    of = {name: _rgba(color) for name, color in legend.items()}
    rgba = np.array([of.get(g, _UNKNOWN) for g in groups], np.float32).reshape(-1, 4)
    return rgba, legend
