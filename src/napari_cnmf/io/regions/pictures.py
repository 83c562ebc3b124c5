"""Reads label images: TIFF, PNG, NumPy arrays, and Cellpose's ``_seg.npy``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import ParameterError, ResultError, brief
from napari_cnmf.io.pickled import read_object_array, read_plain_array

PICTURES = frozenset({".tif", ".tiff", ".png"})
_COLOURS = (3, 4)


def read_picture(path: Path) -> NDArray[Any]:
    """Read the image in a file; of Cellpose's ``_seg.npy`` its masks.

    Raises
    ------
    ResultError
        It cannot be read.
    ParameterError
        It is in colour.
    """
    if path.suffix.lower() == ".npy":
        return _read_npy(path)
    try:
        image = np.squeeze(_imread(path))
    # Readers of pictures raise nearly anything for what is none.
    except Exception as error:
        raise ResultError(
            f"{path} cannot be read as a picture: {brief(error)}. Save it again."
        ) from error
    if path.suffix.lower() == ".png" and image.ndim == 3 and image.shape[-1] in _COLOURS:
        raise ParameterError(
            f"{path.name} must be a picture of labels or black and white, got one in colour. "
            "Save the labels themselves, for example Cellpose's _cp_masks.png."
        )
    return image


def _imread(path: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".png":
        from skimage.io import imread

        return np.asarray(imread(path))
    import tifffile

    try:
        return np.asarray(tifffile.imread(path))
    except tifffile.TiffFileError as error:
        raise ValueError(str(error)) from error


def _read_npy(path: Path) -> NDArray[Any]:
    if not _is_pickled(path):
        return read_plain_array(path)
    stored = read_object_array(path)
    masks = stored.get("masks") if isinstance(stored, dict) else None
    if not isinstance(masks, np.ndarray) or masks.dtype.hasobject:
        raise ResultError(
            f"{path} must hold an array of labels, or be Cellpose's _seg.npy with its masks. "
            "Save the masks again."
        )
    return np.squeeze(masks)


def _is_pickled(path: Path) -> bool:
    """Whether the header of an ``.npy`` file says that it holds Python's objects."""
    try:
        with path.open("rb") as stream:
            return b"'|O'" in stream.read(256)
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {brief(error)}. Save it again.") from error
