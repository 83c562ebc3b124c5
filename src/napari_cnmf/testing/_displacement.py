"""Displaces a rendered field, rigidly or not, without losing its detail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import inline_kernel, kernel


def spline_coefficients(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coefficients of the periodic cubic B-spline through the pixels of a 2D image."""
    spectrum = scipy.fft.rfft2(image)
    for axis, n in enumerate(image.shape):
        frequency = np.fft.rfftfreq(n) if axis == 1 else np.fft.fftfreq(n)
        # Transform of the spline's values at the pixels: 1/6, 4/6, 1/6.
        answer = ((4 + 2 * np.cos(2 * np.pi * frequency)) / 6).astype(np.float32)
        spectrum /= answer[:, None] if axis == 0 else answer
    smooth = scipy.fft.irfft2(spectrum, s=image.shape, overwrite_x=True)
    return np.ascontiguousarray(smooth, dtype=np.float32)


@inline_kernel()
def _taps(f: Any) -> Any:
    """Weights of the four cubic B-splines around a place ``f`` past a pixel."""
    one, sixth = np.float32(1), np.float32(1 / 6)
    g = one - f
    first = g * g * g * sixth
    last = f * f * f * sixth
    second = (np.float32(4) - np.float32(6) * f * f + np.float32(3) * f * f * f) * sixth
    return first, second, one - first - second - last, last


@kernel("void(f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1])")
def sample(coefficients: Any, move_y: Any, move_x: Any, out: Any) -> None:
    """Sample ``out[y, x] = image(y - move_y[y, x], x - move_x[y, x])``, all of one shape.

    Places nearer than 2 px to the border, or beyond it, take the value there.
    """
    n_rows, n_cols = coefficients.shape
    bottom, right = np.float32(n_rows - 3), np.float32(n_cols - 3)
    for y in range(n_rows):
        for x in range(n_cols):
            at_y = min(max(np.float32(y) - move_y[y, x], np.float32(1)), bottom)
            at_x = min(max(np.float32(x) - move_x[y, x], np.float32(1)), right)
            row, col = int(at_y), int(at_x)
            y0, y1, y2, y3 = _taps(at_y - np.float32(row))
            x0, x1, x2, x3 = _taps(at_x - np.float32(col))
            total = np.float32(0)
            for i, weight in enumerate((y0, y1, y2, y3)):
                line = coefficients[row + i - 1]
                total += weight * (
                    x0 * line[col - 1] + x1 * line[col] + x2 * line[col + 1] + x3 * line[col + 2]
                )
            out[y, x] = total


def spline_basis(at: NDArray[np.float64], nodes: NDArray[np.float64]) -> sp.csr_matrix:
    """Values ``(n_at, n_nodes)`` at places of the cubic B-splines that sit on even nodes."""
    u = np.abs((at[:, None] - nodes[None, :]) / (nodes[1] - nodes[0]))
    near = (4 - 6 * u**2 + 3 * u**3) / 6
    far = np.maximum(2 - u, 0) ** 3 / 6
    return sp.csr_matrix(np.where(u < 1, near, far).astype(np.float32))


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
