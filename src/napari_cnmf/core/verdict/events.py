"""Images of each component's events: the movie in its events less that before them.

A footprint is what the fit made of it; its events are what the movie shows. A soma's events are a
soma; those of a piece of dendrite go on beyond the piece, those of neuropil have no edge, and what
motion makes is as dark on one side as it is bright on the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# ruff: noqa: PLR0917 (what a run hands over comes by position)
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.verdict.rvalues import (
    FrameSums,
    activity_frames,
    highest_peaks,
    own_frames,
)

REACH_GSIG = 3.0
"""Half-width of the windows that are looked at, in gSig: a cell and what is around it."""
_EVENT_DECAYS = 0.7
"""Length of an event that is looked at, in decay times: there the light is above half."""
_LEAD_S = 0.17
"""Frames before an event end so long before its peak, as CaImAn's do."""


def window_width(g_sig: tuple[float, ...]) -> int:
    """Side of the squares that are looked at around components, in pixels."""
    return 2 * math.ceil(REACH_GSIG * max(g_sig[-2:])) + 1


@dataclass(frozen=True, eq=False)
class Windows:
    """A square of pixels around each component, of its plane.

    Attributes
    ----------
    indptr, indices
        Pixels of the field that lie in each window, C order.
    place
        Where each of ``indices`` lies in its window, flat.
    width
        Side of the window in pixels.
    centre
        ``(n, 2)``: the pixel in the middle.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    place: NDArray[np.int64]
    width: int
    centre: NDArray[np.int64]

    @classmethod
    def around(cls, A: sp.csc_matrix, dims: tuple[int, ...], g_sig: tuple[float, ...]) -> Windows:
        """Make windows around the energy-weighted centres of footprints ``(n_pixels, n)``."""
        n = A.shape[1]
        owner = np.repeat(np.arange(n), np.diff(A.indptr))
        energy = A.data.astype(np.float64) ** 2
        total = np.maximum(np.bincount(owner, energy, n), 1e-300)
        at = np.unravel_index(A.indices, dims)
        middle = [np.rint(np.bincount(owner, energy * a, n) / total).astype(np.int64) for a in at]
        z = middle[0] if len(dims) == 3 else np.zeros(n, np.int64)
        y, x = middle[-2:]
        half = window_width(g_sig) // 2
        step = np.arange(-half, half + 1)
        rows, columns = y[:, None] + step, x[:, None] + step
        inside = ((rows >= 0) & (rows < dims[-2]))[:, :, None]
        inside = inside & ((columns >= 0) & (columns < dims[-1]))[:, None]
        flat = (z[:, None] * dims[-2] + rows)[:, :, None] * dims[-1] + columns[:, None]
        area = len(step) ** 2
        inside, flat = inside.reshape(n, area), flat.reshape(n, area)
        indptr = np.append(0, np.cumsum(inside.sum(1)))
        place = np.nonzero(inside)[1]
        return cls(indptr, flat[inside], place, 2 * half + 1, np.stack([y, x], 1))

    def fill(self, values: NDArray[np.floating], outside: float = 0.0) -> NDArray[np.float32]:
        """Values of the pixels of all windows as images ``(n, width, width)``."""
        n = len(self.centre)
        out = np.full((n, self.width**2), outside, np.float32)
        out[np.repeat(np.arange(n), np.diff(self.indptr)), self.place] = values
        return out.reshape(n, self.width, self.width)

    def part(self, start: int, stop: int) -> Windows:
        """Windows of consecutive components."""
        some = slice(self.indptr[start], self.indptr[min(stop, len(self.centre))])
        indptr = self.indptr[start : stop + 1] - self.indptr[start]
        return Windows(
            indptr, self.indices[some], self.place[some], self.width, self.centre[start:stop]
        )


class EventImages:
    """The sums that images of events are made from, and the images.

    Parameters
    ----------
    A, C
        Footprints with sorted indices, and traces.
    decay_frames
        Decay time of the indicator in frames.

    Attributes
    ----------
    peaks
        Frames of the highest peaks of each trace.
    """

    def __init__(
        self,
        A: sp.csc_matrix,
        C: NDArray[np.floating],
        windows: Windows,
        frame_rate_hz: float,
        decay_frames: float,
        workers: Workers,
    ) -> None:
        n_frames, self._windows = C.shape[1], windows
        length = max(1, math.ceil(_EVENT_DECAYS * decay_frames))
        lead = max(2, math.ceil(_LEAD_S * frame_rate_hz))
        self.peaks = highest_peaks(C, workers)
        active = activity_frames(self.peaks, 0, length, n_frames)
        during = own_frames(A, active, n_frames, workers)
        before = activity_frames(self.peaks, -lead - length, -lead, n_frames)
        quiet = [
            np.setdiff1d(b, a, assume_unique=True) for a, b in zip(active, before, strict=True)
        ]
        pixels = windows.indptr, windows.indices
        self._during = FrameSums.over(*pixels, during)
        self._before = FrameSums.over(*pixels, quiet)

    @property
    def wanted(self) -> tuple[FrameSums, FrameSums]:
        """Sums that the images need, for :func:`napari_cnmf.core.verdict.rvalues.sum_frames`."""
        return self._during, self._before

    def images(self, sn: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Images of the light in events above that before, in noise of a pixel and a frame.

        Parameters
        ----------
        sn
            Noise of each pixel ``(n_pixels,)``; 0 where a pixel takes no part.

        Returns
        -------
        images
            ``(n, width, width)``, NaN where there is no pixel that takes part, all NaN for a
            component without events or without frames before them.
        error
            Standard deviation of their pixels ``(n,)``.
        """
        n, n_before = self._during.n_frames, self._before.n_frames
        owner = np.repeat(np.arange(len(n)), np.diff(self._windows.indptr))
        noise = np.asarray(sn, float)[self._windows.indices]
        with np.errstate(divide="ignore", invalid="ignore"):
            light = self._during.sums / n[owner] - self._before.sums / n_before[owner]
            light = np.where(noise > 0, light / noise, np.nan)
            error = np.sqrt(1 / n + 1 / n_before)
        return self._windows.fill(light, np.nan), error
