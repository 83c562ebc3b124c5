"""Calcium imaging in napari: CNMF, batches and curation."""

__version__ = "0.1.0"
