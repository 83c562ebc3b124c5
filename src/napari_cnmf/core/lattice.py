"""The sites at which something is looked for, and what they see: a matched filter in space.

A Gaussian of half a cell's size, kept only at every so many pixels; along each axis in turn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.geometry import Field
from napari_cnmf.core.rows import add_matrix_product

SMOOTHING = 0.5
"""Standard deviation of the matched filter in gSig."""
_LINES = 4
"""Lines of pixels, at least, that are filtered before they are added to the sites around."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Sites on which the filtered residual is kept.

    Attributes
    ----------
    step
        Pixels between sites along (Z, Y, X).
    shape
        Number of sites along (Z, Y, X).
    taps
        Filter along each axis, ``(2 h + 1,)`` float32, sum of squares 1.
    """

    step: tuple[int, int, int]
    shape: tuple[int, int, int]
    taps: tuple[NDArray[np.float32], ...]

    @classmethod
    def over(cls, field: Field) -> Lattice:
        step, taps = [], []
        for g in field.g_sig:
            sigma = SMOOTHING * g
            step.append(max(1, math.floor(sigma)))
            half = math.ceil(2 * sigma) if sigma > 0 else 0
            tap = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma, 1e-6)) ** 2)
            taps.append((tap / np.sqrt((tap**2).sum())).astype(np.float32))
        shape = [math.ceil(n / s) for n, s in zip(field.shape, step, strict=True)]
        return cls((step[0], step[1], step[2]), (shape[0], shape[1], shape[2]), tuple(taps))

    @property
    def half(self) -> tuple[int, int, int]:
        h = [len(tap) // 2 for tap in self.taps]
        return h[0], h[1], h[2]

    def along(self, axis: int, n_pixels: int) -> sp.csc_matrix:
        """The filter along an axis, ``(n_sites, n_pixels)`` float32."""
        sites = self.step[axis] * np.arange(self.shape[axis])
        return sp.csc_matrix(_at_lag(self.taps[axis], np.arange(n_pixels) - sites[:, None]))

    def seen(self, factors: Factors) -> Factors:
        """The same components as the sites see them, in boxes of sites."""
        weights, first = factors.foot, np.empty_like(factors.corner)
        for axis in range(3):
            first[:, axis], share = self._seen_along(
                axis, factors.corner[:, axis], weights.shape[1]
            )
            # The first axis of a box is filtered and put last: after three they are in order.
            weights = np.matmul(np.moveaxis(weights, 1, -1), share[:, None])
        out = Factors(first, weights, factors.C)
        return replace(out, foot=np.where(out.in_field(self.shape), weights, np.float32(0)))

    def _seen_along(
        self, axis: int, corner: NDArray[np.int64], box: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """First site that sees a box ``(n,)``, and what it and the next see of its pixels.

        The latter is ``(n, box, n_sites)``.
        """
        step, tap = self.step[axis], self.taps[axis]
        half = len(tap) // 2
        first, phase = np.divmod(corner - half, step)
        # Boxes that begin alike between two sites are seen alike.
        share = self._shares.get((axis, box))
        if share is None:
            sites = np.arange((box + 2 * half - 2) // step + 2)
            pixels = half + np.arange(step)[:, None] + np.arange(box)
            share = self._shares[axis, box] = _at_lag(tap, pixels[:, :, None] - step * sites)
        return first, share[phase]

    @cached_property
    def _shares(self) -> dict[tuple[int, int], NDArray[np.float32]]:
        """Filters by axis and width of a box, once they are known."""
        return {}

    def to_pixels(
        self, values: NDArray[np.float32], shape: tuple[int, int, int]
    ) -> NDArray[np.float32]:
        """Values of the sites, repeated over the pixels of a field of ``shape``."""
        image = values.reshape(self.shape)
        for axis, step in enumerate(self.step):
            image = np.repeat(image, step, axis)
        return np.ascontiguousarray(image[: shape[0], : shape[1], : shape[2]])


def filter_residual(
    R: NDArray[np.float32], lattice: Lattice, workers: Workers
) -> NDArray[np.float32]:
    """The residual smoothed in space at the sites of ``lattice``, ``(sz, sy, sx, n_bins)``.

    Some lines of pixels at a time are filtered along X and added to the lines of sites around
    them: the residual is read once, and no filtered copy of it is kept.
    """
    n_z, n_y, n_x, n_bins = R.shape
    F = np.zeros((*lattice.shape, n_bins), np.float32)
    lines_of_sites = F.reshape(*lattice.shape[:2], -1)
    step, half = lattice.step[1], lattice.half[1]
    n_lines = step * math.ceil(_LINES / step)
    near_z, over_x = lattice.along(0, n_z), lattice.along(2, n_x)
    # Sites are steps apart, blocks of lines whole steps: all lie alike between them.
    first_site = -(half // step)
    sites = np.arange(first_site, (n_lines - 1 + half) // step + 1)
    along_y = _at_lag(lattice.taps[1], np.arange(n_lines) - step * sites[:, None])

    @cache
    def along_x(n: int) -> sp.csr_matrix:
        return sp.csr_matrix(sp.block_diag([over_x] * n, dtype=np.float32))

    @cache
    def to_sites(low: int, high: int, share: float) -> sp.csr_matrix:
        return sp.csr_matrix(along_y[low:high] * np.float32(share))

    def work(start: int, stop: int) -> None:
        lines = np.zeros((n_lines, F[0, 0].size), np.float32)
        for y in range(0, n_y, n_lines):
            first = y // step + first_site
            low, high = max(first, start), min(first + len(sites), stop)
            if low >= high:
                continue
            for z in range(n_z):
                part = R[z, y : y + n_lines]
                lines[:] = 0
                add_matrix_product(
                    along_x(len(part)), part.reshape(-1, n_bins), lines.reshape(-1, n_bins)
                )
                for k in range(near_z.indptr[z], near_z.indptr[z + 1]):
                    matrix = to_sites(low - first, high - first, float(near_z.data[k]))
                    add_matrix_product(matrix, lines, lines_of_sites[near_z.indices[k], low:high])

    workers.ranges(work, lattice.shape[1], max(8, lattice.shape[1] // 16))
    return F


def _at_lag(tap: NDArray[np.float32], lag: NDArray[np.int64]) -> NDArray[np.float32]:
    """The filter at whole distances from its middle, 0 beyond its ends."""
    at = lag + len(tap) // 2
    return np.where((at >= 0) & (at < len(tap)), tap[at.clip(0, len(tap) - 1)], np.float32(0))
