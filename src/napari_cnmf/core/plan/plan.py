"""Plan of a run, made before it starts: bins, tiles, memory, thresholds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_cnmf.core.base.budget import check_budget
from napari_cnmf.core.base.geometry import Field
from napari_cnmf.core.movie.binning import choose_bin
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.core.movie.store import Region
from napari_cnmf.core.plan.memory import Need
from napari_cnmf.errors import MovieError, ParameterError
from napari_cnmf.params import CNMFParams

MIN_FRAMES = 30
"""Below it nothing can be told from noise."""
_TILE_BYTES, _MOST_TILE_BYTES = 0.25e9, 1e9
"""Memory that finding components in a tile takes, and where long recordings need more of it. They
decide where tiles end, and with that the result: so they are the same on every machine, whatever
the budget."""
_MOST_WORK = 1.75
"""Pixels of all tiles with margins for each pixel of the field; above it tiles become larger."""
_TILE_SIDES = (512, 384, 256, 192, 128, 96, 64, 48, 32)
_HALO = 4.0
"""Margin of a tile in gSig: components reach into it, their neighbours are fitted there."""


@dataclass(frozen=True)
class TilePlan:
    """A tile: the pixels it owns, and those it works on."""

    core: Region
    region: Region


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is decided from parameters and movie alone.

    Attributes
    ----------
    field
        The whole field.
    frames_per_bin, n_bins
        Of pass 1.
    tiles
        One that holds the whole field where that is not too much for a usual computer.
    in_memory
        Whether bins are kept in memory, or in a scratch file.
    block_bytes
        Size of a block of frames read at a time.
    blocks
        Pixels along (Z, Y, X) that are one while components are found.
    """

    field: Field
    dims: tuple[int, ...]
    n_frames: int
    frame_rate_hz: float
    decay_time_s: float
    frames_per_bin: int
    n_bins: int
    tiles: tuple[TilePlan, ...]
    block_bytes: int
    blocks: tuple[int, int, int] = (1, 1, 1)
    in_memory: bool = True


def make_plan(
    source: FrameSource,
    params: CNMFParams,
    frame_rate_hz: float,
    memory_gb: float | None,
    *,
    one_photon: bool = False,
) -> Plan:
    """Check movie and parameters against each other and lay out the run.

    Raises
    ------
    MovieError
        For shapes that are no movie, or too few frames.
    ParameterError
        If gSig, decay time or frame rate do not fit the movie, or the memory budget cannot hold a
        tile.
    """
    shape = tuple(int(n) for n in source.shape)
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise MovieError(
            f"A movie must have axes (T, Y, X) or (T, Z, Y, X), got shape {shape}. "
            "Say which axis is which when opening it."
        )
    if not frame_rate_hz > 0 or not math.isfinite(frame_rate_hz):
        raise ParameterError(
            f"data.fr must be above 0 Hz, got {frame_rate_hz}. Set the frame rate of the movie."
        )
    if shape[0] < MIN_FRAMES:
        raise MovieError(
            f"Finding cells needs at least {MIN_FRAMES} frames, got {shape[0]}. "
            "Check that the first axis is time."
        )
    seconds = shape[0] / frame_rate_hz
    if params.data.decay_time >= seconds:
        raise ParameterError(
            f"data.decay_time must be shorter than the movie ({seconds:.3g} s at "
            f"{frame_rate_hz:g} Hz), got {params.data.decay_time:g} s. It is in seconds: write 0.7 "
            "for 700 ms, and check data.fr."
        )
    field = Field.of_movie(shape[1:], params.init.gSig)
    per_bin = choose_bin(frame_rate_hz, params.data.decay_time, shape[0], params.init.tsub)
    n_bins = shape[0] // per_bin
    blocks = choose_blocks(field, params.init.ssub)
    need = Need(field, n_bins, per_bin, source.dtype, blocks, one_photon)
    tiles = choose_tiles(need)
    budget_gb = free_memory_gb() if memory_gb is None else memory_gb
    return Plan(
        field, shape[1:], shape[0], frame_rate_hz, params.data.decay_time, per_bin, n_bins, tiles,
        need.block_bytes, blocks, are_bins_in_memory(need, tiles, budget_gb),
    )  # fmt: skip


def choose_blocks(field: Field, ssub: int | None) -> tuple[int, int, int]:
    """Choose blocks of ``ssub`` pixels along each axis, as long as gSig is a block at least."""
    z, y, x = (max(1, min(ssub or 1, math.floor(g))) for g in field.g_sig)
    return z, y, x


def free_memory_gb() -> float:
    """Memory that is free now, less a share for others."""
    import psutil

    return float(0.7 * psutil.virtual_memory().available / 1e9)


@dataclass(frozen=True)
class Wanted:
    """Memory and disk that a run takes, known before it starts.

    Attributes
    ----------
    memory_gb, least_memory_gb
        Memory in which all bins are kept, and the least that does, with bins in a scratch file;
        decimal GB.
    scratch_gb
        Size of that file.
    """

    memory_gb: float
    least_memory_gb: float
    scratch_gb: float


def foresee(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    params: CNMFParams,
    frame_rate_hz: float,
    *,
    one_photon: bool = False,
) -> Wanted:
    """Foresee memory and disk of a run; its tiles are the same on every machine.

    Parameters
    ----------
    shape, dtype
        Shape ``(T, [Z], Y, X)`` and type of the movie.
    """
    field = Field.of_movie(tuple(shape[1:]), params.init.gSig)
    per_bin = choose_bin(frame_rate_hz, params.data.decay_time, shape[0], params.init.tsub)
    blocks = choose_blocks(field, params.init.ssub)
    need = Need(field, shape[0] // per_bin, per_bin, dtype, blocks, one_photon)
    tile = _largest(choose_tiles(need), field)
    return Wanted(
        need.peak_gb(tile, in_memory=True),
        need.peak_gb(tile, in_memory=False),
        4e-9 * need.n_bins * field.n_pixels,
    )


def choose_tiles(need: Need) -> tuple[TilePlan, ...]:
    """The largest tiles in which components are found in little memory.

    They depend on the movie and its parameters alone, so that a result is the same on every
    machine, with every budget and beside whatever else is running.
    """
    layouts = list(_layouts(need.field))
    sizes = [need.searching(_largest(tiles, need.field)) for tiles in layouts]
    for limit in (_TILE_BYTES, _MOST_TILE_BYTES):
        fitting = [t for t, size in zip(layouts, sizes, strict=True) if size <= limit]
        if fitting and _work(fitting[0], need.field) <= _MOST_WORK:
            break
    return (fitting or layouts[-1:])[0]


def _work(tiles: tuple[TilePlan, ...], field: Field) -> float:
    """Pixels that are worked on for each pixel of the field: margins are worked on twice."""
    return sum(math.prod(_extent(tile.region)) for tile in tiles) / field.n_pixels


def are_bins_in_memory(need: Need, tiles: tuple[TilePlan, ...], budget_gb: float) -> bool:
    """Whether the budget holds all bins; where it does not, they go to a scratch file.

    Raises
    ------
    ParameterError
        If it does not even hold what is needed besides.
    """
    tile = _largest(tiles, need.field)
    if need.peak_gb(tile, in_memory=True) <= budget_gb:
        return True
    check_budget(need.peak_gb(tile, in_memory=False), budget_gb)
    return False


def _largest(tiles: tuple[TilePlan, ...], field: Field) -> Field:
    """Largest tile with its margin, as a field of its own."""
    return Field(max((_extent(tile.region) for tile in tiles), key=math.prod), field.g_sig)


def _layouts(field: Field) -> Iterator[tuple[TilePlan, ...]]:
    """Yield the whole field as one tile, then smaller and smaller tiles."""
    whole: Region = (slice(0, field.shape[0]), slice(0, field.shape[1]), slice(0, field.shape[2]))
    yield (TilePlan(whole, whole),)
    for side in _TILE_SIDES:
        tiles = _cut(field, side)
        if len(tiles) > 1:
            yield tiles


def _extent(region: Region) -> tuple[int, int, int]:
    z, y, x = (s.stop - s.start for s in region)
    return z, y, x


def _cut(field: Field, side: int) -> tuple[TilePlan, ...]:
    """Cut the field into tiles of about ``side`` pixels in the plane, with halos."""
    edges = []
    for extent in field.shape[1:]:
        n = max(1, round(extent / side))
        edges.append(np.round(np.linspace(0, extent, n + 1)).astype(int))
    halo = [math.ceil(_HALO * g) for g in field.g_sig[1:]]
    depth = slice(0, field.shape[0])
    tiles = []
    for y0, y1 in zip(edges[0][:-1], edges[0][1:], strict=True):
        for x0, x1 in zip(edges[1][:-1], edges[1][1:], strict=True):
            core = (depth, slice(int(y0), int(y1)), slice(int(x0), int(x1)))
            region = (
                depth,
                slice(max(0, int(y0) - halo[0]), min(field.shape[1], int(y1) + halo[0])),
                slice(max(0, int(x0) - halo[1]), min(field.shape[2], int(x1) + halo[1])),
            )
            tiles.append(TilePlan(core, region))
    return tuple(tiles)
