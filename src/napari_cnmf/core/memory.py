"""The memory that a run takes, stage by stage: what the user's budget is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_cnmf.core.geometry import Field
from napari_cnmf.core.lattice import Lattice

_BASE_GB = 0.25
"""Interpreter, libraries and kernels."""
_IMAGES = 60
"""Bytes for each pixel of the field: images, moments, masks."""
_WORK = 120
"""Bytes for each pixel of a tile, besides its bins."""
_READ = 3
"""Blocks of frames that are in memory while the next is read."""


@dataclass(frozen=True, eq=False)
class Need:
    """What a run on ``field`` takes, with tiles of one size or another.

    Attributes
    ----------
    n_bins, frames_per_bin
        Of pass 1.
    itemsize
        Bytes of a pixel in a frame.
    block_bytes
        Of frames that are read at a time, if more than a bin fits.
    """

    field: Field
    n_bins: int
    frames_per_bin: int
    itemsize: int
    block_bytes: int

    def peak_gb(self, tile: Field) -> float:
        """The most that is held at once; nothing of it grows with the frames but by their bins.

        Results come on top, 16 bytes a frame and component, when the tiles are gone.
        """
        background = 4 * self.n_bins * self.field.grid.n_cells
        held = _IMAGES * self.field.n_pixels + background
        return _BASE_GB + 1e-9 * (held + max(self._reading(tile), self._searching(tile)))

    def _reading(self, tile: Field) -> int:
        block = max(self.block_bytes, self.frames_per_bin * self.field.n_pixels * self.itemsize)
        if tile.shape == self.field.shape:
            return _READ * block + 4 * self.n_bins * self.field.n_pixels
        # Bins go to a file; those of one block are there twice while they are written.
        return _READ * block + 8 * block // (self.itemsize * self.frames_per_bin)

    def _searching(self, tile: Field) -> int:
        sites = int(np.prod(Lattice.over(tile).shape))
        courses = tile.n_pixels + sites + 3 * tile.grid.n_cells
        return 4 * self.n_bins * courses + _WORK * tile.n_pixels
