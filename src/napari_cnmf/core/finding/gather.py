"""Joins what the tiles find: each gives what lies in its core."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.kriging import background_means, finer
from napari_cnmf.core.background.ring import RingModel, RingShape, learn_ring
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field, Grid
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.detect import Detection, Tile
from napari_cnmf.core.finding.merge import groups_to_merge
from napari_cnmf.core.finding.peel import Candidates
from napari_cnmf.core.finding.rank_one import active_energy
from napari_cnmf.core.movie.binning import Binned
from napari_cnmf.core.movie.store import Region
from napari_cnmf.core.plan.plan import TilePlan


@dataclass(frozen=True, eq=False)
class Found:
    """Components of the whole field, whitened units.

    Attributes
    ----------
    factors
        Boxes in coordinates of the field.
    background
        Time courses of the field's grid nodes ``(n_nodes, n_bins)``; times ``gain sn`` in units of
        the movie.
    candidates
        Every site tried.
    correlation, pnr, energy
        Images ``(Z, Y, X)``; the last is the energy map that the search began with.
    detrended
        Whether a slow trend was taken out.
    shifts
        Motion left in some bins ``(n, 2)``, pixels.
    fine_background
        Like ``background`` on the finer grid that kriging takes, not smoothed; one-photon alone.
    ring
        The ring background where it is asked for.
    """

    factors: Factors
    background: NDArray[np.float32]
    candidates: Candidates
    correlation: NDArray[np.float32]
    pnr: NDArray[np.float32]
    energy: NDArray[np.float32]
    detrended: bool
    shifts: NDArray[np.float64]
    fine_background: NDArray[np.float32] | None = None
    ring: RingModel | None = None

    def take(self, ids: NDArray[np.int64]) -> Found:
        """Take some of the components."""
        return replace(self, factors=self.factors.take(ids))


@dataclass(frozen=True, eq=False)
class OnePhoton:
    """Grid, seeds and ring that a one-photon recording needs besides.

    Attributes
    ----------
    grid
        Of the background by kriging.
    may_start
        Pixels at which components may start ``(Z, Y, X)``; ``None``: anywhere.
    ring
        CNMF-E's ring background where it is asked for.
    """

    grid: Grid
    may_start: NDArray[np.bool_] | None
    ring: RingShape | None = None

    def no_background(self, n_bins: int) -> NDArray[np.float32]:
        """Background of zeros on the grid, for a recording that needs none."""
        return np.zeros((self.grid.n_nodes, n_bins), np.float32)


@dataclass(frozen=True, eq=False)
class TileFound:
    """Everything that is kept of a tile, in its own pixels but for components and candidates.

    Attributes
    ----------
    factors, candidates
        Those that the tile owns, in coordinates of the field.
    background
        On the cells of the tile's grid ``(gz, gy, gx, n_bins)``.
    correlation, pnr, energy
        Images of the pixels that the tile owns.
    moves
        Motion left in some bins ``(n, 2)`` where the tile was looked at for it.
    fine
        Background on the finer grid; one-photon alone.
    ring
        Weights of the ring at nodes that the tile owns, where it is asked for.
    """

    field: Field
    factors: Factors
    candidates: Candidates
    background: NDArray[np.float32]
    correlation: NDArray[np.float32]
    pnr: NDArray[np.float32]
    energy: NDArray[np.float32]
    moves: NDArray[np.float64] | None
    fine: NDArray[np.float32] | None
    ring: sp.csr_matrix | None


def found_in_tile(
    tile: Tile,
    detection: Detection,
    sn: NDArray[np.float32],
    plan: TilePlan,
    images: tuple[NDArray[np.float32], NDArray[np.float32]],
    moves: NDArray[np.float64] | None,
    one_photon: OnePhoton | None,
) -> TileFound:
    """Take from a tile what is kept of it; ``sn`` is the noise in it, ``images`` are all of it."""
    core = _within(plan.core, plan.region)
    fine, ring = None, None
    if one_photon is not None:
        fine = background_means(tile)
        if one_photon.ring is not None:
            ring = learn_ring(tile, sn, one_photon.ring, plan.region, plan.core)
    correlation, pnr, energy = (image[core].copy() for image in (*images, detection.energy))
    return TileFound(
        tile.field, _owned(detection.factors, plan), _shifted(detection.candidates, plan),
        detection.background, correlation, pnr, energy, moves, fine, ring,
    )  # fmt: skip


class Gathering:
    """The images, backgrounds and components of a field, while its tiles are looked at.

    Parameters
    ----------
    field
        The whole of it.
    one_photon
        What such a recording needs besides.
    """

    def __init__(self, field: Field, binned: Binned, one_photon: OnePhoton | None) -> None:
        self._field, self._one_photon = field, one_photon
        self._scale = 1 / float(np.sqrt(binned.frames_per_bin))
        self._correlation, self._pnr, self._energy = np.zeros((3, *field.shape), np.float32)
        self._background = np.zeros((field.grid.n_nodes, binned.n_bins), np.float32)
        self._fine = None if one_photon is None else one_photon.no_background(binned.n_bins)
        self._factors: list[Factors] = []
        self._candidates: list[Candidates] = []
        self._rings: list[sp.csr_matrix] = []
        self._moves: list[NDArray[np.float64]] = []

    def add(self, found: TileFound, plan: TilePlan) -> None:
        """Add what was found in a tile; the order of the tiles is that of the components."""
        self._correlation[plan.core], self._pnr[plan.core] = found.correlation, found.pnr
        self._energy[plan.core] = found.energy
        if found.moves is not None:
            self._moves.append(found.moves)
        place = partial(_place_background, tile=plan, scale=self._scale)
        place(self._background, found.background, local=found.field.grid, grid=self._field.grid)
        if self._one_photon is not None and self._fine is not None and found.fine is not None:
            local, grid = finer(found.field).grid, self._one_photon.grid
            place(self._fine, found.fine, local=local, grid=grid)
        if found.ring is not None:
            self._rings.append(found.ring)
        self._factors.append(found.factors)
        self._candidates.append(found.candidates)

    def found(self, *, is_given: bool, detrended: bool, workers: Workers) -> Found:
        """Everything found: the strongest first where it was searched, and no cell twice."""
        factors = _joined(self._factors, workers, by_energy=not is_given)
        if not is_given and len(self._factors) > 1:
            factors = _without_twins(factors, workers)
        return Found(
            factors, self._background, Candidates.concatenate(self._candidates), self._correlation,
            self._pnr, self._energy, detrended, max(self._moves, key=len), self._fine,
            _whole_ring(self._rings, self._one_photon),
        )  # fmt: skip


def _whole_ring(parts: list[sp.csr_matrix], one_photon: OnePhoton | None) -> RingModel | None:
    """The ring model of the whole field, each node from the tile that owns it."""
    if one_photon is None or one_photon.ring is None:
        return None
    return RingModel(sp.csr_matrix(sum(parts[1:], start=parts[0])), one_photon.ring.field)


def _within(inner: Region, outer: Region) -> Region:
    a, b, c = (
        slice(i.start - o.start, i.stop - o.start) for i, o in zip(inner, outer, strict=True)
    )
    return a, b, c


def _owned(factors: Factors, plan: TilePlan) -> Factors:
    """The components whose centroid lies in the tile's core, in the field's coordinates."""
    origin = np.array([s.start for s in plan.region])
    at = factors.centroids() + origin
    mine = np.asarray(factors.foot.any((1, 2, 3)), np.bool_)
    for axis, s in enumerate(plan.core):
        mine &= (at[:, axis] >= s.start - 0.5) & (at[:, axis] < s.stop - 0.5)
    return Factors(factors.corner + origin, factors.foot, factors.C).take(mine)


def _joined(parts: list[Factors], workers: Workers, *, by_energy: bool) -> Factors:
    """Components of all tiles, the strongest first or in the order of the tiles."""
    factors = Factors.concatenate(parts)
    if not by_energy:
        return factors
    return factors.take(np.argsort(-active_energy(factors, workers), kind="stable"))


def _without_twins(factors: Factors, workers: Workers) -> Factors:
    """The components without twins: of a cell that two tiles found only the stronger stays."""
    keep = np.ones(len(factors), np.bool_)
    for group in groups_to_merge(factors, 0.8, workers):
        keep[group[1:]] = False
    return factors.take(keep)


def _place_background(
    out: NDArray[np.float32],
    background: NDArray[np.float32],
    local: Grid,
    tile: TilePlan,
    grid: Grid,
    scale: float,
) -> None:
    """Copy the tile's background to the nodes of the field's grid whose centres it owns."""
    index = []
    for axis in range(3):
        edge = grid.edges[axis]
        centre = (edge[1:] + edge[:-1] - 1) // 2
        core, region = tile.core[axis], tile.region[axis]
        mine = np.flatnonzero((centre >= core.start) & (centre < core.stop))
        inside = np.searchsorted(local.edges[axis], centre[mine] - region.start, side="right") - 1
        index.append((mine, np.clip(inside, 0, local.shape[axis] - 1)))
    block = background[np.ix_(*(i for _, i in index))]
    whole = out.reshape(*grid.shape, -1)
    whole[np.ix_(*(m for m, _ in index))] = block * scale


def _shifted(candidates: Candidates, tile: TilePlan) -> Candidates:
    """Candidates that lie in the tile's core, moved to the field's coordinates."""
    at = candidates.at + np.array([s.start for s in tile.region])
    mine = np.ones(len(at), np.bool_)
    for axis, s in enumerate(tile.core):
        mine &= (at[:, axis] >= s.start) & (at[:, axis] < s.stop)
    return Candidates(
        at[mine], candidates.score[mine], candidates.energy[mine], candidates.area[mine],
        candidates.verdict[mine],
    )  # fmt: skip
