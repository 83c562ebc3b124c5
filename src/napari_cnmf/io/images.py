"""Reads and writes summary images of an item: ``images.npz``, float32, without pickle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import ArrayLike, NDArray

from napari_cnmf._atomic import replacing
from napari_cnmf.errors import ResultError


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
    try:
        # numpy leaves a file that it opened itself open when the archive is damaged
        with Path(path).open("rb") as stream, NpzFile(stream, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name], np.float32) for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ResultError(
            f"{path} must be a readable file of summary images, got: {error}. "
            "Run the item again to make them."
        ) from error
