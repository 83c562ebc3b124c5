"""Truth of a simulated recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.testing._displacement import Warp


@dataclass(frozen=True, eq=False)
class Truth:
    """True footprints, traces and motion, by which an engine is judged.

    Attributes
    ----------
    A
        Footprints, sparse CSC ``(n_pixels, K)`` float32, peak 1, C-order pixels of ``dims``, where
        the tissue stands at zero shift. Empty for a cell whose every pixel lies outside the field.
    C
        Fluorescence above rest ``(K, T)`` float32, in units, before bleaching and flicker.
    S
        Events ``(K, T)`` float32, in the units of C.
    dims
        Field ``([Z], Y, X)`` in px.
    frame_rate_hz
        Frames per second.
    shifts
        Where the tissue stands in each frame ``(T, ndim)`` in px: content at ``p`` in the reference
        is seen at ``p + shifts[t]``. A registration applies the negative.
    centers
        ``(K, ndim)`` in px of the field.
    radius_px, rise_time_s, decay_time_s
        ``(K,)``.
    kind
        ``(K,)``: filled, nucleus-excluded, ...
    detectable
        ``(K,)`` bool: the cell lies in the field and has at least one event. The others cannot be
        found by activity; whether they count is the caller's choice in ``score``.
    snr
        Peak of the cell's trace over the noise of an ideal observer who knows footprint and
        background, for one frame, ``(K,)``.
    background
        Resting fluorescence ``(n_pixels,)`` of the reference.
    b, f
        Active background ``(n_pixels, nb)`` and ``(nb, T)``.
    processes
        Footprints of what is active in the field but no cell, CSC ``(n_pixels, n_processes)``;
        ``process_traces`` are ``(n_processes, T)``.
    brightness
        What bleaching, drift and flicker multiply each frame by, ``(T,)``.
    frame_fault
        ``(T,)`` str: empty for a sound frame, else black, flash, noise, saturated.
    warp
        Non-rigid displacements on top of the shifts: coefficients of cubic B-splines
        ``(T, nodes_y, nodes_x, 2)`` in px on nodes at ``warp_nodes_y, warp_nodes_x`` (px of the
        field); of size 0 without. ``displacements`` evaluates them.
    """

    A: sp.csc_matrix
    C: NDArray[np.float32]
    S: NDArray[np.float32]
    dims: tuple[int, ...]
    frame_rate_hz: float
    shifts: NDArray[np.float64]
    centers: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    rise_time_s: NDArray[np.float64]
    decay_time_s: NDArray[np.float64]
    kind: NDArray[np.str_]
    detectable: NDArray[np.bool_]
    snr: NDArray[np.float64]
    background: NDArray[np.float32]
    b: NDArray[np.float32]
    f: NDArray[np.float32]
    processes: sp.csc_matrix
    process_traces: NDArray[np.float32]
    brightness: NDArray[np.float64]
    frame_fault: NDArray[np.str_]
    warp: NDArray[np.float32]
    warp_nodes_y: NDArray[np.float64]
    warp_nodes_x: NDArray[np.float64]

    @property
    def n_cells(self) -> int:
        """Number of true cells."""
        return int(self.C.shape[0])

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.C.shape[1])

    def displacements(
        self, rows: NDArray[np.float64], cols: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute shifts and warp at ``rows`` x ``cols`` (px): ``(T, n_rows, n_cols, 2)``."""
        grid = np.zeros((self.n_frames, len(rows), len(cols), 2))
        grid += self.shifts[:, None, None, -2:]
        if self.warp.size:
            warp = Warp(self.warp, self.warp_nodes_y, self.warp_nodes_x)
            grid += np.moveaxis(warp.at(rows, cols), 1, -1)
        return grid

    def to_components(self) -> Components:
        """The truth in the shape of a result: what a perfect engine would return."""
        return Components(
            A=self.A,
            C=self.C,
            S=self.S,
            dims=self.dims,
            b=self.b,
            f=self.f,
            frame_rate_hz=self.frame_rate_hz,
        )
