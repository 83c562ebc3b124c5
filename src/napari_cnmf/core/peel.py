"""Greedy peeling: the strongest sites of the energy map become components, one after another.

In a box around a site, rank-1 non-negative least squares alternates between the
footprint and the trace (Pnevmatikakis et al. 2016, "greedy initialisation"), with the
soft-thresholded trace as instrument: noise in the trace does not bias the footprint.
What is found is taken out of the residual and, since the filter is linear, out of the
map; nothing is filtered twice. Sites far enough apart are worked on at the same time.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.energy import (
    EnergyMap,
    energy_threshold,
    lower_side_scale,
    one_sided_energy,
)
from napari_cnmf.core.factors import BOX, GROWTH, Factors
from napari_cnmf.core.footprints import keep_connected, peak_of, smooth3
from napari_cnmf.core.geometry import Field
from napari_cnmf.core.rank_one import alternate, project_trace, subtract_product

MIN_AREA = 0.5
"""Smallest footprint in units of the cell area gSig^2."""

VERDICTS = ("component", "no activity", "too small", "too little energy of its own")
"""What became of a candidate, by the code in ``Candidates.verdict``."""

START = 1.2
"""Half-width of the box of the first alternations, in gSig."""
_ATTEMPTS = 3


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
        if not parts:
            zero = np.zeros(0, np.float32)
            return cls(
                np.zeros((0, 3), np.int64), zero, zero, np.zeros(0, np.int64), np.zeros(0, np.int8)
            )
        names = ("at", "score", "energy", "area", "verdict")
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


@kernel(
    "void(float32[:, :, :, ::1], float32[:, ::1], int64[:, ::1], float32[::1], float32[::1], "
    "float32[::1], float32[:, ::1], int64[:, ::1], float32[:, :, :, ::1], float32[:, ::1], "
    "int8[::1], int64, int64)"
)
def _take_out(
    R: NDArray[np.float32],
    F: NDArray[np.float32],
    lattice: NDArray[np.int64],
    tap_z: NDArray[np.float32],
    tap_y: NDArray[np.float32],
    tap_x: NDArray[np.float32],
    state: NDArray[np.float32],
    corner: NDArray[np.int64],
    foot: NDArray[np.float32],
    C: NDArray[np.float32],
    verdict: NDArray[np.int8],
    start: int,
    stop: int,
) -> None:
    """Take components ``start`` to ``stop`` with verdict 0 out of R and of the map.

    ``lattice`` holds shape and step; ``state (5, n_sites)`` centre, sigma, E+, E- and what is
    explained. The filtered ``a c`` of a site is its filtered footprint times the trace.
    """
    bz, by, bx = foot.shape[1:]
    s_y, s_x = lattice[0, 1], lattice[0, 2]
    hz, hy, hx = len(tap_z) // 2, len(tap_y) // 2, len(tap_x) // 2
    for n in range(start, stop):
        if verdict[n] != 0:
            continue
        a, c = foot[n], C[n]
        subtract_product(R, corner[n], a, c)
        first = np.empty(3, np.int64)
        last = np.empty(3, np.int64)
        for axis in range(3):
            low = corner[n, axis] - (hz, hy, hx)[axis]
            high = corner[n, axis] + (bz, by, bx)[axis] + (hz, hy, hx)[axis]
            first[axis] = max(0, low // lattice[1, axis])
            last[axis] = min(lattice[0, axis], high // lattice[1, axis] + 1)
        for k in range(first[0], last[0]):
            for j in range(first[1], last[1]):
                for i in range(first[2], last[2]):
                    s = (k * s_y + j) * s_x + i
                    z = k * lattice[1, 0] - corner[n, 0]
                    y = j * lattice[1, 1] - corner[n, 1]
                    x = i * lattice[1, 2] - corner[n, 2]
                    weight = np.float32(0.0)
                    for zz in range(max(0, z - hz), min(bz, z + hz + 1)):
                        for yy in range(max(0, y - hy), min(by, y + hy + 1)):
                            w = tap_z[zz - z + hz] * tap_y[yy - y + hy]
                            for xx in range(max(0, x - hx), min(bx, x + hx + 1)):
                                weight += w * tap_x[xx - x + hx] * a[zz, yy, xx]
                    if weight == 0.0 or not state[1, s] > 0.0:
                        continue
                    f = F[s]
                    for t in range(len(c)):
                        f[t] -= weight * c[t]
                    up, down = one_sided_energy(f, state[0, s], state[1, s])
                    state[4, s] += max(state[2, s] - up, np.float32(0.0))
                    state[2, s] = up
                    state[3, s] = down


@kernel(
    "void(float32[:, :, :, ::1], float32[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64, "
    "float32, float32[:, :, :, ::1], float32[:, ::1], float32[::1], int64[::1], int8[::1], int64, "
    "int64)"
)
def _fit_sites(
    R: NDArray[np.float32],
    F: NDArray[np.float32],
    sites: NDArray[np.int64],
    corner: NDArray[np.int64],
    margins: NDArray[np.int64],
    min_area: int,
    min_energy: np.float32,
    foot: NDArray[np.float32],
    C: NDArray[np.float32],
    energy: NDArray[np.float32],
    area: NDArray[np.int64],
    verdict: NDArray[np.int8],
    start: int,
    stop: int,
) -> None:
    """Fit a component at ``sites[start:stop]`` and judge it; nothing is taken out yet.

    The first two of four alternations see the box less ``margins[0]``, the others less
    ``margins[1]``: a neighbour at the edge of the box must not win at the start.
    """
    n_bins = R.shape[3]
    shape = foot[0].shape
    smooth = np.empty(shape, np.float32)
    label = np.empty(shape, np.int32)
    stack = np.empty(foot[0].size, np.int32)
    sparse = np.empty(n_bins, np.float32)
    work = np.empty(min(128, n_bins), np.float32)
    for n in range(start, stop):
        a, c, at = foot[n], C[n], corner[n]
        for t in range(n_bins):
            c[t] = F[sites[n], t]
        found = True
        for iteration in range(4):
            found = found and alternate(R, at, margins[iteration // 2], a, c, sparse, work)
        if not found:
            verdict[n] = 1
            continue
        smooth3(a, smooth)
        area[n] = keep_connected(smooth, np.float32(0.2) * peak_of(smooth), label, stack)
        for k in range(a.shape[0]):
            for j in range(a.shape[1]):
                for i in range(a.shape[2]):
                    # Smoothing spills over the edge of the field, where R has no row.
                    a[k, j, i] = smooth[k, j, i] if a[k, j, i] > 0.0 else np.float32(0.0)
        if area[n] < min_area:
            verdict[n] = 2
            continue
        norm = project_trace(R, at, a, c)
        mid, spread = lower_side_scale(c, work)
        rise, fall = one_sided_energy(c, mid, max(spread, np.float32(0.8) / np.sqrt(norm)))
        both_ways = max(fall - np.float32(2.0 + 0.005 * n_bins), np.float32(0.0))
        energy[n] = rise - np.float32(10.0) * both_ways
        verdict[n] = 0 if energy[n] >= min_energy else 3


def pick_apart(
    score: NDArray[np.float32], at: NDArray[np.int64], distance: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Best sites first, none within ``distance`` (along every axis) of one already picked.

    Parameters
    ----------
    score
        ``(n,)``; ties go to the first.
    at
        Pixels ``(n, 3)``.

    Returns
    -------
    picked
        Indices into ``score``, best first.
    """
    order = np.argsort(-score, kind="stable")
    picked: list[int] = []
    free = np.ones(len(order), np.bool_)
    ranked = at[order]
    for i in range(len(order)):
        if free[i]:
            picked.append(int(order[i]))
            free &= (np.abs(ranked - ranked[i]) >= distance).any(1)
    return np.array(picked, dtype=np.int64)


def _local_maxima(score: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Sites not below any of their neighbours."""
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
    """Results of the sites tried in one round."""

    factors: Factors
    energy: NDArray[np.float32]
    area: NDArray[np.int64]
    verdict: NDArray[np.int8]


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
    near = np.maximum(np.array(field.reach(0.5, at_least=1)), 0)
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
        result = _peel_round(R, energy, sites, pixel[sites], field, workers)
        good = result.verdict == 0
        found.append(result.factors.take(good))
        tried.append(
            Candidates(pixel[sites], score[sites], result.energy, result.area, result.verdict)
        )
        tries[sites[good]] += 1
        for failed in pixel[sites[~good]]:
            tries[(np.abs(pixel - failed) <= near).all(1)] = _ATTEMPTS
    factors = found[0]
    for part in found[1:]:
        factors = factors.joined(part)
    return factors, Candidates.concatenate(tried)


def least_area(field: Field) -> int:
    """Pixels of the smallest footprint."""
    return max(3, round(MIN_AREA * field.cell_area))


def box_reach(field: Field) -> tuple[int, int, int]:
    """Half-width of the boxes that hold footprints: search box and room to grow."""
    r = field.reach(BOX)
    return (r[0] + GROWTH if r[0] else 0, r[1] + GROWTH, r[2] + GROWTH)


def _empty_boxes(field: Field, n_bins: int) -> Factors:
    return Factors.empty(box_reach(field), n_bins)


def _peel_round(
    R: NDArray[np.float32],
    energy: EnergyMap,
    sites: NDArray[np.int64],
    at: NDArray[np.int64],
    field: Field,
    workers: Workers,
) -> _Round:
    n, n_bins = len(sites), energy.n_bins
    reach = box_reach(field)
    factors = Factors(
        at - np.array(reach),
        np.zeros((n, *(2 * r + 1 for r in reach)), np.float32),
        np.zeros((n, n_bins), np.float32),
    )
    margins = np.array([reach, reach]) - np.array([field.reach(START), field.reach(BOX)])
    own = np.zeros(n, np.float32)
    area = np.zeros(n, np.int64)
    verdict = np.zeros(n, np.int8)
    lattice = energy.lattice
    layout = np.array([lattice.shape, lattice.step])
    min_area = least_area(field)
    min_energy = np.float32(energy_threshold(n_bins))

    def work(start: int, stop: int) -> None:
        _fit_sites(
            R, energy.F, sites, factors.corner, margins, min_area, min_energy,
            factors.foot, factors.C, own, area, verdict, start, stop,
        )  # fmt: skip
        _take_out(
            R, energy.F, layout, *lattice.taps, energy.state,
            factors.corner, factors.foot, factors.C, verdict, start, stop,
        )  # fmt: skip

    workers.ranges(work, n, 4)
    return _Round(factors, own, area, verdict)
