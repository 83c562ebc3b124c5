"""The residual of a tile, and how its background is estimated and taken out.

The residual ``R = Y - B - A C`` (whitened movie less background and components) is kept up to date
in place: each move of the engine takes something out of it or puts something back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.grid import (
    KnownSums,
    background_of,
    loss_of_pixels,
    pixel_weights,
    subtract_background,
    weighted_sums,
)
from napari_cnmf.core.background.shared import shared_courses, take_out_courses
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.lattice import Lattice
from napari_cnmf.core.base.rows import flat_rows
from napari_cnmf.core.base.threads import Workers

INSIDE = 0.2
"""Share of a footprint's peak above which a pixel counts as inside it for the background."""
_COURSES_TOGETHER = 128
"""Number of background time courses that one thread adds up at a time."""


@dataclass(eq=False)
class TileResidual:
    """The whitened residual of a tile, with the components and background taken out of it.

    It is the one mutable object of the engine.

    Attributes
    ----------
    field
        Geometry of the tile.
    R
        Whitened residual ``(Z, Y, X, n_bins)``.
    gain
        Weight of the background in each pixel ``(Z, Y, X)``; 0 where a pixel is left out.
    workers
        Thread pool of the run.
    factors
        Components found so far.
    background
        Sum of all backgrounds that were taken out ``(gz, gy, gx, n_bins)``.
    check
        Called between steps; raises where the user asked to stop.
    may_start
        Pixels at which components may start ``(Z, Y, X)``; ``None`` means anywhere.
    known_sums
        Sums of R for the next background, as long as nothing but components changes in it.
    """

    field: Field
    R: NDArray[np.float32]
    gain: NDArray[np.float32]
    workers: Workers
    factors: Factors
    background: NDArray[np.float32]
    check: Callable[[], None]
    may_start: NDArray[np.bool_] | None = None
    known_sums: KnownSums | None = None

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Pixels that are analysed ``(Z, Y, X)``."""
        return np.asarray(self.gain > 0)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels inside the footprints of components ``(Z, Y, X)``."""
        return self.factors.inside(self.field.shape, INSIDE, self.workers)

    @cached_property
    def loss(self) -> sp.csr_matrix:
        """Share that each pixel loses when a background is taken out ``(n_pixels, n_nodes)``."""
        return loss_of_pixels(self.gain, self.field.grid)

    def renew_background(self) -> None:
        """Estimate the background that is left in R, and take it out."""
        self.check()
        grid, q = self.field.grid, pixel_weights(self.inside, self.gain)
        if self.known_sums is None:
            sums = weighted_sums(self.R, q, grid, self.workers)
        else:
            sums = self.known_sums.with_weights(self.R, q, self.factors, self.field, self.workers)
        bg = background_of(sums, q, self.gain, grid, self.workers)
        sums = subtract_background(self.R, self.loss, bg, q, grid, self.workers)
        self.known_sums = KnownSums.of(sums, q, self.factors, self.field, self.workers)
        total, more = flat_rows(self.background), flat_rows(bg)
        self.workers.ranges(
            lambda a, b: np.add(total[a:b], more[a:b], out=total[a:b]),
            len(total),
            _COURSES_TOGETHER,
        )

    def take_out_shared(self, lattice: Lattice) -> None:
        """Take out the neuropil that the whole field shares and one estimate leaves behind."""
        courses = shared_courses(self.background, self.workers)
        take_out_courses(self.R, self.gain, courses, lattice, self.workers)
        if len(courses):
            self.known_sums = None
