"""Reads and writes summary images of an item: ``images.npz``, float32, without pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cnmf._atomic import replacing
from napari_cnmf.errors import ResultError
from napari_cnmf.io.archives import read_archive


def write_images(path: str | os.PathLike[str], images: Mapping[str, ArrayLike]) -> None:
    """Write named images as float32.

    Parameters
    ----------
    path
        ``images.npz``.
    images
        ``mean, max, std, local_correlation, pnr``, ...: each ``(Y, X)`` or ``(Z, Y, X)``.

    Raises
    ------
    ResultError
        The images differ in shape, or are no images.

    See Also
    --------
    read_images
    """
    arrays = {name: np.asarray(image, np.float32) for name, image in images.items()}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1 or any(len(shape) not in (2, 3) for shape in shapes):
        raise ResultError(
            f"Summary images must be (Y, X) or (Z, Y, X) and alike, got {sorted(shapes)}."
        )
    with replacing(path) as beside, beside.open("wb") as stream:
        # Not compressed: noise hardly shrinks, and took a twentieth of a run.
        np.savez(stream, **arrays)  # type: ignore[arg-type]


def read_images(path: str | os.PathLike[str]) -> dict[str, NDArray[np.float32]]:
    """Read the images that ``write_images`` wrote.

    Raises
    ------
    ResultError
        The file is missing, damaged, or holds anything but numbers.
    """
    what, advice = "a readable file of summary images", "Run the item again to make them."
    stored = read_archive(Path(path), what, advice)
    images = {
        name: array.astype(np.float32)
        for name, array in stored.items()
        if array.dtype.kind in "biuf"
    }
    shapes = {image.shape for image in images.values()}
    if len(images) < len(stored) or len(shapes) > 1 or any(len(s) not in (2, 3) for s in shapes):
        raise ResultError(
            f"{path} must be {what}, (Y, X) or (Z, Y, X) and alike, got {sorted(shapes)}. {advice}"
        )
    return images
