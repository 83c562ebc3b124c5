"""Draws all components of a result as one picture that can be redrawn and picked from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.model.components import Components
from napari_cnmf.ui.layers._footprints import (
    CONTOUR_LEVEL,
    choose_oversampling,
    contours,
    drawn_areas,
    drop_fragments,
    fill_holes,
    label_image,
    outline,
)

_RIM_PX = 2
"""Width of an outline in label pixels: the screen leaves out every other one of a large field."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """Footprints of a result as labels, outlines and contours.

    Attributes
    ----------
    components
        The result; label ``i + 1`` is its column ``i``.
    level
        Fraction of a footprint's maximum it is drawn down to.
    oversampling
        Label pixels per field pixel along y and x.
    """

    components: Components
    level: float = CONTOUR_LEVEL
    oversampling: int = field(default=0)

    def __post_init__(self) -> None:
        if self.oversampling < 1:
            object.__setattr__(self, "oversampling", choose_oversampling(self.components.dims))

    @cached_property
    def filled(self) -> NDArray[np.uint16]:
        """Label image ``([Z], Y * oversampling, X * oversampling)``."""
        labels = label_image(
            self.components.A,
            self.components.dims,
            level=self.level,
            oversampling=self.oversampling,
            behind=None if self.components.accepted is None else ~self.components.accepted,
        )
        areas = drawn_areas(self.components.A, self.level) * self.oversampling**2
        return fill_holes(drop_fragments(labels, areas))

    @cached_property
    def outlined(self) -> NDArray[np.uint16]:
        """Label image of the rims of ``filled``."""
        return outline(self.filled, thickness=_RIM_PX)

    @property
    def scale(self) -> tuple[float, ...]:
        """Size of a label pixel in field pixels, ``([Z], Y, X)``."""
        fine = 1 / self.oversampling
        return (1.0,) * (len(self.components.dims) - 2) + (fine, fine)

    @property
    def offset(self) -> tuple[float, ...]:
        """Centre of the first label pixel in field pixels: field pixel centres are integers."""
        shift = (1 / self.oversampling - 1) / 2
        return (0.0,) * (len(self.components.dims) - 2) + (shift, shift)

    def contours(self, index: int) -> list[NDArray[np.float64]]:
        """Contours of one component in field pixels; see ``contours``."""
        return contours(self.components.A, index, self.components.dims, level=self.level)

    def components_at(self, pixel: tuple[int, ...]) -> list[int]:
        """Find components that are drawn over a field pixel, the strongest there first.

        Parameters
        ----------
        pixel
            ``(y, x)`` or ``(z, y, x)``; outside the field there are none.
        """
        dims = self.components.dims
        if any(not 0 <= p < n for p, n in zip(pixel, dims, strict=True)):
            return []
        row = int(np.ravel_multi_index(pixel, dims))
        A = self.components.A_rows
        span = slice(A.indptr[row], A.indptr[row + 1])
        found, weights = A.indices[span], A.data[span]
        relative = np.divide(
            weights, self._peaks[found], out=np.zeros(len(found)), where=self._peaks[found] > 0
        )
        order = np.argsort(-relative, kind="stable")
        return [int(found[i]) for i in order if relative[i] >= self.level]

    @cached_property
    def _peaks(self) -> NDArray[np.float64]:
        """Maximum of each footprint, ``(n_components,)``."""
        A = self.components.A
        peaks = np.zeros(A.shape[1])
        filled = np.flatnonzero(np.diff(A.indptr))
        if filled.size:
            peaks[filled] = np.maximum.reduceat(A.data, A.indptr[filled])
        return peaks
