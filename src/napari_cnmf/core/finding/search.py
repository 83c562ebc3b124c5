"""Detection over the whole field: tile after tile, each component owned by one tile."""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding.coarse import detect_in_blocks
from napari_cnmf.core.finding.detect import Steps, Tile, detect, fit_given
from napari_cnmf.core.finding.gather import Found, Gathering, OnePhoton
from napari_cnmf.core.motion.stillness import residual_shifts, tiles_to_look_at
from napari_cnmf.core.movie.binning import Binned, repair_empty_bins
from napari_cnmf.core.movie.images import bin_images
from napari_cnmf.core.movie.store import BinStore, release_freed
from napari_cnmf.core.movie.whiten import find_trend, leave_out, whiten
from napari_cnmf.core.plan.plan import Plan, TilePlan


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
    noise, weight, own_noise = (of.reshape(shape) for of in (sn, gain, binned.sn))
    gathering = Gathering(plan.field, binned, one_photon)
    looked_at = tiles_to_look_at(len(plan.tiles))
    for i, tile_plan in enumerate(plan.tiles):
        region = tile_plan.region
        X = store.tile(region)
        repair_empty_bins(X, binned.empty_bins)
        if i in looked_at:
            gathering.add_moves(residual_shifts(X, own_noise[region]))
        rows, own = X.reshape(-1, X.shape[-1]), np.ascontiguousarray(own_noise[region])
        whiten(rows, own.ravel(), binned.frames_per_bin, trend, workers)
        gathering.add_images(*bin_images(X, np.isfinite(own), workers), tile_plan)
        # Images show the border and what is outside of a mask, too.
        leave_out(rows, (np.isinf(noise[region]) & np.isfinite(own)).ravel(), workers)
        tile = _tile(X, weight[region], plan, workers, report)
        if one_photon is not None and one_photon.may_start is not None:
            tile.may_start = one_photon.may_start[region]

        def on_step(share: float, i: int = i) -> None:
            report.progress("finding components", i + share, len(plan.tiles))

        if given is not None:
            detection = fit_given(tile, _cut_out(given, sn, shape, tile_plan), on_step)
        elif max(plan.blocks) == 1:
            detection = detect(tile, steps, on_step)
        else:
            detection = detect_in_blocks(tile, steps, plan.blocks, on_step)
        gathering.add(tile, detection, noise[region], tile_plan)
        # The bins of one tile are let go before those of the next are read.
        del X, rows, tile, detection
        if len(plan.tiles) > 1:
            release_freed()
    return gathering.found(is_given=given is not None, detrended=len(trend) > 0, workers=workers)


def _tile(
    X: NDArray[np.float32],
    gain: NDArray[np.float32],
    plan: Plan,
    workers: Workers,
    report: Report,
) -> Tile:
    field = Field((X.shape[0], X.shape[1], X.shape[2]), plan.field.g_sig)
    return Tile.of(field, X, np.ascontiguousarray(gain), workers, report.check)


def _cut_out(
    given: sp.csc_matrix, sn: NDArray[np.float32], shape: tuple[int, int, int], tile: TilePlan
) -> sp.csc_matrix:
    """Cut given footprints to the pixels of a tile, and whiten them."""
    inverse = np.where(np.isfinite(sn), 1 / np.where(np.isfinite(sn), sn, 1), 0)
    index = np.arange(int(np.prod(shape))).reshape(shape)[tile.region].ravel()
    return sp.csc_matrix(sp.diags(inverse[index]) @ given.tocsr()[index])
