"""Makes random numbers that do not depend on which other knobs are turned, nor on chunks."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d


def stream(seed: int, ingredient: str) -> np.random.Generator:
    """Random generator of its own for each physical ingredient.

    Turning one knob must not reshuffle the others: the cells of a movie with
    bleaching are the cells of the movie without.
    """
    return np.random.default_rng([seed, zlib.crc32(ingredient.encode())])


def smooth_image(
    rng: np.random.Generator, dims: tuple[int, ...], scale_px: float | tuple[float, ...]
) -> NDArray[np.float32]:
    """A Gaussian random field of mean 0 and standard deviation 1 over the field."""
    field = gaussian_filter(rng.standard_normal(dims), scale_px, mode="wrap")
    field -= field.mean()
    result: NDArray[np.float32] = (field / max(float(field.std()), 1e-12)).astype(np.float32)
    return result


def rescaled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stretch an image to 0 .. 1."""
    low, high = float(image.min()), float(image.max())
    return (image - np.float32(low)) / np.float32(max(high - low, 1e-12))


def smooth_course(
    rng: np.random.Generator, n: int, n_frames: int, scale_frames: float
) -> NDArray[np.float32]:
    """``n`` Gaussian time courses ``(n, n_frames)``, each of mean 0 and sd 1 in expectation.

    ``scale_frames`` is the sd of the smoothing kernel; 0 gives white noise.
    """
    margin = int(4 * scale_frames) + 1
    white = rng.standard_normal((n, n_frames + 2 * margin))
    if scale_frames <= 0:
        return white[:, margin:-margin].astype(np.float32)
    smooth = gaussian_filter1d(white, scale_frames, axis=1, mode="nearest")
    impulse = np.zeros(8 * margin + 1)
    impulse[4 * margin] = 1.0
    gain = float(np.sqrt(np.sum(gaussian_filter1d(impulse, scale_frames) ** 2)))
    result: NDArray[np.float32] = (smooth[:, margin:-margin] / gain).astype(np.float32)
    return result
