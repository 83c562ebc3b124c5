"""Finds the components of a tile in its whitened bins: the steps in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.background.residual import TileResidual
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.lattice import Lattice
from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.finding import hals
from napari_cnmf.core.finding.energy import EnergyMap, map_energy
from napari_cnmf.core.finding.merge import absorb_halos, clip_box, merge_components
from napari_cnmf.core.finding.peel import Candidates, box_reach, least_area, peel


@dataclass(frozen=True, eq=False)
class Steps:
    """Number of times that each step runs; the ablation bench changes them.

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
    """Components, candidates and background that were found in a tile.

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


class Tile(TileResidual):
    """The residual of a tile with the moves that find and fit its components."""

    @classmethod
    def of(
        cls,
        field: Field,
        R: NDArray[np.float32],
        gain: NDArray[np.float32],
        workers: Workers,
        check: Callable[[], None] = lambda: None,
    ) -> Tile:
        """Return a tile without components, whose residual is the whitened movie itself."""
        n_bins = R.shape[-1]
        return cls(
            field, R, gain, workers,
            Factors.empty(box_reach(field), n_bins),
            np.zeros((*field.grid.shape, n_bins), np.float32), check,
        )  # fmt: skip

    @property
    def min_area(self) -> int:
        """Least number of pixels that a footprint must have."""
        return least_area(self.field)

    def least_squares(self, rounds: int) -> None:
        """Update footprints, traces and background in turn, ``rounds`` times."""
        for _ in range(rounds):
            self.check()
            self.factors = hals.update(
                self.R, self.usable, self.factors, self.min_area, self.workers
            )
            self.renew_background()

    def merge(self, correlation: float | None) -> None:
        """Merge the pieces of one cell whose traces correlate above ``correlation``."""
        if correlation is not None:
            self.factors = merge_components(self.R, self.factors, correlation, self.workers)

    def absorb(self) -> None:
        """Make halos of bright cells a part of them (one-photon)."""
        self.factors = absorb_halos(self.R, self.factors, self.field.g_sig)

    def add(self, factors: Factors) -> None:
        """Add components whose product was already taken out of the residual."""
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
