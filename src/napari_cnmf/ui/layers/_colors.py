"""Meaning of the colours: verdicts on components, and the selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
