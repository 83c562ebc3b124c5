"""Components while they are estimated: footprints in boxes, traces of bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.base.rows import Columns
from napari_cnmf.core.base.threads import Workers

BOX = 2.0
"""Half-width of the box a component is searched in, in gSig."""
GROWTH = 4
"""Pixels that a footprint may grow beyond it, one for each dilation."""
_AT_ONCE = 64
"""Footprints that a thread looks at together."""


@dataclass(frozen=True, eq=False)
class Factors:
    """Footprints and traces of the whitened model ``R + A C``.

    Attributes
    ----------
    corner
        First pixel of each box along (Z, Y, X), ``(n, 3)`` int64; may lie outside the field.
    foot
        Footprints in their boxes ``(n, bz, by, bx)`` float32, 0 outside the field.
    C
        Traces of bins ``(n, n_bins)`` float32.
    """

    corner: NDArray[np.int64]
    foot: NDArray[np.float32]
    C: NDArray[np.float32]

    @classmethod
    def empty(cls, reach: tuple[int, int, int], n_bins: int) -> Factors:
        """Return a set without components: boxes of half-width ``reach`` px, ``n_bins`` bins."""
        box = tuple(2 * r + 1 for r in reach)
        return cls(
            np.zeros((0, 3), np.int64),
            np.zeros((0, *box), np.float32),
            np.zeros((0, n_bins), np.float32),
        )

    def __len__(self) -> int:
        return len(self.corner)

    @property
    def reach(self) -> tuple[int, int, int]:
        """Half-width of the boxes along (Z, Y, X), in pixels."""
        bz, by, bx = self.foot.shape[1:]
        return bz // 2, by // 2, bx // 2

    @property
    def centres(self) -> NDArray[np.int64]:
        """Box centres in pixels ``(n, 3)``."""
        return np.asarray(self.corner + np.array(self.reach), np.int64)

    @property
    def flat(self) -> NDArray[np.float32]:
        """Footprints as rows ``(n, bz by bx)``, the same memory."""
        return self.foot.reshape(len(self), math.prod(self.foot.shape[1:]))

    def centroids(self) -> NDArray[np.float64]:
        """Energy-weighted centres of the footprints in pixels ``(n, 3)``."""
        energy = self.foot.astype(np.float64) ** 2
        total = np.maximum(energy.sum((1, 2, 3)), 1e-30)
        out = np.empty((len(self), 3))
        for axis in range(3):
            others = tuple(a for a in (1, 2, 3) if a != axis + 1)
            profile = energy.sum(others)
            out[:, axis] = profile @ np.arange(profile.shape[1]) / total
        return out + self.corner

    def take(self, ids: NDArray[np.integer] | NDArray[np.bool_]) -> Factors:
        """Copy some of the components."""
        return Factors(self.corner[ids], self.foot[ids], self.C[ids])

    def part(self, start: int, stop: int) -> Factors:
        """Take consecutive components as views, without a copy."""
        return Factors(self.corner[start:stop], self.foot[start:stop], self.C[start:stop])

    @classmethod
    def concatenate(cls, parts: Sequence[Factors]) -> Factors:
        """Join the components of several sets one after the other; one set alone is not copied."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    def columns(self, shape: tuple[int, int, int]) -> Columns:
        """Footprints as columns over the pixels of ``shape``, in C order."""
        return Columns.of(self.pixels(shape), self.flat, self.flat != 0)

    def matrix(self, shape: tuple[int, int, int]) -> sp.csc_matrix:
        """Footprints as columns ``(n_pixels, n)`` float32, pixels in C order of ``shape``."""
        return self.columns(shape).matrix(math.prod(shape))

    def pixels(self, shape: tuple[int, int, int]) -> NDArray[np.int32]:
        """Position of each pixel of the boxes in C order of ``shape``, laid out like ``flat``.

        Of those outside the field it says nothing.
        """
        stride = np.array([shape[1] * shape[2], shape[2], 1])
        within = np.indices(self.foot.shape[1:]).reshape(3, -1).T @ stride
        first = (self.corner @ stride)[:, None]
        return np.asarray(first + within, np.int32)

    def in_field(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Whether each pixel of the boxes lies inside the field, of the shape of ``foot``."""
        out = np.ones((1, 1, 1, 1), np.bool_)
        for axis, extent in enumerate(shape):
            at = self.corner[:, axis, None] + np.arange(self.foot.shape[axis + 1])
            view = [len(self), 1, 1, 1]
            view[axis + 1] = at.shape[1]
            out = out & ((at >= 0) & (at < extent)).reshape(view)
        return out

    def inside(
        self, shape: tuple[int, int, int], level: float, workers: Workers
    ) -> NDArray[np.bool_]:
        """Pixels of the field that lie in a footprint above ``level`` of its peak."""
        out = np.zeros(math.prod(shape), np.bool_)

        def mark(start: int, stop: int) -> None:
            some = self.part(start, stop)
            core = some.flat > level * some.flat.max(1, initial=0.0, keepdims=True)
            out[some.pixels(shape)[core]] = True

        workers.ranges(mark, len(self), _AT_ONCE)
        return out.reshape(shape)

    @classmethod
    def from_matrix(
        cls, A: sp.csc_matrix, shape: tuple[int, int, int], reach: tuple[int, int, int], n_bins: int
    ) -> Factors:
        """Make components from the columns of ``A``; what lies outside a column's box is lost."""
        n = A.shape[1]
        box = tuple(2 * r + 1 for r in reach)
        corner = np.zeros((n, 3), np.int64)
        foot = np.zeros((n, *box), np.float32)
        for k in range(n):
            rows = A.indices[A.indptr[k] : A.indptr[k + 1]]
            values = A.data[A.indptr[k] : A.indptr[k + 1]]
            if len(rows) == 0:
                continue
            at = np.stack(np.unravel_index(rows, shape), axis=1)
            weight = np.abs(values) / max(float(np.abs(values).sum()), 1e-30)
            corner[k] = np.round(weight @ at).astype(np.int64) - np.array(reach)
            local = at - corner[k]
            fits = ((local >= 0) & (local < np.array(box))).all(1)
            foot[(k, *local[fits].T)] = values[fits]
        return cls(corner, foot, np.zeros((n, n_bins), np.float32))
