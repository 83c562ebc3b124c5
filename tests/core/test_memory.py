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
from napari_cnmf.core.movie.store import release_freed
from napari_cnmf.core.plan.memory import Need
from napari_cnmf.core.plan.plan import are_bins_in_memory, choose_tiles
from napari_cnmf.errors import ParameterError

FIELD = Field((1, 300, 420), (0, 5, 5))
SMALL = Field((1, 100, 100), (0, 5, 5))


def need(n_bins: int, dtype: str = "uint16", **other: Any) -> Need:
    return Need(FIELD, n_bins, other.pop("frames_per_bin", 5), np.dtype(dtype), **other)


def test_tiles_own_every_pixel_once() -> None:
    tiles = choose_tiles(need(6000))
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
    tiles = choose_tiles(of)
    with pytest.raises(ParameterError, match="memory_gb must be at least") as error:
        are_bins_in_memory(of, tiles, 0.2)
    enough = re.search(r"at least ([.\d]+)", str(error.value))
    assert enough is not None
    are_bins_in_memory(of, tiles, float(enough[1]))
    assert are_bins_in_memory(of, tiles, 100.0)


def test_longer_movies_are_cut_into_smaller_tiles_and_take_no_more_memory() -> None:
    n_tiles = []
    for n_bins in (300, 1200, 4800, 19_200):
        tiles = choose_tiles(need(n_bins))
        n_tiles.append(len(tiles))
        are_bins_in_memory(need(n_bins), tiles, 1.3)  # raises where it is not enough
    assert n_tiles[0] == 1
    assert min(n_tiles[1:]) > 1
    assert n_tiles[-1] == max(n_tiles)


def test_bins_in_memory_are_counted_once_for_the_whole_field_and_beside_its_tiles() -> None:
    of = need(6000)
    bins = 4e-9 * 6000 * FIELD.n_pixels
    for tile, beside in ((FIELD, 0.0), (SMALL, bins)):
        searching = of.peak_gb(tile, in_memory=False)
        assert of.peak_gb(tile, in_memory=True) == pytest.approx(searching + beside, rel=0.02)


@pytest.mark.parametrize(("dtype", "copies"), [("uint16", 2), ("float32", 2), ("float64", 3)])
def test_frames_that_are_converted_are_there_twice(dtype: str, copies: int) -> None:
    of = Need(SMALL, 60, 5, np.dtype(dtype))
    bins_of_block = 8 / 5 / of.dtype.itemsize
    read = 1e-9 * of.block_bytes * (copies + bins_of_block)
    images = (60 + 28) * 1e-9 * SMALL.n_pixels  # with the sums of a part beside those before it
    assert of.peak_gb(SMALL, in_memory=False) == pytest.approx(0.25 + read + images, abs=2e-3)


def test_blocks_of_pixels_and_one_photon_take_more() -> None:
    plain = need(2000).peak_gb(FIELD, in_memory=True)
    in_blocks = need(2000, blocks=(1, 2, 2)).peak_gb(FIELD, in_memory=True)
    one_photon = need(2000, one_photon=True).peak_gb(FIELD, in_memory=True)
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
