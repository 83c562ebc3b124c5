"""Summary images of a movie, without running the engine."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

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
_BYTES_A_PART = 2**26
"""Frames of a bin that are held at once, when a bin has more."""


class _Averaging:
    """Store that keeps the mean of every few bins, as a bin of another store."""

    def __init__(self, store: BinStore, n_each: int) -> None:
        self._store, self._n_each = store, n_each
        self.shape, self.n_bins = store.shape, store.n_bins * n_each
        self.n_pixels = store.n_pixels
        self._block = np.empty((0, self.n_pixels), np.float32)
        self._sum = np.zeros(self.n_pixels, np.float32)
        self._n_full = 0

    def block(self, first: int, last: int) -> NDArray[np.float32]:
        """Room ``(last - first, n_pixels)`` to fill with bins ``first`` to ``last``."""
        if last - first > len(self._block):
            self._block = np.empty((last - first, self.n_pixels), np.float32)
        return self._block[: last - first]

    def filled(self, first: int, last: int, workers: Workers) -> None:
        """Add the block given last to the mean that is being made."""
        for index, row in enumerate(self._block[: last - first], first):
            if np.isfinite(row).any():  # else all its frames were lost
                self._sum += row
                self._n_full += 1
            if (index + 1) % self._n_each == 0:
                at = index // self._n_each
                whole = self._store.block(at, at + 1)
                whole[0] = self._sum / self._n_full if self._n_full else np.nan
                self._store.filled(at, at + 1, workers)
                self._sum[:], self._n_full = 0, 0

    def tile(self, region: Region) -> NDArray[np.float32]:
        """Means of a region ``(Z, Y, X, n_bins / n_each)``."""
        return self._store.tile(region)


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
    folder = runner.shared_folder
    frame_bytes = int(np.prod(shape)) * source.dtype.itemsize
    # A block holds whole bins: long bins of a large field are made of shorter ones.
    n_parts = 1 if folder is not None else max(1, per_bin * frame_bytes // _BYTES_A_PART)
    per_bin = max(1, per_bin // n_parts)
    n_parts = n_parts if per_bin > 1 else 1
    n_bins = n_frames // (per_bin * n_parts)
    everything: Region = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    with Workers(runner.n_threads) as workers, ExitStack() as stack:
        store: BinStore
        if folder is None:
            together = BINS_TOGETHER if frames_per_bin is None else _FEW_TOGETHER
            store = MemoryStore(shape, n_bins, together)
            if n_parts > 1:
                store = _Averaging(store, n_parts)
        else:
            store = stack.enter_context(shared_store(shape, n_bins, folder))
        binned = bin_movie(
            source, per_bin, store, runner,
            check=report.check,
            on_share=lambda share: report.progress("summary images", share * n_frames, n_frames),
        )  # fmt: skip
        if n_parts > 1:
            brightness = binned.brightness.reshape(n_bins, n_parts).mean(1)
            binned = replace(binned, frames_per_bin=per_bin * n_parts, brightness=brightness)
        X = store.tile(everything)
        repair_empty_bins(X, binned.empty_bins)
        trend = find_trend(binned.brightness)
        whiten(X.reshape(-1, X.shape[-1]), binned.sn, binned.frames_per_bin, trend, workers)
        correlation, pnr = bin_images(X, np.isfinite(binned.sn).reshape(shape), workers)
    images = frame_images(binned, dims)
    images["correlation"] = correlation.reshape(dims)
    images["pnr"] = pnr.reshape(dims)
    return images
