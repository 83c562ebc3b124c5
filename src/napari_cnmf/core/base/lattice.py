"""The sites at which something is looked for, and what they see: a matched filter in space.

A Gaussian of half a cell's size, kept only at every so many pixels; along each axis in turn.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position)

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.threads import Workers

SMOOTHING = 0.5
"""Standard deviation of the matched filter in gSig."""
_BAND = 64
"""Lines of sites of a strip that a thread filters."""
_ROOM = 1 << 20
"""Bytes that it works on at a time; they decide how wide the strip is."""


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
    g_sig
        Half-width of a cell along (Z, Y, X) in pixels.
    """

    step: tuple[int, int, int]
    shape: tuple[int, int, int]
    taps: tuple[NDArray[np.float32], ...]
    g_sig: tuple[float, float, float]

    @classmethod
    def over(cls, field: Field) -> Lattice:
        """Return the lattice of sites over a field."""
        step, taps = [], []
        for g in field.g_sig:
            sigma = SMOOTHING * g
            step.append(max(1, math.floor(sigma)))
            half = math.ceil(2 * sigma) if sigma > 0 else 0
            tap = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma, 1e-6)) ** 2)
            taps.append((tap / np.sqrt((tap**2).sum())).astype(np.float32))
        shape = [math.ceil(n / s) for n, s in zip(field.shape, step, strict=True)]
        return cls(
            (step[0], step[1], step[2]), (shape[0], shape[1], shape[2]), tuple(taps), field.g_sig
        )

    @property
    def half(self) -> tuple[int, int, int]:
        """Half-width of the filter along (Z, Y, X), in pixels."""
        h = [len(tap) // 2 for tap in self.taps]
        return h[0], h[1], h[2]

    def along(self, axis: int, n_pixels: int) -> sp.csc_matrix:
        """Filter along one axis as a matrix, ``(n_sites, n_pixels)`` float32."""
        sites = self.step[axis] * np.arange(self.shape[axis])
        return sp.csc_matrix(_at_lag(self.taps[axis], np.arange(n_pixels) - sites[:, None]))

    def seen(self, factors: Factors) -> Factors:
        """Components as the sites see them, in boxes of sites."""
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
        """First site that sees each box ``(n,)``, and how it and the next weigh the pixels.

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
        """Filter weights by axis and width of a box, kept once they were computed."""
        return {}

    def to_pixels(
        self, values: NDArray[np.float32], shape: tuple[int, int, int]
    ) -> NDArray[np.float32]:
        """Values of the sites, repeated over the pixels of a field of ``shape``."""
        image = values.reshape(self.shape)
        for axis, step in enumerate(self.step):
            image = np.repeat(image, step, axis)
        return np.ascontiguousarray(image[: shape[0], : shape[1], : shape[2]])


@kernel(
    "void(float32[:, :, ::1], float32[::1], float32[::1], int64, int64, "
    "int64, int64, int64, int64, float32[:, ::1], float32[:, ::1])"
)
def _filter_strip(
    plane: NDArray[np.float32],
    along_y: NDArray[np.float32],
    along_x: NDArray[np.float32],
    step_y: int,
    step_x: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
    out: NDArray[np.float32],
    lines: NDArray[np.float32],
) -> None:
    """Add a plane ``(Y, X, n_bins)``, filtered, to some sites.

    ``out (sy, sx n_bins)`` takes the sites ``top`` to ``bottom`` and ``left`` to ``right``. Four
    lines of pixels at a time are filtered along X, then added to the lines of sites around: all
    that is worked on stays in the cache; ``lines (4, sites n_bins)`` is room to work in.
    """
    n_y, n_x, n_bins = plane.shape
    half_y, half_x = len(along_y) // 2, len(along_x) // 2
    zero, weights = np.float32(0.0), np.empty(4, np.float32)
    first, last = left * n_bins, right * n_bins
    for y in range(max(0, top * step_y - half_y), min(n_y, (bottom - 1) * step_y + half_y + 1), 4):
        for i in range(4):
            lines[i] = 0.0
            if y + i >= n_y:
                continue
            pixels = plane[y + i]
            for x in range(left, right):
                target = lines[i, (x - left) * n_bins : (x - left + 1) * n_bins]
                start, stop = max(0, x * step_x - half_x), min(n_x, x * step_x + half_x + 1)
                tap = half_x - x * step_x
                # Two at a time: the target is read and written half as often.
                for j in range(start, stop, 2):
                    k = min(j + 1, stop - 1)
                    v, w = along_x[tap + j], along_x[tap + k] if k > j else zero
                    a, b = pixels[j], pixels[k]
                    for t in range(n_bins):
                        target[t] += v * a[t] + w * b[t]
        nearest = -((half_y - y) // step_y)
        for site in range(max(top, nearest), min(bottom, (y + 3 + half_y) // step_y + 1)):
            for i in range(4):
                tap = y + i - site * step_y + half_y
                weights[i] = along_y[tap] if 0 <= tap < len(along_y) else zero
            target = out[site, first:last]
            a, b, c, d = lines[0], lines[1], lines[2], lines[3]
            p, q, r, s = weights[0], weights[1], weights[2], weights[3]
            for t in range(len(target)):
                target[t] += p * a[t] + q * b[t] + r * c[t] + s * d[t]


def filter_residual(
    R: NDArray[np.float32],
    lattice: Lattice,
    workers: Workers,
    room: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The residual smoothed in space at the sites of ``lattice``, ``(sz, sy, sx, n_bins)``.

    ``room``, of that size, takes it if there is one.
    """
    n_z, n_bins = R.shape[0], R.shape[-1]
    _, n_lines, n_sites = lattice.shape
    shape = (*lattice.shape, n_bins)
    F = np.empty(shape, np.float32) if room is None else room.reshape(shape)
    lines_of_sites = F.reshape(*lattice.shape[:2], -1)
    near_z = lattice.along(0, n_z)
    in_reach = 4 + 2 * lattice.half[1] // lattice.step[1] + 4
    width = int(np.clip(_ROOM // (4 * n_bins * in_reach), 4, max(4, n_sites)))
    strips = [
        (y, min(y + _BAND, n_lines), x, min(x + width, n_sites))
        for y in range(0, n_lines, _BAND)
        for x in range(0, n_sites, width)
    ]

    def work(strip: tuple[int, int, int, int]) -> None:
        top, bottom, left, right = strip
        F[:, top:bottom, left:right] = 0
        lines = np.empty((4, (right - left) * n_bins), np.float32)
        for z in range(n_z):
            for k in range(near_z.indptr[z], near_z.indptr[z + 1]):
                _filter_strip(
                    R[z], near_z.data[k] * lattice.taps[1], lattice.taps[2],
                    *lattice.step[1:], *strip, lines_of_sites[near_z.indices[k]], lines,
                )  # fmt: skip

    workers.map(work, strips)
    return F


def _at_lag(tap: NDArray[np.float32], lag: NDArray[np.int64]) -> NDArray[np.float32]:
    """Value of the filter at whole distances from its middle, 0 beyond its ends."""
    at = lag + len(tap) // 2
    return np.where((at >= 0) & (at < len(tap)), tap[at.clip(0, len(tap) - 1)], np.float32(0))
