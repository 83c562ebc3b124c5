"""Images of what a result leaves unexplained: cells that were missed are bright in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.movie.summary import summary_images

if TYPE_CHECKING:
    from napari_cnmf.core.movie.source import FrameSource


def residual_images(
    residual: FrameSource, *, on_progress: Callable[[float], None] = lambda _share: None
) -> dict[str, NDArray[np.float32]]:
    """Compute images of a residual movie in one pass.

    Parameters
    ----------
    residual
        ``Y - A C - background``, ``(T, [Z], Y, X)``.
    on_progress
        Told the share that is done, 0 to 1.

    Returns
    -------
    dict
        ``max residual``: the brightest frame of each pixel over its noise, ``([Z], Y, X)``;
        ``residual correlation``: of each pixel with its neighbours, in means over a few frames.
    """
    images = summary_images(residual, on_progress=lambda _s, done, n: on_progress(done / n))
    noise = images["noise"]
    typical = float(np.median(noise[noise > 0])) if (noise > 0).any() else 1.0
    # Where the movie is nearly dark its noise is too: a floor keeps that from shining.
    return {
        "max residual": np.asarray(images["max"] / np.maximum(noise, 0.3 * typical), np.float32),
        "residual correlation": images["correlation"],
    }
