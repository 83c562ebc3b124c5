"""Summary images of a movie, without running the engine."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.parts import PartRunner, RunHere
from napari_cnmf.core.base.reports import (
    ProgressCallback,
    Report,
    StopCallback,
    never_stop,
    no_progress,
)
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.binning import bin_movie, repair_empty_bins
from napari_cnmf.core.movie.images import bin_images, frame_images
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.core.movie.store import (
    BINS_TOGETHER,
    BinStore,
    MemoryStore,
    Region,
    shared_store,
)
from napari_cnmf.core.movie.whiten import find_trend, whiten

N_BINS = 500
"""Bins that the correlation image is made from: enough, whatever the length of the movie."""
_FEW_TOGETHER = 8


def summary_images(
    source: FrameSource,
    *,
    frames_per_bin: int | None = None,
    n_threads: int | None = None,
    runner: PartRunner | None = None,
    on_progress: ProgressCallback = no_progress,
    should_stop: StopCallback = never_stop,
) -> dict[str, NDArray[np.float32]]:
    """Images that show cells: one pass over the movie.

    Parameters
    ----------
    source
        ``(T, [Z], Y, X)``.
    frames_per_bin
        That the correlation image is made from means of; by default so that 500 bins remain. Who
        asks for more has little memory, and bins wait for few others.
    n_threads
        By default one per core.
    runner
        Who works on the parts of the movie; by default this process.

    Returns
    -------
    images
        ``mean, max, std, noise`` over frames; ``correlation``, of each pixel with its in-plane
        neighbours in means over a few frames; ``pnr``, highest of these means over their noise.
        Each float32 of the frame's shape.

    Raises
    ------
    CancelledByUser
        When ``should_stop`` says so.
    """
    report = Report(on_progress=on_progress, should_stop=should_stop)
    runner = runner or RunHere(n_threads)
    n_frames, dims = source.shape[0], tuple(source.shape[1:])
    shape = (1, dims[0], dims[1]) if len(dims) == 2 else (dims[0], dims[1], dims[2])
    per_bin = frames_per_bin or max(1, n_frames // N_BINS)
    n_bins, folder = n_frames // per_bin, runner.shared_folder
    everything: Region = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    with Workers(runner.n_threads) as workers, ExitStack() as stack:
        store: BinStore
        if folder is None:
            together = BINS_TOGETHER if frames_per_bin is None else _FEW_TOGETHER
            store = MemoryStore(shape, n_bins, together)
        else:
            store = stack.enter_context(shared_store(shape, n_bins, folder))
        binned = bin_movie(
            source, per_bin, store, runner,
            check=report.check,
            on_share=lambda share: report.progress("summary images", share * n_frames, n_frames),
        )  # fmt: skip
        X = store.tile(everything)
        repair_empty_bins(X, binned.empty_bins)
        trend = find_trend(binned.brightness)
        whiten(X.reshape(-1, X.shape[-1]), binned.sn, per_bin, trend, workers)
        correlation, pnr = bin_images(X, np.isfinite(binned.sn).reshape(shape), workers)
    images = frame_images(binned, dims)
    images["correlation"] = correlation.reshape(dims)
    images["pnr"] = pnr.reshape(dims)
    return images
