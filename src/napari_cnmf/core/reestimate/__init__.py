"""Footprints, traces and scores of components that a curator merged, split or drew."""

from napari_cnmf.core.movie.source import WindowSource
from napari_cnmf.core.reestimate.reestimator import Reestimator
from napari_cnmf.core.reestimate.residual_images import residual_images

__all__ = ["Reestimator", "WindowSource", "residual_images"]
