"""Displaces a rendered field, rigidly or not, without losing its detail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_BEYOND_REACH_PX = 8
_BEYOND_REACH_PLANES = 3


@dataclass(frozen=True, eq=False)
class Warp:
    """A smooth field of displacements: cubic B-splines on an even grid of nodes.

    Attributes
    ----------
    coefficients
        ``(T, nodes_y, nodes_x, 2)`` in px, of the splines.
    nodes_y, nodes_x
        Where the nodes stand, in px of the field.
    """

    coefficients: NDArray[np.float32]
    nodes_y: NDArray[np.float64]
    nodes_x: NDArray[np.float64]

    def at(
        self, rows: NDArray[np.float64], cols: NDArray[np.float64], frames: slice = slice(None)
    ) -> NDArray[np.float32]:
        """Displacements ``(n_frames, 2, n_rows, n_cols)`` in px at ``rows`` x ``cols`` (px).

        What is seen at a place comes from that place minus its displacement.
        """
        from napari_cnmf.testing._sampling import spline_basis

        basis_y, basis_x = spline_basis(rows, self.nodes_y), spline_basis(cols, self.nodes_x)
        nodes = self.coefficients[frames]
        n_frames, n_y, n_x, _ = nodes.shape
        # Sparse products: four splines reach a place, and BLAS would start threads of its own.
        along_y = basis_y @ np.moveaxis(nodes, 1, 0).reshape(n_y, -1)
        lines = along_y.reshape(len(rows), n_frames, n_x, 2)
        along_x = basis_x @ np.moveaxis(lines, 2, 0).reshape(n_x, -1)
        return np.ascontiguousarray(
            along_x.reshape(len(cols), len(rows), n_frames, 2).transpose(2, 3, 1, 0)
        )


@dataclass(frozen=True, eq=False)
class Motion:
    """Displacements of every frame; ``Truth.shifts`` says which way they point."""

    shifts: NDArray[np.float64]
    warp: Warp | None = None
    bidirectional_offset_px: float = 0.0

    @cached_property
    def rigid(self) -> bool:
        """Whether there is any rigid motion."""
        return bool(np.any(self.shifts))

    @property
    def moves(self) -> bool:
        """Whether anything is displaced at all."""
        return self.rigid or self.warp is not None or self.bidirectional_offset_px != 0

    @property
    def reach(self) -> tuple[int, ...]:
        """Surround per axis that must be rendered so that nothing from outside is missing."""
        ndim = int(self.shifts.shape[1])
        if not self.moves:
            return (0,) * ndim
        reach = [float(r) for r in np.abs(self.shifts).max(axis=0, initial=0.0)]
        within = max(reach[-2:]) + abs(self.bidirectional_offset_px)
        if self.warp is not None:
            within += float(np.abs(self.warp.coefficients).max(initial=0.0))
        plane = int(np.ceil(within)) + _BEYOND_REACH_PX
        axial = tuple(int(np.ceil(r)) + _BEYOND_REACH_PLANES if r else 0 for r in reach[:-2])
        return (*axial, plane, plane)

    def view(
        self, tissue: NDArray[np.float32], t: int, pad: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """View the padded field ``([Z], Y, X)`` as the microscope sees it in frame ``t``."""
        seen = tissue
        if self.warp is not None:
            seen = self._warped(tissue, t, pad)
        elif self.rigid:
            seen = fourier_shift(tissue, self.shifts[t])
        if self.bidirectional_offset_px:
            offset = np.zeros(tissue.ndim)
            offset[-1] = self.bidirectional_offset_px
            # Parity counts from the first line of the field, whatever the surround.
            odd = slice((pad[-2] + 1) % 2, None, 2)
            seen = seen.copy()
            seen[..., odd, :] = fourier_shift(seen, offset)[..., odd, :]
        return seen

    def _warped(
        self, tissue: NDArray[np.float32], t: int, pad: tuple[int, ...]
    ) -> NDArray[np.float32]:
        """Cubic B-spline sampling of the places that are displaced to each pixel."""
        # Here, because importing compiles (or loads) the kernel.
        from napari_cnmf.testing._sampling import sample, spline_coefficients

        assert self.warp is not None
        rows, cols = (np.arange(n) - float(p) for n, p in zip(tissue.shape, pad, strict=True))
        moved = self.warp.at(rows, cols, slice(t, t + 1))[0]
        moved += self.shifts[t].astype(np.float32)[:, None, None]
        seen = np.empty(tissue.shape, dtype=np.float32)
        sample(spline_coefficients(tissue), moved[0], moved[1], seen)
        return seen


def fourier_shift(image: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """Shift the image by ``shift`` px along each axis, exact for what is band-limited."""
    spectrum = scipy.fft.rfftn(image)
    for axis, amount in enumerate(shift):
        n = image.shape[axis]
        last = axis == image.ndim - 1
        frequency = np.fft.rfftfreq(n) if last else np.fft.fftfreq(n)
        phase = np.exp(-2j * np.pi * frequency * amount)
        if n % 2 == 0:
            # The Nyquist term has no sign: what is left of it in a real image.
            phase[n // 2] = np.cos(np.pi * amount)
        shape = [1] * image.ndim
        shape[axis] = -1
        spectrum *= phase.astype(np.complex64).reshape(shape)
    moved = scipy.fft.irfftn(spectrum, s=image.shape, overwrite_x=True)
    return np.asarray(moved, dtype=np.float32)
