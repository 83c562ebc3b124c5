"""The memory budget: tiles that keep to it, however long the movie is."""

from __future__ import annotations

import sys

import numpy as np
import psutil
import pytest

from napari_cnmf.core.geometry import Field
from napari_cnmf.core.memory import Need
from napari_cnmf.core.plan import choose_tiles
from napari_cnmf.core.store import release_freed
from napari_cnmf.errors import ParameterError

FIELD = Field((1, 300, 420), (0, 5, 5))


def need(n_bins: int) -> Need:
    return Need(FIELD, n_bins, frames_per_bin=5, itemsize=2, block_bytes=1 << 20)


def test_tiles_own_every_pixel_once_and_small_budgets_are_refused() -> None:
    tiles = choose_tiles(need(2000), 0.7)
    assert len(tiles) > 1
    count = np.zeros(FIELD.shape, int)
    for tile in tiles:
        count[tile.core] += 1
        assert all(
            r.start <= c.start and c.stop <= r.stop
            for c, r in zip(tile.core, tile.region, strict=True)
        )
    assert (count == 1).all()
    with pytest.raises(ParameterError, match="memory_gb"):
        choose_tiles(need(2000), 0.2)


def test_longer_movies_are_cut_into_smaller_tiles_and_stay_within_the_budget() -> None:
    n_tiles = []
    for n_bins in (300, 1200, 4800, 9600):
        tiles = choose_tiles(need(n_bins), 0.9)
        n_tiles.append(len(tiles))
        for tile in tiles:
            z, y, x = (s.stop - s.start for s in tile.region)
            assert need(n_bins).peak_gb(Field((z, y, x), FIELD.g_sig)) <= 0.9
    assert n_tiles[0] == 1
    assert n_tiles == sorted(n_tiles)
    assert n_tiles[-1] > n_tiles[1] > 1


def test_a_run_in_memory_holds_all_bins_while_it_reads() -> None:
    of = need(2000)
    bins = 4 * 2000 * FIELD.n_pixels * 1e-9
    assert of.peak_gb(FIELD) > 0.25 + bins + 3 * 1e-9 * of.block_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="other C libraries keep nothing, or no call")
def test_freed_arrays_go_back_to_the_system() -> None:
    arrays = [np.ones(12_500) for _ in range(600)]
    last = arrays.pop()
    arrays.clear()
    before = psutil.Process().memory_info().rss
    release_freed()
    after = psutil.Process().memory_info().rss
    assert last.sum() == 12_500
    assert before - after > 30e6
