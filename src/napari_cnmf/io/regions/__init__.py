"""Reads places that other programs drew: cells to start from, regions to analyse."""

from napari_cnmf.io.regions.reading import FOOTPRINT_SUFFIXES, read_footprints, read_mask

__all__ = ["FOOTPRINT_SUFFIXES", "read_footprints", "read_mask"]
