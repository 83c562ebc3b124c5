"""Colours of components by a figure, a group or tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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

    Names without one of ``colors`` are told apart in alphabetical order; colours repeat after ten.
    """
    colors = colors or {}
    names = sorted({g for g in groups if g}, key=_natural)
    legend = {
        name: colors.get(name, GROUP_COLORS[i % len(GROUP_COLORS)]) for i, name in enumerate(names)
    }
    of = {name: (*_rgb(color), 1.0) for name, color in legend.items()}
    rgba = np.array([of.get(g, _UNKNOWN) for g in groups], np.float32).reshape(-1, 4)
    return rgba, legend


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdigit() else (10**9, name)


def _rgb(color: str) -> tuple[float, float, float]:
    r, g, b = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return r, g, b
