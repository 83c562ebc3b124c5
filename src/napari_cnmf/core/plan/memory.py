"""The memory that a run takes, stage by stage: what the user's budget is compared with."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cnmf.core.background.kriging import finer
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.base.lattice import Lattice
from napari_cnmf.core.movie.reading import FEWEST_FRAMES, kernel_type, pieces
from napari_cnmf.core.movie.store import BINS_TOGETHER

_BASE_GB = 0.25
"""Interpreter, libraries and kernels."""
_IMAGES = 60
"""Bytes for each pixel of the field: images, moments, masks."""
_SUMS = 28
"""Bytes for each pixel of the field while it is read: sums of a part beside those before it."""
_WORK, _CORNER = 72, 12
"""Bytes for each pixel of a tile besides its bins, and for each node around it."""
_BLOCKS = 2
"""Blocks of frames in memory: one that is worked on, one that is read."""
_BLOCK_BYTES = 32 << 20
"""Most of the movie that is read at a time."""


@dataclass(frozen=True, eq=False)
class Need:
    """Memory that a run on ``field`` holds at once; it grows with the bins, not with the frames.

    Results come on top, 16 bytes a frame and component, when the tiles are gone.

    Attributes
    ----------
    n_bins, frames_per_bin
        Of pass 1.
    dtype
        Of the frames.
    blocks
        Pixels along (Z, Y, X) that are one while components are found.
    one_photon
        Whether the background's course is kept on the finer grid, too.
    """

    field: Field
    n_bins: int
    frames_per_bin: int
    dtype: np.dtype[Any]
    blocks: tuple[int, int, int] = (1, 1, 1)
    one_photon: bool = False

    @property
    def least_block(self) -> int:
        """Fewest bytes of frames that are read at a time."""
        n = max(self.frames_per_bin, FEWEST_FRAMES)
        return n * self.field.n_pixels * self.dtype.itemsize

    @property
    def block_bytes(self) -> int:
        """Bytes of frames to read at a time, the same whatever the budget.

        Sums are made of blocks, and their last digits depend on where these end.
        """
        return max(self.least_block, _BLOCK_BYTES)

    def peak_gb(self, tile: Field, *, in_memory: bool) -> float:
        """Most memory that is held at once with tiles of this size, in decimal GB.

        Parameters
        ----------
        tile
            The largest of them, with its margin.
        in_memory
            Whether all bins are kept in memory, or in a file.
        """
        all_bins = 4 * self.n_bins * self.field.n_pixels if in_memory else 0
        is_whole = tile.shape == self.field.shape
        # The whole field is no copy of its bins.
        beside = 0 if is_whole else all_bins
        stages = (self._reading(in_memory), beside + self.searching(tile), self._tracing())
        background = self.field.grid.n_nodes + self._fine_nodes(self.field)
        held = _IMAGES * self.field.n_pixels + 4 * self.n_bins * background
        return _BASE_GB + 1e-9 * (held + max(stages))

    def _copies(self, *, in_memory: bool) -> float:
        """Bytes for each byte of a block of frames while it is read and binned."""
        size = self.dtype.itemsize
        copies: float = _BLOCKS * (size + self._converted)
        if not in_memory:
            # Bins go to a file; those of one block are there twice while they are written.
            copies += 8 / self.frames_per_bin
        return copies / size

    def _reading(self, in_memory: bool) -> float:
        n_bins = 0
        if in_memory:
            in_block = self.block_bytes // (self.field.n_pixels * self.dtype.itemsize)
            waiting = max(in_block // self.frames_per_bin, min(BINS_TOGETHER, self.n_bins))
            n_bins = self.n_bins + waiting
        bins = (4 * n_bins + _SUMS) * self.field.n_pixels
        return bins + self.block_bytes * self._copies(in_memory=in_memory)

    def searching(self, tile: Field) -> int:
        """Bytes that finding components in a tile takes, its bins included."""
        corners = 1 << sum(g > 0 for g in tile.g_sig)
        need = self._working_on(tile) + (_WORK + _CORNER * corners) * tile.n_pixels
        if max(self.blocks) > 1:
            z, y, x = (math.ceil(n / b) for n, b in zip(tile.shape, self.blocks, strict=True))
            g_z, g_y, g_x = (g / b for g, b in zip(tile.g_sig, self.blocks, strict=True))
            need += self._working_on(Field((z, y, x), (g_z, g_y, g_x)))
        return need

    def _working_on(self, tile: Field) -> int:
        """Bytes of the time courses of bins while components are found in a tile."""
        sites = math.prod(Lattice.over(tile).shape)
        nodes = 4 * tile.grid.n_nodes + 4 * self._fine_nodes(tile)
        return 4 * self.n_bins * (tile.n_pixels + sites + nodes)

    @property
    def _converted(self) -> int:
        """Bytes of a pixel in the copy that kernels take; 0 where they take frames as they are."""
        taken = kernel_type(self.dtype)
        return taken.itemsize if taken != self.dtype else 0

    def _fine_nodes(self, field: Field) -> int:
        """Number of nodes of the finer grid, where it is used."""
        return finer(field).grid.n_nodes if self.one_photon else 0

    def _tracing(self) -> int:
        # All that could be had: tiles, and with them results, must not depend on those that are.
        n_frames, n_pieces = pieces(self.field.n_pixels * self.dtype.itemsize, os.cpu_count() or 1)
        frames = n_pieces * n_frames * self.field.n_pixels * (self.dtype.itemsize + self._converted)
        return frames + 4 * self.n_bins * self._fine_nodes(self.field)
