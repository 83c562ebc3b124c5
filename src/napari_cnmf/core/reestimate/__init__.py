"""Footprints, traces and scores of components that a curator merged, split or drew."""

from napari_cnmf.core.reestimate._local import WindowSource
from napari_cnmf.core.reestimate._reestimator import Reestimator
from napari_cnmf.core.reestimate._residual_images import residual_images

__all__ = ["Reestimator", "WindowSource", "residual_images"]
