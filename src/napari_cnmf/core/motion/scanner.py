"""Bidirectional scanning: lines of the way back stand beside those of the way there.

Every second line is displaced along x, by a constant or by an offset that changes as the scanner
warms up or is set anew. It does not depend on the motion: lines that are neighbours in one frame
show it, whatever the frame shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from napari_cnmf.core.motion.apply import store, value_range
from napari_cnmf.core.motion.warp_kernels import shift_frames
from napari_cnmf.core.movie.source import FrameSource

F32 = NDArray[np.float32]

SAMPLE_FRAMES = 120
LARGEST_PX = 8.0
WORTH_CORRECTING_PX = 0.25
"""Smaller offsets blur less than shifting the lines would."""
LARGEST_ERROR_PX = 0.06
GROUPS = 6
"""Interleaved groups of frames, whose scatter is the error, and consecutive parts of the movie."""
CHANGE_SD = 4.0
"""Scatter of the parts' offsets, in units of their error, from which on the offset changes."""


@dataclass(frozen=True, eq=False)
class LineOffset:
    """Displacement of the odd lines along x.

    Attributes
    ----------
    px
        ``(T,)`` of each frame; 0 where it is not certain, or too small to be worth it.
    """

    px: NDArray[np.float64]

    @property
    def is_there(self) -> bool:
        """Whether any line is to be moved."""
        return bool(self.px.any())

    @property
    def changes(self) -> bool:
        """Whether the offset is not the same in all frames."""
        return bool(np.ptp(self.px) > 0)

    @property
    def typical_px(self) -> float:
        """The median over frames."""
        return float(np.median(self.px))


class AlignedLines:
    """A movie with its odd lines moved back by ``offset_px (T,)`` along x."""

    def __init__(self, source: FrameSource, offset_px: NDArray[np.float64]) -> None:
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
        shifts[:, 2] = self._offset_px[start:stop]
        moved = np.empty_like(odd)
        fill = np.zeros(len(frames), np.float32)
        shift_frames(odd, shifts, fill, *value_range(np.dtype(self.dtype)), True, moved)
        rows = frames[..., 1::2, :]
        store(moved.reshape(rows.shape), rows)
        return frames


def find_line_offset(source: FrameSource) -> LineOffset:
    """Find how far the odd lines of each frame are displaced along x, in pixels."""
    n_frames, n_rows, n_columns = source.shape[0], source.shape[-2], source.shape[-1]
    nothing = LineOffset(np.zeros(n_frames))
    if n_rows < 16 or n_columns < 16:
        return nothing
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
        return nothing
    found = np.array(cross)
    scatter = found.std(axis=0)
    if not np.abs(found).any() or not scatter.all():
        return nothing
    lags = np.arange(-LARGEST_PX, LARGEST_PX + 0.01, 0.02)
    # lines displaced by o carry exp(-i k o) against their neighbours
    phases = np.exp(1j * np.outer(lags, k[band]))

    def best_lag(mean: NDArray[np.complexfloating]) -> float:
        match = (phases * (mean * np.abs(mean) / scatter**2)).real.sum(axis=1)
        return float(lags[int(np.argmax(match))])

    changing = _changing_offset(found, rows, n_frames, best_lag)
    if changing is not None:
        return LineOffset(changing)
    best = best_lag(found.mean(axis=0))
    # sparse cells lie askew by chance, and differently in groups of frames
    groups = [best_lag(found[i::GROUPS].mean(axis=0)) for i in range(GROUPS)]
    error = float(np.std(groups)) / np.sqrt(GROUPS - 1)
    certain = error < LARGEST_ERROR_PX and abs(best) > 6 * error
    is_worth_it = certain and WORTH_CORRECTING_PX <= abs(best) < LARGEST_PX
    return LineOffset(np.full(n_frames, best)) if is_worth_it else nothing


def _changing_offset(
    cross: NDArray[np.complexfloating],
    rows: NDArray[np.int64],
    n_frames: int,
    best_lag: Callable[[NDArray[np.complexfloating]], float],
) -> NDArray[np.float64] | None:
    """Offset of each frame ``(T,)`` between those of consecutive parts, if these differ.

    Interleaved halves of a part tell its error, as nothing that changes slowly differs in them.
    """
    parts = np.array_split(np.arange(len(rows)), GROUPS)
    offsets = np.array([best_lag(cross[part].mean(axis=0)) for part in parts])
    halves = np.array(
        [[best_lag(cross[part[i::2]].mean(axis=0)) for i in range(2)] for part in parts]
    )
    error = float(np.sqrt(np.mean(np.diff(halves, axis=1) ** 2))) / 2
    is_certain = error < LARGEST_ERROR_PX and np.abs(offsets).max() < LARGEST_PX
    if not is_certain or np.ptp(offsets) < WORTH_CORRECTING_PX:
        return None
    if offsets.std() < CHANGE_SD * error:
        return None
    middles = [float(rows[part].mean()) for part in parts]
    return np.asarray(np.interp(np.arange(n_frames), middles, offsets))
