"""The memory that a motion correction takes: what the user's budget is compared with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from napari_cnmf.core.motion.estimate import BLOCK_BYTES, KEEP_BYTES, block_frames, n_kept_frames
from napari_cnmf.core.motion.settings import Settings, resolve_settings
from napari_cnmf.core.motion.spectrum import Band, plan_band
from napari_cnmf.core.motion.static_pattern import SAMPLE_BYTES
from napari_cnmf.params import CNMFParams

_BASE_GB = 0.3
"""Interpreter, libraries and kernels."""
_IMAGES = 48
"""Bytes for each pixel of the field: templates and means in double precision, moments."""
_RAW_BLOCKS, _FLOAT_BLOCKS = 2, 1
"""Blocks of frames that a thread holds: read and written as they are, and their spectra."""
_FIELD_COPIES = 2
"""Of the aligned frames that bending is learnt from: themselves and their residuals."""


def needed_gb(
    settings: Settings, band: Band, keep_bytes: float, itemsize: int, n_threads: int
) -> float:
    """Most memory that is held at once, in decimal GB; it hardly grows with the movie's length."""
    n_pixels = math.prod(settings.dims)
    spectra = n_kept_frames(settings.n_frames, band, keep_bytes) * band.bytes_per_frame
    if settings.pw_rigid and settings.ndim == 2:
        samples = n_pixels // (4 if band.halved else 1)
        learnt = min(settings.n_frames, max(120, int(keep_bytes // (4 * samples))))
        spectra = max(spectra, _FIELD_COPIES * 4 * samples * learnt)
    block = max(BLOCK_BYTES, block_frames(settings.dims) * 4 * n_pixels)
    working = (n_threads + 1) * block * (_FLOAT_BLOCKS + _RAW_BLOCKS * itemsize / 4)
    pattern = SAMPLE_BYTES if settings.ndim == 2 else 0.0
    return _BASE_GB + 1e-9 * (spectra + pattern + working + _IMAGES * n_pixels)


def least_needed_gb(shape: tuple[int, ...], dtype: np.dtype[Any], params: CNMFParams) -> float:
    """Foresee the least memory that correcting a movie takes, on one thread, in decimal GB.

    Parameters
    ----------
    shape, dtype
        Shape ``(T, [Z], Y, X)`` and type of the movie.
    """
    settings = resolve_settings(shape, dtype, params)
    band = plan_band(
        settings.dims, settings.max_shifts, settings.highpass_px, settings.cutoff_cycles_px
    )
    return needed_gb(settings, band, KEEP_BYTES, dtype.itemsize, 1)
