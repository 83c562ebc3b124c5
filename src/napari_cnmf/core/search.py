"""Detection over the whole field: tile after tile, each component owned by one tile."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core._report import Report
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.binning import Binned
from napari_cnmf.core.coarse import detect_in_blocks
from napari_cnmf.core.detect import Steps, Tile, detect, fit_given
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.geometry import Field, Grid
from napari_cnmf.core.images import bin_images
from napari_cnmf.core.kriging import background_means, finer
from napari_cnmf.core.merge import groups_to_merge
from napari_cnmf.core.peel import Candidates
from napari_cnmf.core.plan import Plan, TilePlan
from napari_cnmf.core.rank_one import active_energy
from napari_cnmf.core.ring import RingModel, RingShape, learn_ring
from napari_cnmf.core.stillness import residual_shifts, tiles_to_look_at
from napari_cnmf.core.store import BinStore, Region
from napari_cnmf.core.whiten import find_trend, whiten


@dataclass(frozen=True, eq=False)
class Found:
    """Components of the whole field, whitened units.

    Attributes
    ----------
    factors
        Boxes in coordinates of the field.
    background
        Time courses of the field's grid cells ``(n_cells, n_bins)``; times ``gain sn`` in units of
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
        """Some of the components."""
        return replace(self, factors=self.factors.take(ids))


@dataclass(frozen=True, eq=False)
class OnePhoton:
    """What a one-photon recording needs besides.

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
        """Of zeros, on the grid."""
        return np.zeros((self.grid.n_cells, n_bins), np.float32)


def search(
    store: BinStore,
    binned: Binned,
    sn: NDArray[np.float32],
    gain: NDArray[np.float32],
    plan: Plan,
    steps: Steps,
    given: sp.csc_matrix | None,
    one_photon: OnePhoton | None,
    workers: Workers,
    report: Report,
) -> Found:
    """Find (or fit, where ``given``) components in every tile.

    Parameters
    ----------
    sn
        Noise ``(n_pixels,)``, infinite outside the mask and in the border.
    gain
        Weight of the background in each pixel ``(n_pixels,)``.
    given
        Footprints in units of the movie, ``(n_pixels, n)``; then nothing is searched.
    one_photon
        What such a recording needs besides.
    """
    trend = find_trend(binned.brightness)
    shape = plan.field.shape
    correlation, pnr, energy = np.zeros((3, *shape), np.float32)
    background = np.zeros((plan.field.grid.n_cells, binned.n_bins), np.float32)
    fine = None if one_photon is None else one_photon.no_background(binned.n_bins)
    parts: list[Factors] = []
    candidates: list[Candidates] = []
    rings: list[sp.csr_matrix] = []
    own_noise = binned.sn.reshape(shape)
    moves: list[NDArray[np.float64]] = []
    looked_at = tiles_to_look_at(len(plan.tiles))
    for i, tile_plan in enumerate(plan.tiles):
        X = store.tile(tile_plan.region)
        repair_empty_bins(X, binned.empty_bins)
        region, core = tile_plan.region, _within(tile_plan.core, tile_plan.region)
        maps = bin_images(X, own_noise[region], binned.frames_per_bin, workers)
        for image, values in zip((correlation, pnr), maps, strict=True):
            image[tile_plan.core] = values[core]
        if i in looked_at:
            moves.append(residual_shifts(X, own_noise[region]))
        tile = _whitened_tile(
            X, sn.reshape(shape)[region], gain.reshape(shape)[region], binned, trend, plan, workers,
            report,
        )  # fmt: skip

        if one_photon is not None and one_photon.may_start is not None:
            tile.may_start = one_photon.may_start[region]

        def on_step(share: float, i: int = i) -> None:
            report.progress("finding components", i + share, len(plan.tiles))

        if given is None:
            detection = (
                detect(tile, steps, on_step)
                if max(plan.blocks) == 1
                else detect_in_blocks(tile, steps, plan.blocks, on_step)
            )
        else:
            detection = fit_given(tile, _cut_out(given, sn, shape, tile_plan), on_step)
        energy[tile_plan.core] = detection.energy[core]
        scale = 1 / np.sqrt(binned.frames_per_bin)
        _place_background(
            background, detection.background, tile.field.grid, tile_plan, plan.field.grid, scale
        )
        if fine is not None and one_photon is not None:
            local = finer(tile.field)
            _place_background(
                fine, background_means(tile), local.grid, tile_plan, one_photon.grid, scale
            )
        if one_photon is not None and one_photon.ring is not None:
            rings.append(
                learn_ring(tile, sn.reshape(shape)[region], one_photon.ring, region, tile_plan.core)
            )
        parts.append(_owned(detection.factors, tile_plan))
        candidates.append(_shifted(detection.candidates, tile_plan))
        # The bins of one tile are let go before those of the next are read.
        del X, tile, detection
    factors = _joined(parts, by_energy=given is None)
    if given is None and len(plan.tiles) > 1:
        factors = _without_twins(factors, workers)
    return Found(
        factors, background, Candidates.concatenate(candidates), correlation, pnr,
        energy, len(trend) > 0, max(moves, key=len), fine, _whole_ring(rings, one_photon),
    )  # fmt: skip


def _whole_ring(parts: list[sp.csr_matrix], one_photon: OnePhoton | None) -> RingModel | None:
    """Of all tiles' nodes, each in the tile that owns it."""
    if one_photon is None or one_photon.ring is None:
        return None
    return RingModel(sp.csr_matrix(sum(parts[1:], start=parts[0])), one_photon.ring.field)


def repair_empty_bins(X: NDArray[np.float32], empty: NDArray[np.bool_]) -> None:
    """Repeat the full bin before an empty one (the first full one at the start), in place."""
    full = np.flatnonzero(~empty)
    for i in np.flatnonzero(empty):
        before = full[full < i]
        source = before[-1] if len(before) else (full[0] if len(full) else None)
        X[..., i] = 0 if source is None else X[..., source]


def _whitened_tile(
    X: NDArray[np.float32],
    sn: NDArray[np.float32],
    gain: NDArray[np.float32],
    binned: Binned,
    trend: NDArray[np.float32],
    plan: Plan,
    workers: Workers,
    report: Report,
) -> Tile:
    shape = X.shape[:3]
    flat = X.reshape(-1, X.shape[-1])
    whiten(flat, np.ascontiguousarray(sn).ravel(), binned.frames_per_bin, trend, workers)
    field = Field((shape[0], shape[1], shape[2]), plan.field.g_sig)
    return Tile.of(field, X, np.ascontiguousarray(gain), workers, report.check)


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


def _joined(parts: list[Factors], *, by_energy: bool) -> Factors:
    """All tiles' components, strongest first or as they come."""
    factors = parts[0]
    for part in parts[1:]:
        factors = factors.joined(part)
    if not by_energy:
        return factors
    return factors.take(np.argsort(-active_energy(factors), kind="stable"))


def _without_twins(factors: Factors, workers: Workers) -> Factors:
    """Of one cell found by two neighbouring tiles only the stronger component."""
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
    """Copy the tile's background to the cells of the field's grid whose centres it owns."""
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
    """Candidates in the tile's core, in the field's coordinates."""
    at = candidates.at + np.array([s.start for s in tile.region])
    mine = np.ones(len(at), np.bool_)
    for axis, s in enumerate(tile.core):
        mine &= (at[:, axis] >= s.start) & (at[:, axis] < s.stop)
    return Candidates(
        at[mine], candidates.score[mine], candidates.energy[mine], candidates.area[mine],
        candidates.verdict[mine],
    )  # fmt: skip


def _cut_out(
    given: sp.csc_matrix, sn: NDArray[np.float32], shape: tuple[int, int, int], tile: TilePlan
) -> sp.csc_matrix:
    """Whitened given footprints, in the pixels of a tile."""
    inverse = np.where(np.isfinite(sn), 1 / np.where(np.isfinite(sn), sn, 1), 0)
    index = np.arange(int(np.prod(shape))).reshape(shape)[tile.region].ravel()
    return sp.csc_matrix(sp.diags(inverse[index]) @ given.tocsr()[index])
