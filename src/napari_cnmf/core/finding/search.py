"""Detection over the whole field: tile after tile, each component owned by one tile."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.parts import PartRunner, Place
from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.coarse import detect_in_blocks
from napari_cnmf.core.finding.detect import Steps, Tile, detect, fit_given
from napari_cnmf.core.finding.gather import (
    Found,
    Gathering,
    OnePhoton,
    TileFound,
    found_in_tile,
)
from napari_cnmf.core.motion.stillness import residual_shifts, tiles_to_look_at
from napari_cnmf.core.movie.binning import Binned, repair_empty_bins
from napari_cnmf.core.movie.images import bin_images
from napari_cnmf.core.movie.store import BinStore, release_freed
from napari_cnmf.core.movie.whiten import find_trend, leave_out, whiten
from napari_cnmf.core.plan.plan import Plan, TilePlan


@dataclass(frozen=True, eq=False)
class Search:
    """Everything that finding the components of any tile needs.

    Attributes
    ----------
    store
        Bins of pass 1.
    empty_bins
        Those all of whose frames were lost ``(n_bins,)``.
    noise
        Noise of each pixel ``(n_pixels,)``, as it was measured.
    sn
        The same, infinite outside the mask and in the border.
    gain
        Weight of the background in each pixel ``(n_pixels,)``.
    given
        Footprints in units of the movie, ``(n_pixels, n)``; then nothing is searched.
    one_photon
        What such a recording needs besides.
    trend
        Slow courses to take out of every pixel ``(n, n_bins)``.
    """

    store: BinStore
    empty_bins: NDArray[np.bool_]
    noise: NDArray[np.float32]
    sn: NDArray[np.float32]
    gain: NDArray[np.float32]
    plan: Plan
    steps: Steps
    given: sp.csc_matrix | None
    one_photon: OnePhoton | None
    trend: NDArray[np.float32]


def search(
    store: BinStore,
    binned: Binned,
    sn: NDArray[np.float32],
    gain: NDArray[np.float32],
    plan: Plan,
    steps: Steps,
    given: sp.csc_matrix | None,
    one_photon: OnePhoton | None,
    runner: PartRunner,
    workers: Workers,
    report: Report,
) -> Found:
    """Find (or fit, where ``given``) components in every tile; see `Search`."""
    trend = find_trend(binned.brightness)
    of = Search(
        store, binned.empty_bins, binned.sn, sn, gain, plan, steps, given, one_photon, trend
    )
    gathering = Gathering(plan.field, binned, one_photon)
    n_tiles = len(plan.tiles)
    parts = runner.map(
        _search_tile, of, range(n_tiles),
        check=report.check,
        on_share=lambda share: report.progress("finding components", share * n_tiles, n_tiles),
    )  # fmt: skip
    for tile_plan, part in zip(plan.tiles, parts, strict=True):
        gathering.add(part, tile_plan)
    return gathering.found(is_given=given is not None, detrended=len(trend) > 0, workers=workers)


def _search_tile(of: Search, i: int, place: Place) -> TileFound:
    """Find the components of tile ``i``."""
    with Workers(place.n_threads, place.check) as workers:
        found = _find_in(of, i, place, workers)
    if len(of.plan.tiles) > 1:
        # The bins of one tile are let go before those of the next are read.
        release_freed()
    return found


def _find_in(of: Search, i: int, place: Place, workers: Workers) -> TileFound:
    plan = of.plan
    tile_plan, shape = plan.tiles[i], plan.field.shape
    region = tile_plan.region
    noise, weight, own_noise = (v.reshape(shape)[region] for v in (of.sn, of.gain, of.noise))
    X = of.store.tile(region)
    repair_empty_bins(X, of.empty_bins)
    moves = None
    if i in tiles_to_look_at(len(plan.tiles)):
        moves = residual_shifts(X, own_noise)
    rows, own = X.reshape(-1, X.shape[-1]), np.ascontiguousarray(own_noise)
    whiten(rows, own.ravel(), plan.frames_per_bin, of.trend, workers)
    images = bin_images(X, np.isfinite(own), workers)
    # Images show the border and what is outside of a mask, too.
    leave_out(rows, (np.isinf(noise) & np.isfinite(own)).ravel(), workers)
    field = Field((X.shape[0], X.shape[1], X.shape[2]), plan.field.g_sig)
    tile = Tile.of(field, X, np.ascontiguousarray(weight), workers, place.check)
    if of.one_photon is not None and of.one_photon.may_start is not None:
        tile.may_start = of.one_photon.may_start[region]
    if of.given is not None:
        detection = fit_given(tile, _cut_out(of.given, of.sn, shape, tile_plan), place.tell)
    elif max(plan.blocks) == 1:
        detection = detect(tile, of.steps, place.tell)
    else:
        detection = detect_in_blocks(tile, of.steps, plan.blocks, place.tell)
    return found_in_tile(tile, detection, noise, tile_plan, images, moves, of.one_photon)


def _cut_out(
    given: sp.csc_matrix, sn: NDArray[np.float32], shape: tuple[int, int, int], tile: TilePlan
) -> sp.csc_matrix:
    """Cut given footprints to the pixels of a tile, and whiten them."""
    inverse = np.where(np.isfinite(sn), 1 / np.where(np.isfinite(sn), sn, 1), 0)
    index = np.arange(int(np.prod(shape))).reshape(shape)[tile.region].ravel()
    return sp.csc_matrix(sp.diags(inverse[index]) @ given.tocsr()[index])
