"""Memory and disk that an item will need, against what is there, before it starts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from napari_cnmf.engines.base import Algorithm, Job
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.core.plan.plan import Wanted
    from napari_cnmf.model.movie import Movie

_MARGIN_GB = 0.05
_BASE_MEMORY_GB = 0.4
"""Interpreter, libraries and compiled kernels of a worker."""


@dataclass(frozen=True)
class Needs:
    """Decimal gigabytes of memory and disk that an item needs and that are there."""

    memory_gb: float
    memory_free_gb: float
    disk_gb: float
    disk_free_gb: float


def estimate_needs(
    shape: tuple[int, ...],
    itemsize: int,
    algorithm: Algorithm,
    folder: Path,
    wanted: Wanted | None = None,
) -> Needs:
    """Needs of a movie of ``shape`` ``(T, [Z], Y, X)`` with ``itemsize`` bytes a pixel.

    The memory is the least that the built-in engine works in (out of core); more makes it
    faster. The disk counts what stays: the corrected movie, or the traces of a crowded field.
    ``wanted`` is what the engine's own plan says.
    """
    n_pixels = int(np.prod(shape[1:]))
    movie_gb = shape[0] * n_pixels * itemsize / 1e9
    # A block of frames in float32, the summary images, and a spill buffer.
    memory_gb = _BASE_MEMORY_GB + 40 * n_pixels * 4 / 1e9 + 0.128
    if algorithm is Algorithm.MCORR:
        disk_gb = movie_gb
    elif algorithm is Algorithm.EVALUATE:
        disk_gb = 0.05
    else:
        n_components = n_pixels / 400
        disk_gb = 4 * 3 * n_components * shape[0] / 1e9 + 10 * n_pixels * 4 / 1e9
    if wanted is not None:
        memory_gb = wanted.least_memory_gb
    return Needs(
        memory_gb=memory_gb,
        memory_free_gb=psutil.virtual_memory().available / 1e9,
        disk_gb=disk_gb + _MARGIN_GB,
        disk_free_gb=shutil.disk_usage(folder).free / 1e9,
    )


def check_space(job: Job, *, is_builtin: bool = True) -> list[str]:
    """Sentences about what may be short.

    Raises
    ------
    BatchError
        When the result cannot fit on the disk: said now, not after an hour.
    """
    movie = job.open_movie()
    wanted = _wanted(job, movie) if is_builtin else None
    needs = estimate_needs(movie.shape, movie.dtype.itemsize, job.algorithm, job.folder, wanted)
    if is_builtin and job.algorithm is Algorithm.MCORR:
        from napari_cnmf.core.motion.memory import least_needed_gb

        least = least_needed_gb(movie.shape, movie.dtype, job.params)
        needs = replace(needs, memory_gb=least)
    if wanted is not None:
        budget_gb = job.run.memory_gb or needs.memory_free_gb
        if job.client is not None or budget_gb < wanted.memory_gb:
            needs = replace(needs, disk_gb=needs.disk_gb + wanted.scratch_gb)
    if job.algorithm is Algorithm.MCORR and needs.disk_free_gb < needs.disk_gb - _MARGIN_GB:
        raise BatchError(
            f"The corrected movie needs {needs.disk_gb:.2f} GB of disk, and {job.folder} has "
            f"{needs.disk_free_gb:.2f} GB free. Free some space, then retry the item."
        )
    warnings = []
    if needs.disk_free_gb < needs.disk_gb:
        warnings.append(
            f"The result may need {needs.disk_gb:.2f} GB of disk; {needs.disk_free_gb:.2f} GB are "
            "free."
        )
    if needs.memory_free_gb < needs.memory_gb:
        warnings.append(
            f"At least {needs.memory_gb:.1f} GB of memory are needed; {needs.memory_free_gb:.1f} "
            "GB are free. Close other programs if this fails."
        )
    return warnings


def _wanted(job: Job, movie: Movie) -> Wanted | None:
    """Memory and scratch that the built-in engine plans for; ``None`` where it makes no plan."""
    finds_cells = job.algorithm in (Algorithm.CNMF, Algorithm.CNMFE)
    if not finds_cells or job.frame_rate_hz is None or job.params.init.plane_by_plane:
        return None
    # Loads the engine's kernels, which other engines have no use for.
    from napari_cnmf.core.plan.plan import foresee

    one_photon = job.algorithm is Algorithm.CNMFE
    return foresee(movie.shape, movie.dtype, job.params, job.frame_rate_hz, one_photon=one_photon)
