"""From the whitened bins of a tile to its components: the steps in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core import hals
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.background import (
    Kept,
    background_of,
    loss_of_pixels,
    pixel_weights,
    subtract_background,
    weighted_sums,
)
from napari_cnmf.core.energy import EnergyMap, map_energy
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.geometry import Field
from napari_cnmf.core.lattice import Lattice
from napari_cnmf.core.merge import absorb_halos, clip_box, merge_components
from napari_cnmf.core.peel import Candidates, box_reach, least_area, peel
from napari_cnmf.core.rows import flat_rows
from napari_cnmf.core.shared import shared_courses, take_out_courses

INSIDE = 0.2
"""Share of the peak above which a pixel counts as inside a footprint for the background."""
_CELLS = 128
"""Time courses of the background that a thread adds up together."""


@dataclass(frozen=True, eq=False)
class Steps:
    """How often each step runs; the ablation bench changes them.

    Attributes
    ----------
    detections
        Passes over the energy map.
    rounds
        Least squares rounds after the first detection, after each later one, and last.
    merge_correlation
        Of active traces, above which contained pieces are one; ``None`` merges nothing.
    absorb_halos
        Merge weak components around a strong one that are active with it (one-photon).
    """

    detections: int = 2
    rounds: tuple[int, int, int] = (2, 1, 1)
    merge_correlation: float | None = 0.8
    absorb_halos: bool = False


@dataclass(frozen=True, eq=False)
class Detection:
    """What a tile gave.

    Attributes
    ----------
    factors
        Components in the whitened units of the tile.
    background
        Sum of all backgrounds taken out ``(gz, gy, gx, n_bins)``.
    candidates
        Every site tried.
    energy
        Energy map before anything was taken out, at each pixel ``(Z, Y, X)``.
    """

    factors: Factors
    background: NDArray[np.float32]
    candidates: Candidates
    energy: NDArray[np.float32]


@dataclass(eq=False)
class Tile:
    """The residual of a tile and what belongs to it; the one mutable thing of the engine.

    Attributes
    ----------
    R
        Whitened residual ``(Z, Y, X, n_bins)``.
    gain
        Weight of the background in each pixel ``(Z, Y, X)``; 0 where left out.
    may_start
        Pixels at which components may start ``(Z, Y, X)``; ``None``: anywhere.
    kept
        Sums of R for the next background, while nothing but components changes in it.
    """

    field: Field
    R: NDArray[np.float32]
    gain: NDArray[np.float32]
    workers: Workers
    factors: Factors
    background: NDArray[np.float32]
    check: Callable[[], None]
    may_start: NDArray[np.bool_] | None = None
    kept: Kept | None = None

    @classmethod
    def of(
        cls,
        field: Field,
        R: NDArray[np.float32],
        gain: NDArray[np.float32],
        workers: Workers,
        check: Callable[[], None] = lambda: None,
    ) -> Tile:
        n_bins = R.shape[-1]
        return cls(
            field, R, gain, workers,
            Factors.empty(box_reach(field), n_bins),
            np.zeros((*field.grid.shape, n_bins), np.float32), check,
        )  # fmt: skip

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Pixels that carry something."""
        return np.asarray(self.gain > 0)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels inside footprints ``(Z, Y, X)``."""
        return self.factors.inside(self.field.shape, INSIDE, self.workers)

    @cached_property
    def loss(self) -> sp.csr_matrix:
        """What pixels lose when a background is taken out, ``(n_pixels, n_cells)``."""
        return loss_of_pixels(self.gain, self.field.grid)

    @property
    def min_area(self) -> int:
        return least_area(self.field)

    def renew_background(self) -> None:
        """Estimate what background is left in R and take it out."""
        self.check()
        grid, q = self.field.grid, pixel_weights(self.inside, self.gain)
        if self.kept is None:
            sums = weighted_sums(self.R, q, grid, self.workers)
        else:
            sums = self.kept.now(self.R, q, self.factors, self.field, self.workers)
        bg = background_of(sums, q, self.gain, grid, self.workers)
        sums = subtract_background(self.R, self.loss, bg, q, grid, self.workers)
        self.kept = Kept.of(sums, q, self.factors, self.field, self.workers)
        total, more = flat_rows(self.background), flat_rows(bg)
        self.workers.ranges(
            lambda a, b: np.add(total[a:b], more[a:b], out=total[a:b]), len(total), _CELLS
        )

    def take_out_shared(self, lattice: Lattice) -> None:
        """Neuropil that the field shares: what one estimate of the background leaves of it."""
        courses = shared_courses(self.background, self.workers)
        take_out_courses(self.R, self.gain, courses, lattice, self.workers)
        if len(courses):
            self.kept = None

    def least_squares(self, rounds: int) -> None:
        for _ in range(rounds):
            self.check()
            self.factors = hals.update(
                self.R, self.usable, self.factors, self.min_area, self.workers
            )
            self.renew_background()

    def merge(self, correlation: float | None) -> None:
        if correlation is not None:
            self.factors = merge_components(self.R, self.factors, correlation, self.workers)

    def absorb(self) -> None:
        """Halos of bright cells become part of them (one-photon)."""
        self.factors = absorb_halos(self.R, self.factors, self.field.g_sig)

    def add(self, factors: Factors) -> None:
        """Components whose product is out of R already."""
        self.factors = Factors.concatenate([self.factors, factors])


def detect(
    tile: Tile,
    steps: Steps,
    on_step: Callable[[float], None] = lambda done: None,
) -> Detection:
    """Find the components of a tile.

    Parameters
    ----------
    tile
        Its residual is changed in place and holds, at the end, what is left.
    on_step
        Told the share of the work that is done.

    Returns
    -------
    Detection
    """
    lattice = Lattice.over(tile.field)
    energy: EnergyMap | None = None
    candidates = []
    first = np.zeros(tile.field.shape, np.float32)
    tile.renew_background()
    # One estimate leaves a tenth of the neuropil, more at the border, where it would be found as
    # components.
    tile.take_out_shared(lattice)
    for i in range(steps.detections):
        on_step((0.15, 0.63)[min(i, 1)])
        energy = map_energy(tile.R, lattice, tile.workers, energy)
        if i == 0:
            first = lattice.to_pixels(energy.score(), tile.field.shape)
        found, tried = peel(
            tile.R, energy, tile.field, tile.workers, may_start=tile.may_start, check=tile.check
        )
        candidates.append(tried)
        tile.add(found)
        if not len(tile.factors):
            # The next look is for what the components hid.
            break
        tile.renew_background()
        on_step((0.52, 0.89)[min(i, 1)])
        tile.least_squares(steps.rounds[min(i, 1)])
        tile.merge(steps.merge_correlation)
        if steps.absorb_halos:
            tile.absorb()
    tile.least_squares(steps.rounds[2])
    on_step(1.0)
    return Detection(tile.factors, tile.background, Candidates.concatenate(candidates), first)


def fit_given(
    tile: Tile,
    footprints: sp.csc_matrix,
    on_step: Callable[[float], None] = lambda done: None,
) -> Detection:
    """Fit components whose place is given, and search nothing.

    Parameters
    ----------
    footprints
        Whitened, ``(n_pixels of the tile, n)``. A column that holds nothing, or whose trace
        shows no activity, keeps its footprint and gets the trace that projection gives.

    Returns
    -------
    Detection
        As many components as columns, in their order.
    """
    tile.renew_background()
    reach = reach_of_columns(footprints, tile.field)
    factors = Factors.from_matrix(footprints, tile.field.shape, reach, tile.R.shape[-1])
    usable = tile.usable
    for k in range(len(factors)):
        region, local = clip_box(factors.corner[k], factors.foot.shape[1:], tile.field.shape)
        factors.foot[k][local] *= usable[region]
    tile.factors = factors
    for done in (0.3, 0.6, 0.9):
        hals.update_traces(tile.R, tile.factors, tile.workers)
        tile.renew_background()
        hals.update(tile.R, usable, tile.factors, 0, tile.workers)
        on_step(done)
    on_step(1.0)
    nothing = np.zeros(tile.field.shape, np.float32)
    return Detection(tile.factors, tile.background, Candidates.concatenate([]), nothing)


def reach_of_columns(footprints: sp.csc_matrix, field: Field) -> tuple[int, int, int]:
    """Half-width of boxes that hold every column and room to grow."""
    reach = np.array(box_reach(field))
    for k in range(footprints.shape[1]):
        rows = footprints.indices[footprints.indptr[k] : footprints.indptr[k + 1]]
        if len(rows):
            at = np.stack(np.unravel_index(rows, field.shape), axis=1)
            extent = np.ceil(np.abs(at - at.mean(0)).max(0)).astype(int) + 2
            reach = np.maximum(reach, np.where(reach > 0, extent, 0))
    return int(reach[0]), int(reach[1]), int(reach[2])
