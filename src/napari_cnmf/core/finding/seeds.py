"""One-photon seeds as the user set them: correlation and peak-to-noise above two thresholds.

The engine looks wherever its energy map says. Who chose ``init.min_corr`` and ``init.min_pnr`` on
the images of a recording wants these obeyed: sites elsewhere are closed then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, zoom

from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.movie.local_images import filtered_images
from napari_cnmf.core.movie.sample import take_sample
from napari_cnmf.core.movie.source import FrameSource
from napari_cnmf.params import CNMFParams

TOLERANCE = 0.5
"""Sites within so many gSig of a pixel above the thresholds are open."""


@dataclass(frozen=True, eq=False)
class Seeds:
    """Places where components may start.

    Attributes
    ----------
    open
        Of the shape of the field ``(Z, Y, X)``.
    correlation, pnr
        The images that were compared, of that shape.
    """

    open: NDArray[np.bool_]
    correlation: NDArray[np.float32]
    pnr: NDArray[np.float32]


def find_open_sites(
    source: FrameSource, params: CNMFParams, report: Report, *, n_threads: int | None = None
) -> Seeds:
    """Find where the thresholds that the user chose let components start.

    The images are those of CNMF-E, of the filtered movie plane by plane, from a sample of it.
    """
    min_corr, min_pnr = thresholds = (params.init.min_corr, params.init.min_pnr)
    frames = WholeFrames(source)
    dims = source.shape[-2:]
    g_sig = tuple(float(g) for g in params.init.gSig[-2:])
    correlation, pnr = [], []
    for plane in range(source.shape[1]) if len(source.shape) == 4 else [None]:
        sample = take_sample(frames, plane=plane, report=report)
        scaled = (g_sig[0] / sample.binning, g_sig[1] / sample.binning)
        images = filtered_images(sample, scaled, report, n_threads=n_threads)
        correlation.append(_enlarged(images.correlation, dims))
        pnr.append(_enlarged(images.pnr, dims))
    corr, peak = np.stack(correlation), np.stack(pnr)
    above = (corr >= min_corr) & (peak >= min_pnr)
    _say(above, corr, peak, thresholds, report)
    return Seeds(_dilated(above, g_sig), corr, peak)


def _say(
    above: NDArray[np.bool_],
    correlation: NDArray[np.float32],
    pnr: NDArray[np.float32],
    thresholds: tuple[float, float],
    report: Report,
) -> None:
    min_corr, min_pnr = thresholds
    rule = f"init.min_corr {min_corr:g} and init.min_pnr {min_pnr:g}"
    if above.any():
        share = 100 * float(above.mean())
        report.note(f"Components start where {rule} are exceeded: {share:.1f} % of the field.")
        return
    report.warn(
        f"No pixel exceeds {rule}: the highest correlation is {float(correlation.max()):.2f}, the "
        f"highest peak-to-noise ratio {float(pnr.max()):.1f}. Lower them: the result's images "
        "'correlation' and 'pnr' show what there is."
    )


def _dilated(above: NDArray[np.bool_], g_sig: tuple[float, ...]) -> NDArray[np.bool_]:
    """Pixels ``(Z, Y, X)`` near one above the thresholds in the same plane."""
    half = [max(1, round(TOLERANCE * g)) for g in g_sig]
    near = np.ones((1, 2 * half[0] + 1, 2 * half[1] + 1), np.bool_)
    return np.asarray(binary_dilation(above, near), np.bool_)


def _enlarged(image: NDArray[np.float32], dims: tuple[int, ...]) -> NDArray[np.float32]:
    """An image of a binned sample at the movie's size."""
    if image.shape == dims:
        return image
    factor = [n / k for n, k in zip(dims, image.shape, strict=True)]
    return np.asarray(zoom(image, factor, order=1, grid_mode=True, mode="nearest"), np.float32)


class WholeFrames:
    """Windows of a source that reads whole frames."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return tuple(self._source.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the frames as the source stores them."""
        return np.dtype(self._source.dtype)

    def read_window(self, start: int, stop: int, window: tuple[slice, ...]) -> NDArray[Any]:
        """Read frames ``start`` to ``stop`` inside ``window``."""
        return self._source.read(start, stop)[(slice(None), *window)]
