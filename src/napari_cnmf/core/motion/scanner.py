"""Bidirectional scanning: lines of the way back stand beside those of the way there.

Every second line is displaced along x by a constant. It does not depend on the motion: lines that
are neighbours in one frame show it, whatever the frame shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_cnmf.core.motion.apply import store, value_range
from napari_cnmf.core.motion.warp_kernels import shift_frames
from napari_cnmf.core.movie.source import FrameSource

F32 = NDArray[np.float32]

SAMPLE_FRAMES = 60
LARGEST_PX = 8.0
WORTH_CORRECTING_PX = 0.25
"""Smaller offsets blur less than shifting the lines would."""
LARGEST_ERROR_PX = 0.06
GROUPS = 6


class AlignedLines:
    """A movie with its odd lines moved back by ``offset_px`` along x."""

    def __init__(self, source: FrameSource, offset_px: float) -> None:
        self._source = source
        self._offset_px = offset_px
        self.shape = source.shape
        self.dtype = source.dtype

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read frames of the source with their lines aligned."""
        frames = self._source.read(start, stop, out)
        if not frames.flags.writeable:
            frames = frames.copy()
        odd = np.array(frames[..., 1::2, :], np.float32, order="C")
        odd = odd.reshape(len(frames), -1, *odd.shape[-2:])
        shifts = np.zeros((len(frames), 3))
        shifts[:, 2] = self._offset_px
        moved = np.empty_like(odd)
        fill = np.zeros(len(frames), np.float32)
        shift_frames(odd, shifts, fill, *value_range(np.dtype(self.dtype)), True, moved)
        rows = frames[..., 1::2, :]
        store(moved.reshape(rows.shape), rows)
        return frames


def find_line_offset(source: FrameSource) -> float:
    """By how many px the odd lines are displaced along x; 0 where that is not certain."""
    n_frames, n_rows, n_columns = source.shape[0], source.shape[-2], source.shape[-1]
    if n_rows < 16 or n_columns < 16:
        return 0.0
    rows = np.unique(np.linspace(0, n_frames - 1, min(n_frames, SAMPLE_FRAMES)).astype(np.int64))
    window = np.hanning(n_columns).astype(np.float32)
    k = 2 * np.pi * scipy.fft.rfftfreq(n_columns)
    band = (k > 2 * np.pi * 2 / n_columns) & (k < 2 * np.pi * 0.25)
    cross = []
    for t in rows:
        frame = np.nan_to_num(source.read(int(t), int(t) + 1).astype(np.float32))[0]
        frame = frame.reshape(-1, n_rows, n_columns)
        lines = scipy.fft.rfft((frame - frame.mean(axis=2, keepdims=True)) * window, axis=2)
        last = (n_rows - 1) // 2 * 2
        even = 0.5 * (lines[:, 0:last:2] + lines[:, 2 : last + 1 : 2])
        cross.append((lines[:, 1:last:2] * even.conj()).sum(axis=(0, 1))[band])
    if len(cross) < 2 * GROUPS:
        return 0.0
    found = np.array(cross)
    scatter = found.std(axis=0)
    if not np.abs(found).any() or not scatter.all():
        return 0.0
    lags = np.arange(-LARGEST_PX, LARGEST_PX + 0.01, 0.02)
    # lines displaced by o carry exp(-i k o) against their neighbours
    phases = np.exp(1j * np.outer(lags, k[band]))

    def best_lag(mean: NDArray[np.complexfloating]) -> float:
        match = (phases * (mean * np.abs(mean) / scatter**2)).real.sum(axis=1)
        return float(lags[int(np.argmax(match))])

    best = best_lag(found.mean(axis=0))
    # sparse cells lie askew by chance, and differently in groups of frames
    groups = [best_lag(found[i::GROUPS].mean(axis=0)) for i in range(GROUPS)]
    error = float(np.std(groups)) / np.sqrt(GROUPS - 1)
    certain = error < LARGEST_ERROR_PX and abs(best) > 6 * error
    return best if certain and WORTH_CORRECTING_PX <= abs(best) < LARGEST_PX else 0.0
