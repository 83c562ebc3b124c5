"""Reads footprints and masks from files, by what the file is."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._checks import check_path
from napari_cnmf.errors import ParameterError, ResultError
from napari_cnmf.io.archives import read_sparse
from napari_cnmf.io.regions.imagej import has_rois, read_rois
from napari_cnmf.io.regions.pictures import PICTURES, read_picture
from napari_cnmf.io.regions.suite2p import read_stat
from napari_cnmf.model.components import Components
from napari_cnmf.model.regions import (
    check_footprints,
    image_to_mask,
    labels_to_footprints,
)

_RESULTS = frozenset({".hdf5", ".h5", ".nwb"})
_ROIS = frozenset({".zip", ".roi"})
_TIFF = frozenset({".tif", ".tiff"})
FOOTPRINT_SUFFIXES = (*sorted(PICTURES), ".npy", ".npz", *sorted(_ROIS), *sorted(_RESULTS))
"""Files that cells can be read from."""


def read_footprints(path: str | Path, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Read cells that were drawn or found elsewhere, as footprints of a field.

    Parameters
    ----------
    path
        Labels (``.npy``, ``.tif``, ``.png``), Cellpose's ``_seg.npy``, ImageJ ROIs (``.roi``, or
        several in a ``.zip``, or the overlay of a ``.tif``), suite2p's ``stat.npy`` or its folder,
        a result (``.hdf5``, or ``.nwb`` with a segmentation; what its curation accepts), footprints
        as ``.npz`` of SciPy.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.

    Returns
    -------
    csc_matrix
        ``(n_pixels, n)`` float32, pixels in C order.

    Raises
    ------
    ParameterError
        They are of another field, or there are none.
    ResultError
        The file cannot be read.

    Notes
    -----
    Pickles in ``.npy`` files are read without running anything that they name.
    """
    path = _existing(path)
    suffix = path.suffix.lower()
    if path.is_dir() or path.name == "stat.npy":
        return check_footprints(read_stat(path, dims), dims)
    if suffix in _ROIS or (suffix in _TIFF and has_rois(path)):
        return _footprints_of_cells(read_rois(path, dims), dims)
    if suffix in PICTURES or suffix == ".npy":
        return labels_to_footprints(read_picture(path), dims)
    if suffix in _RESULTS:
        return _of_result(path, dims)
    if suffix == ".npz":
        return check_footprints(read_sparse(path), dims)
    raise ParameterError(
        f"Cells can be read from {', '.join(FOOTPRINT_SUFFIXES)} and suite2p folders, got "
        f"{path.name}. Save them as labels (.tif) or ImageJ ROIs (.zip)."
    )


def read_mask(path: str | Path, dims: tuple[int, ...]) -> NDArray[np.bool_]:
    """Read a region drawn elsewhere: above 0 in a picture or array, inside of any ROI.

    Raises
    ------
    ParameterError
        It is of another field, or empty.
    ResultError
        The file cannot be read.
    """
    path = _existing(path)
    suffix = path.suffix.lower()
    if suffix in _ROIS or (suffix in _TIFF and has_rois(path)):
        # a region counts for every plane of a volume, on whichever it was drawn
        plane = np.zeros(dims[-2:], dtype=bool)
        for pixels in read_rois(path, dims[-2:]):
            plane.flat[pixels] = True
        return np.ascontiguousarray(np.broadcast_to(plane, dims))
    if suffix in PICTURES or suffix == ".npy":
        return image_to_mask(read_picture(path), dims)
    raise ParameterError(
        f"A mask can be read from {', '.join(sorted(PICTURES | _ROIS | {'.npy'}))}, got "
        f"{path.name}. Save it as a picture that is 0 outside."
    )


def accepted_footprints(components: Components, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Footprints that a result accepts; all of them where nothing was decided.

    Raises
    ------
    ParameterError
        The result is of another field, or accepts nothing.
    """
    if components.dims != tuple(dims):
        raise ParameterError(
            f"ain must be of the field {tuple(dims)}, got a result of {components.dims}. "
            "Take one of the same recording."
        )
    accepted = components.accepted
    A = components.A if accepted is None else components.A[:, np.flatnonzero(accepted)]
    return check_footprints(A, dims)


def _existing(path: str | Path) -> Path:
    path = check_path("A file of cells or regions", path, ResultError)
    if not path.exists():
        raise ResultError(f"A file is needed, {path} does not exist. Check its name.")
    return path


def _of_result(path: Path, dims: tuple[int, ...]) -> sp.csc_matrix:
    from napari_cnmf.io.curation import open_curation

    if path.suffix.lower() == ".nwb":
        from napari_cnmf.io.imports import open_import
        from napari_cnmf.io.imports.nwb import find_table_of_field

        table = find_table_of_field(path, dims)
        if not table.has_traces:
            return check_footprints(table.A, dims)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* has further tables of cells")
            cur = open_import(path, plane=table.plane)
    else:
        cur = open_curation(path)
    return accepted_footprints(cur.components.replace(accepted=cur.accepted), dims)


def _footprints_of_cells(cells: list[NDArray[np.int64]], dims: tuple[int, ...]) -> sp.csc_matrix:
    """Footprints ``(n_pixels, n)`` that are 1 in the pixels of each cell."""
    columns = np.repeat(np.arange(len(cells)), [pixels.size for pixels in cells])
    pixels = np.concatenate(cells)
    entries = (np.ones(pixels.size, np.float32), (pixels, columns))
    return check_footprints(sp.csc_matrix(entries, shape=(math.prod(dims), len(cells))), dims)
