"""How the movie bears a component out: regression maps of its active bins.

The map of a trace, ``m_p = <R_p + a_p c, h> / <c, h>`` with h the thresholded trace, shows
everything that is active with it. A cell's map ends where its footprint ends and is the same
for any half of its events; a piece of a process goes on outside, noise repeats nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.footprints import SUPPORT, dilate
from napari_cnmf.core.geometry import Field
from napari_cnmf.core.rank_one import Place, soft_threshold
from napari_cnmf.core.rows import dot_rows, flat_rows

_AWAY_PX = 2
"""Pixels between a footprint and what counts as away from it: blur and motion fill them."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Measures of each component, arrays ``(n,)`` float64.

    Attributes
    ----------
    peak_snr
        Mean of the three highest bins over the noise that whitened pixels leave.
    coactivity
        Root mean square of the map around the footprint over that inside, noise taken off.
    split_half
        Correlation of the maps of two halves of the events, over footprint and margin.
    energy
        Of the footprint times that of the active trace.
    """

    peak_snr: NDArray[np.float64]
    coactivity: NDArray[np.float64]
    split_half: NDArray[np.float64]
    energy: NDArray[np.float64]

    @classmethod
    def concatenate(cls, parts: list[Activity]) -> Activity:
        """Those of several tiles."""
        names = ("peak_snr", "coactivity", "split_half", "energy")
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def _halves(h: NDArray[np.float32]) -> NDArray[np.float32]:
    """The even and the odd events of a thresholded trace, ``(2, n_bins)``."""
    active = h > 0
    ends = np.zeros(len(h), np.int64)
    ends[1:] = active[:-1] & ~active[1:]
    odd = np.cumsum(ends) % 2
    return np.asarray(np.stack([h * (odd == 0), h * (odd == 1)]), np.float32)


def _map_halves(
    R: NDArray[np.float32],
    factors: Factors,
    k: int,
    maps: NDArray[np.float32],
    figures: NDArray[np.float32],
) -> None:
    """Fill the maps of the even and odd events of component ``k``, NaN outside the field.

    ``maps (n, 2, bz, by, bx)``; ``figures (n, 4)``: <c, h> of each half, then |h|^2 of each.
    """
    c, foot = factors.C[k], factors.foot[k]
    place = Place.of(factors.corner[k], foot.shape, R.shape[:3])
    h = np.empty_like(c)
    soft_threshold(c, h)
    maps[k] = np.nan
    for side, half in enumerate(_halves(h)):
        scale = float(half @ c)
        figures[k, side], figures[k, 2 + side] = scale, half @ half
        if scale > 0:
            dot = dot_rows(flat_rows(R), place.pixels.ravel(), half).reshape(place.pixels.shape)
            maps[(k, side, *place.local)] = foot[place.local] + dot / np.float32(scale)


def measure_activity(
    R: NDArray[np.float32], factors: Factors, field: Field, workers: Workers
) -> Activity:
    """Measures of all components on what is left of the whitened bins ``R (Z, Y, X, n_bins)``."""
    n = len(factors)
    maps = np.empty((n, 2, *factors.foot.shape[1:]), np.float32)
    figures = np.zeros((n, 4), np.float32)
    workers.map(lambda k: _map_halves(R, factors, k, maps, figures), range(n))
    norm = np.sqrt((factors.foot**2).sum((1, 2, 3), dtype=np.float64))
    top = np.sort(factors.C, axis=1)[:, -3:].mean(1) if n else np.zeros(0)
    level = np.median(factors.C, axis=1) if n else np.zeros(0)
    scale = figures[:, :2].astype(np.float64)
    return Activity(
        peak_snr=(top - level) * norm,
        coactivity=_coactivity(maps, factors, scale, figures[:, 2:].astype(np.float64), field),
        split_half=_split_half(maps, factors),
        energy=norm**2 * scale.sum(1),
    )


def _coactivity(
    maps: NDArray[np.float32],
    factors: Factors,
    scale: NDArray[np.float64],
    square: NDArray[np.float64],
    field: Field,
) -> NDArray[np.float64]:
    n = len(factors)
    total = scale.sum(1)
    weight = np.where(total[:, None] > 0, scale / np.maximum(total[:, None], 1e-30), 0)
    both = (np.nan_to_num(maps) * weight[:, :, None, None, None]).sum(1)
    near = factors.foot > 0
    for _ in range(_AWAY_PX):
        near = dilate(near)
    reach = np.array(factors.reach)
    limit = np.maximum(np.array(field.reach(2.0)), 1) + _AWAY_PX
    offsets = [np.abs(np.arange(-r, r + 1)) <= m for r, m in zip(reach, limit, strict=True)]
    window = offsets[0][:, None, None] & offsets[1][:, None] & offsets[2]
    away = ~near & window & np.isfinite(maps).any(1)
    count = np.maximum(away.sum((1, 2, 3)), 1)
    outside = (both**2 * away).sum((1, 2, 3)) / count
    noise = square.sum(1) / np.maximum(total, 1e-30) ** 2
    core = factors.foot > SUPPORT * factors.foot.max((1, 2, 3), initial=0)[:, None, None, None]
    inside = (factors.foot**2 * core).sum((1, 2, 3)) / np.maximum(core.sum((1, 2, 3)), 1)
    ratio = np.sqrt(np.maximum(outside - noise, 0) / np.maximum(inside, 1e-30))
    return np.where(total > 0, ratio, 0).reshape(n)


def _split_half(maps: NDArray[np.float32], factors: Factors) -> NDArray[np.float64]:
    """1 where one half has no event: nothing speaks against it."""
    out = np.ones(len(factors))
    region = dilate(factors.foot > 0)
    for k in range(len(factors)):
        first, second = maps[k, 0][region[k]], maps[k, 1][region[k]]
        both = np.isfinite(first) & np.isfinite(second)
        if both.sum() > 3:
            x, y = first[both] - first[both].mean(), second[both] - second[both].mean()
            norm = float(np.sqrt((x @ x) * (y @ y)))
            out[k] = float(x @ y) / norm if norm > 0 else 0.0
    return out
