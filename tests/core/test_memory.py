"""The memory budget: tiles that keep to it, however long the movie is."""

from __future__ import annotations

import ctypes
import re
import sys
from typing import Any

import numpy as np
import psutil
import pytest

from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.movie.store import BINS_TOGETHER, release_freed
from napari_cnmf.core.plan.memory import Need
from napari_cnmf.core.plan.plan import choose_tiles
from napari_cnmf.errors import ParameterError

FIELD = Field((1, 300, 420), (0, 5, 5))
SMALL = Field((1, 100, 100), (0, 5, 5))


def need(n_bins: int, dtype: str = "uint16", **other: Any) -> Need:
    return Need(FIELD, n_bins, other.pop("frames_per_bin", 5), np.dtype(dtype), **other)


def test_tiles_own_every_pixel_once() -> None:
    tiles, _ = choose_tiles(need(2000), 0.7)
    assert len(tiles) > 1
    count = np.zeros(FIELD.shape, int)
    for tile in tiles:
        count[tile.core] += 1
        assert all(
            r.start <= c.start and c.stop <= r.stop
            for c, r in zip(tile.core, tile.region, strict=True)
        )
    assert (count == 1).all()


@pytest.mark.parametrize("frames_per_bin", [1, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_a_budget_that_is_too_small_is_refused_with_one_that_is_enough(
    dtype: str, frames_per_bin: int
) -> None:
    of = need(600, dtype, frames_per_bin=frames_per_bin)
    with pytest.raises(ParameterError, match="memory_gb must be at least") as error:
        choose_tiles(of, 0.2)
    enough = re.search(r"at least ([.\d]+)", str(error.value))
    assert enough is not None
    budget = float(enough[1])
    tiles, block_bytes = choose_tiles(of, budget)
    assert len(tiles) > 1
    # Where pieces for the traces take the most, fewer frames at a time would save nothing.
    assert block_bytes in {of.least_block, of.block_bytes(budget)}


def test_longer_movies_are_cut_into_smaller_tiles_and_stay_within_the_budget() -> None:
    n_tiles = []
    for n_bins in (300, 1200, 4800, 9600):
        tiles, block_bytes = choose_tiles(need(n_bins), 0.9)
        n_tiles.append(len(tiles))
        for tile in tiles:
            z, y, x = (s.stop - s.start for s in tile.region)
            peak = need(n_bins).peak_gb(Field((z, y, x), FIELD.g_sig), block_bytes)
            assert peak <= 0.9
    assert n_tiles[0] == 1
    assert n_tiles == sorted(n_tiles)
    assert n_tiles[-1] > n_tiles[1] > 1


def test_a_run_in_memory_holds_all_bins_while_it_reads() -> None:
    of, block_bytes = need(600), 200 << 20
    waiting = max(block_bytes // (2 * FIELD.n_pixels) // 5, BINS_TOGETHER)
    bins = 4e-9 * (600 + waiting) * FIELD.n_pixels
    more = of.peak_gb(FIELD, block_bytes) - of.peak_gb(SMALL, block_bytes)
    written = 8e-9 * block_bytes / 2 / 5
    assert more == pytest.approx(bins - written)


@pytest.mark.parametrize(("dtype", "copies"), [("uint16", 2), ("float32", 2), ("int16", 6)])
@pytest.mark.parametrize("more", [0, 100 << 20])
def test_frames_that_are_converted_are_there_twice(dtype: str, copies: int, more: int) -> None:
    of, block_bytes = need(60, dtype), 400 << 20
    grown = of.peak_gb(FIELD, block_bytes + more) - of.peak_gb(FIELD, block_bytes)
    # Besides, a block's bins wait to be put beside those of others.
    waiting = 4 / 5 / np.dtype(dtype).itemsize
    assert grown == pytest.approx(1e-9 * (copies + waiting) * more, abs=1e-3)


def test_blocks_of_pixels_and_one_photon_take_more() -> None:
    plain = need(2000).peak_gb(FIELD, 1)
    in_blocks = need(2000, blocks=(1, 2, 2)).peak_gb(FIELD, 1)
    one_photon = need(2000, one_photon=True).peak_gb(FIELD, 1)
    bins = 4e-9 * 2000 * FIELD.n_pixels
    assert in_blocks - plain > 0.25 * bins
    assert one_photon - plain > 4e-9 * 2000 * FIELD.n_pixels / 25


def has_malloc_trim() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not has_malloc_trim(), reason="the C library has no such call")
def test_freed_arrays_go_back_to_the_system() -> None:
    arrays = [np.ones(12_500) for _ in range(600)]
    last = arrays.pop()
    arrays.clear()
    before = psutil.Process().memory_info().rss
    release_freed()
    after = psutil.Process().memory_info().rss
    assert last.sum() == 12_500
    assert before - after > 30e6
