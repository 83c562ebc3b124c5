"""Memory and disk that CaImAn will need, estimated before it starts."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from napari_cnmf.engines.base import Algorithm, Job, Reporter
from napari_cnmf.errors import EngineError
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams

_BYTES = 4
"""CaImAn computes in float32."""
_IMPORTED_GB = 0.7
"""Libraries of CaImAn's process, TensorFlow among them; those of its pool share most of it."""
_FORKED_GB = 0.15
_COPIES = {Algorithm.CNMF: 3.0, Algorithm.CNMFE: 8.0, Algorithm.EVALUATE: 1.5}
"""Copies as float32 of what is worked on at once, at the peak of CaImAn 1.12's memory."""
_COPIES_TO_INITIALISE = 8.0
"""Further copies while CNMF is initialised, of the downsampled movie."""
_SPLITS_OF_MOTION = 3.0
"""Copies of a piece in time that one process of motion correction holds."""


@dataclass(frozen=True)
class Needs:
    """Decimal gigabytes that a job of CaImAn needs, and that are there."""

    memory_gb: float
    memory_free_gb: float
    memory_total_gb: float
    disk_gb: float
    disk_free_gb: float


def estimate_needs(job: Job, movie: Movie, n_processes: int, *, input_is_there: bool) -> Needs:
    """Estimate the needs: T x pixels x 4 bytes, times the copies that CaImAn makes.

    Parameters
    ----------
    n_processes
        How many patches, or pieces in time, are in memory at once.
    input_is_there
        The memory map was kept by another item and needs no further room.
    """
    movie_gb = math.prod(movie.shape) * _BYTES / 1e9
    if job.algorithm is Algorithm.MCORR:
        # its input, its corrected memory map, and ours in the movie's own type
        disk_gb = 2 * movie_gb + math.prod(movie.shape) * movie.dtype.itemsize / 1e9
    else:
        disk_gb = movie_gb
    memory_gb = estimate_memory_gb(
        job.params, job.algorithm, movie.shape, n_processes, has_seeds=job.ain_path is not None
    )
    memory = psutil.virtual_memory()
    return Needs(
        memory_gb=memory_gb,
        memory_free_gb=memory.available / 1e9,
        memory_total_gb=(memory.total + psutil.swap_memory().total) / 1e9,
        disk_gb=disk_gb - (movie_gb if input_is_there else 0.0),
        disk_free_gb=shutil.disk_usage(job.folder).free / 1e9,
    )


def estimate_memory_gb(
    params: CNMFParams,
    algorithm: Algorithm,
    shape: tuple[int, ...],
    n_processes: int,
    *,
    has_seeds: bool = False,
) -> float:
    """Decimal gigabytes that CaImAn's processes take for a movie of ``shape (T, [Z], Y, X)``.

    Parameters
    ----------
    n_processes
        How many patches, or pieces in time, are in memory at once.
    has_seeds
        Components are given: CaImAn works on the whole field then.
    """
    n_frames, *dims = shape
    movie_gb = math.prod(shape) * _BYTES / 1e9
    if algorithm is Algorithm.MCORR:
        pieces = max(1, math.ceil(n_frames / max(params.motion.num_frames_split, 1)))
        working_gb = _SPLITS_OF_MOTION * movie_gb * min(n_processes, pieces) / pieces
    else:
        whole = has_seeds or algorithm is Algorithm.EVALUATE
        share = 1.0 if whole else _share_in_memory(params.patch.rf, dims, n_processes)
        working_gb = _copies(params, algorithm, len(dims), has_seeds) * movie_gb * share
    return _IMPORTED_GB + _FORKED_GB * (n_processes - 1) + working_gb


def _copies(params: CNMFParams, algorithm: Algorithm, ndim: int, has_seeds: bool) -> float:
    """Number of copies of the movie, or of its patches, in memory at the peak."""
    copies = _COPIES[algorithm]
    if algorithm is not Algorithm.CNMF or has_seeds:
        return copies
    init, patch = params.init, params.patch
    whole = patch.rf is None
    unasked = 2  # in CaImAn
    ssub, tsub = (init.ssub or unasked, init.tsub or unasked)
    if not whole:
        ssub, tsub = patch.p_ssub, patch.p_tsub
    return copies + _COPIES_TO_INITIALISE / float(ssub**ndim * tsub)


def _share_in_memory(
    rf: int | tuple[int, ...] | None, dims: Sequence[int], n_processes: int
) -> float:
    """Share of the field that is worked on at once: its patches, or all of it."""
    if rf is None:
        return 1.0
    radii = rf if isinstance(rf, tuple) else (rf,) * len(dims)
    patch = math.prod(min(2 * r + 1, n) for r, n in zip(radii, dims, strict=False))
    return min(1.0, n_processes * patch / math.prod(dims))


def check_needs(needs: Needs, folder: Path, reporter: Reporter) -> None:
    """Report what will be needed, and refuse what cannot fit, before anything is written.

    Raises
    ------
    EngineError
        It cannot fit: on the disk as it is, or in all the memory that this computer has.
    """
    reporter.log(
        f"CaImAn will need about {needs.memory_gb:.2g} GB of memory ({needs.memory_free_gb:.2g} GB "
        f"free) and {needs.disk_gb:.2g} GB of disk ({needs.disk_free_gb:.2g} GB free)."
    )
    if needs.disk_gb > needs.disk_free_gb:
        raise EngineError(
            f"CaImAn works on copies of the movie as float32, which need {needs.disk_gb:.3g} GB "
            f"of disk; {folder} has {needs.disk_free_gb:.3g} GB free. Free some space, move the "
            "batch to a larger disk, or use the built-in engine, which needs none."
        )
    less = "Use smaller patches (patch.rf) or fewer processes (run.n_processes), or the built-in "
    less += "engine, which works out of core."
    if needs.memory_gb > needs.memory_total_gb:
        raise EngineError(
            f"CaImAn would need about {needs.memory_gb:.3g} GB of memory, and this computer has "
            f"{needs.memory_total_gb:.3g} GB in all. {less}"
        )
    if needs.memory_gb > needs.memory_free_gb:
        reporter.warning(
            f"CaImAn will need about {needs.memory_gb:.2g} GB of memory, and "
            f"{needs.memory_free_gb:.2g} GB are free. Close other programs. {less}"
        )
