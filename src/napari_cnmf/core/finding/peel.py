"""Greedy peeling: the strongest sites of the energy map become components, one after another.

In a box around a site, rank-1 non-negative least squares alternates between the
footprint and the trace (Pnevmatikakis et al. 2016, "greedy initialisation"), with the
soft-thresholded trace as instrument: noise in the trace does not bias the footprint.
What is found is taken out of the residual and, since the filter is linear, out of the
map; nothing is filtered twice. Sites far enough apart are worked on at the same time.
"""

# ruff: noqa: PLR0917 (steps take their inputs by position)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.factors import BOX, GROWTH, Factors
from napari_cnmf.core.base.footprints import SUPPORT, keep_connected, smooth_planes
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.rows import flat_rows, take_columns
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.energy import EnergyMap, both_ways, energy_threshold, trace_energies
from napari_cnmf.core.finding.rank_one import alternate_boxes

MIN_AREA = 0.5
"""Smallest footprint in units of the cell area gSig^2."""

VERDICTS = ("component", "no activity", "too small", "too little energy of its own")
"""What became of a candidate, by the code in ``Candidates.verdict``."""

START = 1.2
"""Half-width of the box of the first alternations, in gSig."""
_ATTEMPTS = 3
_SITES = 16
"""That a thread peels together, by itself; those of the last rounds are shared out step by step."""
_BOXES = 2
"""Sites that a thread fits together."""
_SMOOTHED = 16
"""Footprints that it smooths together."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Every site that was tried, for the question why there is no cell at a place.

    Attributes
    ----------
    at
        Pixel of the site ``(n, 3)`` int64.
    score, energy, area
        Of the map at the site; of the candidate's own trace; of its footprint in pixels.
    verdict
        Index into ``VERDICTS`` ``(n,)`` int8.
    """

    at: NDArray[np.int64]
    score: NDArray[np.float32]
    energy: NDArray[np.float32]
    area: NDArray[np.int64]
    verdict: NDArray[np.int8]

    @classmethod
    def concatenate(cls, parts: list[Candidates]) -> Candidates:
        """Join the candidates of several tiles or rounds in one table."""
        if not parts:
            zero = np.zeros(0, np.float32)
            return cls(
                np.zeros((0, 3), np.int64), zero, zero, np.zeros(0, np.int64), np.zeros(0, np.int8)
            )
        names = ("at", "score", "energy", "area", "verdict")
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def pick_apart(
    score: NDArray[np.float32], at: NDArray[np.int64], distance: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Choose the best sites, none within ``distance`` (along every axis) of one already picked.

    Parameters
    ----------
    score
        ``(n,)``; ties go to the first.
    at
        Pixels ``(n, 3)``.
    distance
        At least 1 along one of the axes.

    Returns
    -------
    picked
        Indices into ``score``, best first.
    """
    left = np.argsort(-score, kind="stable")
    picked: list[int] = []
    while len(left):
        best = left[0]
        picked.append(int(best))
        left = left[(np.abs(at[left] - at[best]) >= distance).any(1)]
    return np.array(picked, dtype=np.int64)


def _local_maxima(score: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Find the sites whose score is not below any of their neighbours'."""
    s = score.reshape(shape)
    top = s
    for axis in range(3):
        n = shape[axis]
        if n > 1:
            before = np.take(top, [0, *range(n - 1)], axis)
            after = np.take(top, [*range(1, n), n - 1], axis)
            top = np.maximum(top, np.maximum(before, after))
    return np.asarray((s >= top).ravel())


@dataclass(eq=False)
class _Round:
    """Components found in one round, and what became of each site that was tried."""

    found: Factors
    energy: NDArray[np.float32]
    area: NDArray[np.int64]
    verdict: NDArray[np.int8]

    @classmethod
    def concatenate(cls, parts: list[_Round]) -> _Round:
        """Join several rounds to one."""
        found = Factors.concatenate([part.found for part in parts])
        names = ("energy", "area", "verdict")
        return cls(found, *(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def peel(
    R: NDArray[np.float32],
    energy: EnergyMap,
    field: Field,
    workers: Workers,
    *,
    may_start: NDArray[np.bool_] | None = None,
    check: Callable[[], None] = lambda: None,
) -> tuple[Factors, Candidates]:
    """Take components out of the whitened residual until the map holds none.

    Parameters
    ----------
    R
        ``(Z, Y, X, n_bins)``, changed in place.
    energy
        Map of R, changed in place.
    may_start
        Pixels at which a component may start ``(Z, Y, X)``; ``None``: anywhere.
    check
        Called between rounds; may raise to stop.

    Returns
    -------
    factors, candidates
    """
    lattice = energy.lattice
    reach = field.reach(BOX)
    index = np.stack(np.unravel_index(np.arange(len(energy.F)), lattice.shape), axis=1)
    pixel = index * np.array(lattice.step)
    apart = 2 * (np.array(reach) + np.array(lattice.half)) + np.array(lattice.step) + 1
    limit = energy_threshold(energy.n_bins)
    near = np.array(field.reach(0.5, at_least=1)) // np.array(lattice.step)
    tries = np.zeros(len(pixel), np.int64)
    if may_start is not None:
        tries[~may_start[tuple(pixel.T)]] = _ATTEMPTS
    found = [_empty_boxes(field, energy.n_bins)]
    tried: list[Candidates] = []
    while True:
        check()
        score = energy.score()
        score[tries >= _ATTEMPTS] = 0
        open_sites = np.flatnonzero((score > limit) & _local_maxima(score, lattice.shape))
        if len(open_sites) == 0:
            break
        sites = open_sites[pick_apart(score[open_sites], pixel[open_sites], apart)]
        # They are so far apart that none sees what is taken out for another.
        result = _Round.concatenate(
            workers.map(
                lambda some: _peel_sites(R, energy, some, pixel[some], field, workers),
                [sites[i : i + _SITES] for i in range(0, len(sites), _SITES)],
            )
        )
        good = result.verdict == 0
        found.append(result.found)
        tried.append(
            Candidates(pixel[sites], score[sites], result.energy, result.area, result.verdict)
        )
        tries[sites[good]] += 1
        for failed in index[sites[~good]]:
            around = (slice(max(0, i - n), i + n + 1) for i, n in zip(failed, near, strict=True))
            tries.reshape(lattice.shape)[tuple(around)] = _ATTEMPTS
    return Factors.concatenate(found), Candidates.concatenate(tried)


def least_area(field: Field) -> int:
    """Pixels of the smallest footprint."""
    return max(3, round(MIN_AREA * field.cell_area))


def box_reach(field: Field) -> tuple[int, int, int]:
    """Half-width of the boxes that hold footprints: search box and room to grow."""
    r = field.reach(BOX)
    return (r[0] + GROWTH if r[0] else 0, r[1] + GROWTH, r[2] + GROWTH)


def _empty_boxes(field: Field, n_bins: int) -> Factors:
    return Factors.empty(box_reach(field), n_bins)


def _peel_sites(
    R: NDArray[np.float32],
    energy: EnergyMap,
    sites: NDArray[np.int64],
    at: NDArray[np.int64],
    field: Field,
    workers: Workers,
) -> _Round:
    """Fit a component at each site, and take those that are worth it out of R and the map."""
    n, n_bins = len(sites), energy.n_bins
    reach = box_reach(field)
    factors = Factors(
        at - np.array(reach),
        np.zeros((n, *(2 * r + 1 for r in reach)), np.float32),
        energy.F[sites],
    )
    margins = np.array([reach] * 4)
    margins[:2] -= np.array(field.reach(START))  # a neighbour at the edge of the box must not win
    margins[2:] -= np.array(field.reach(BOX))
    lit = fill_boxes(R, factors, margins, workers)
    area = keep_strongest_part(factors, R.shape[:3], workers)
    verdict = np.select([~lit, area < least_area(field)], [1, 2], 0).astype(np.int8)
    worth = np.flatnonzero(verdict == 0)
    some = factors.take(worth)
    columns = some.columns(field.shape)
    squared = np.maximum((some.flat**2).sum(1), np.float32(1e-30))
    # c = a'R / a'a of each alone.
    some.C[:] = columns.onto(flat_rows(R), workers) / squared[:, None]
    white = 1 / np.sqrt(squared)
    up, down = trace_energies(some.C, 0.8 * white, energy.noise_ratio(sites[worth]) * white)
    own = np.zeros(n, np.float32)
    own[worth] = up - both_ways(down, n_bins)
    weak = ~(own[worth] >= energy_threshold(n_bins))
    verdict[worth[weak]] = 3
    good = some.take(~weak)
    take_columns(flat_rows(R), columns, good.C, workers, np.flatnonzero(~weak))
    energy.take_out(good, workers)
    return _Round(good, own, np.where(lit, area, 0), verdict)


def fill_boxes(
    R: NDArray[np.float32], factors: Factors, margins: NDArray[np.int64], workers: Workers
) -> NDArray[np.bool_]:
    """Fill footprints and traces; whether anything lights up with each trace ``(n,)``."""
    n = len(factors)
    rows, feet, lit = flat_rows(R), factors.flat, np.ones(n, np.bool_)
    shape, box = np.array(R.shape[:3]), np.array(factors.foot.shape[1:])

    def work(start: int, stop: int) -> None:
        h, at = np.empty(rows.shape[1], np.float32), np.empty((2, feet.shape[1]), np.int32)
        alternate_boxes(
            rows, shape, factors.corner, box, margins, feet, factors.C, lit, start, stop, h, at
        )

    workers.ranges(work, n, _BOXES)
    return lit


def keep_strongest_part(
    factors: Factors, shape: tuple[int, ...], workers: Workers
) -> NDArray[np.int64]:
    """Smooth the footprints, keep the connected part of each with most energy; its pixels."""
    area, box = np.zeros(len(factors), np.int64), np.array(factors.foot.shape[1:])

    def work(start: int, stop: int) -> None:
        some = factors.part(start, stop)
        smooth = smooth_planes(some.foot) * some.in_field(shape)
        for k, part in enumerate(smooth.reshape(stop - start, -1)):
            area[start + k] = keep_connected(part, box, SUPPORT * part.max())
        some.foot[:] = np.where(some.foot > 0, smooth, 0)

    workers.ranges(work, len(factors), _SMOOTHED)
    return area
