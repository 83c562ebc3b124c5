"""Turns what marks places in a field (labels, outlines) into footprints and masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from napari_cnmf._checks import check_array
from napari_cnmf.errors import CurationError, ParameterError
from napari_cnmf.model.outline import pixels_inside

_WHITE = 255
"""The one value of a black and white picture."""


def labels_to_footprints(labels: ArrayLike, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Make one footprint of each label.

    Parameters
    ----------
    labels
        Whole numbers of the field's shape; 0 is no cell. What is true or false, or black and
        white (0 and 255), is one cell for each connected part.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)``.

    Returns
    -------
    csc_matrix
        ``(n_pixels, n)`` float32, 1 inside, pixels in C order; columns in the order of labels.

    Raises
    ------
    ParameterError
        The labels are of another field, no whole numbers, or mark nothing.

    See Also
    --------
    napari_cnmf.io.exports.labels : the way back.
    """
    image = _field_image(labels, dims, "ain")
    if image.dtype != np.bool_ and not np.issubdtype(image.dtype, np.integer):
        if not np.array_equal(image, np.rint(image)):
            raise ParameterError(
                "ain as an image must hold whole numbers, a label for each cell, got "
                f"{image.dtype} with fractions. Save the labels, not a probability."
            )
        image = image.astype(np.int64)
    flat = image.ravel()
    pixels = np.flatnonzero(flat > 0)
    values, columns = np.unique(flat[pixels], return_inverse=True)
    if len(values) == 1 and (image.dtype == np.bool_ or values[0] == _WHITE):
        from scipy.ndimage import label

        parts = label(image > 0)[0].ravel()
        values, columns = np.unique(parts[pixels], return_inverse=True)
    if not len(pixels):
        raise ParameterError(
            "ain must mark at least one cell, got labels that are 0 everywhere. "
            "Paint or draw the cells first."
        )
    return _matrix(pixels, columns, len(values), dims)


def outlines_to_footprints(
    outlines: Sequence[NDArray[np.floating]],
    dims: tuple[int, ...],
    cells: Sequence[int] | None = None,
) -> sp.csc_matrix:
    """Make one footprint of each outline.

    Parameters
    ----------
    outlines
        Vertices ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x) in one plane, in pixels whose
        centres are integers.
    cells
        Which cell an outline is a part of, from 0; each a cell of its own when not given.

    Returns
    -------
    csc_matrix
        ``(n_pixels, n)`` float32, 1 inside, pixels in C order.

    Raises
    ------
    ParameterError
        There is no outline, or one lies outside of the field, covers no pixel or crosses itself.
    """
    if not len(outlines):
        raise ParameterError("ain must hold at least one cell, got none. Draw the cells first.")
    cells = range(len(outlines)) if cells is None else cells
    n = max(cells) + 1
    pixels, columns = [], []
    for number, (outline, cell) in enumerate(zip(outlines, cells, strict=True), start=1):
        try:
            found = pixels_inside(outline, dims)
        except CurationError as error:
            raise ParameterError(f"Outline {number} of {len(outlines)}: {error}") from error
        pixels.append(found)
        columns.append(np.full(found.size, cell))
    matrix = _matrix(np.concatenate(pixels), np.concatenate(columns), n, dims)
    matrix.data[:] = 1  # where parts of one cell overlap they were added
    return matrix


def outlines_to_mask(
    outlines: Sequence[NDArray[np.floating]], dims: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Pixels ``dims`` inside of any of the outlines; one in a volume counts for every plane.

    Raises
    ------
    ParameterError
        As `outlines_to_footprints`.
    """
    flat = [np.asarray(outline)[:, -2:] for outline in outlines]
    plane = outlines_to_footprints(flat, dims[-2:])
    drawn = np.asarray(plane.sum(axis=1)).reshape(dims[-2:]) > 0
    return np.ascontiguousarray(np.broadcast_to(drawn, dims))


def image_to_mask(image: ArrayLike, dims: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels ``dims`` where an image of the field is above 0; a plane counts for a whole volume.

    Raises
    ------
    ParameterError
        It is of another field, or empty.
    """
    array = check_array("mask", image, ParameterError, advice="Draw the region.")
    if array.shape == dims[-2:]:
        array = np.broadcast_to(array, dims)
    mask = np.ascontiguousarray(_field_image(array, dims, "mask") > 0)
    if not mask.any():
        raise ParameterError(
            f"mask must have the shape {dims} of the field and be true somewhere, got "
            f"shape {mask.shape} with 0 pixels. Draw the region, or leave mask out."
        )
    return mask


def check_footprints(A: Any, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Footprints ``(n_pixels, n)`` as they are stored: float32, sorted, each of some pixels.

    Raises
    ------
    ParameterError
        They are of another field, there is none, one has no pixel, or a value is not finite.
    """
    matrix = sp.csc_matrix(A, dtype=np.float32, copy=True)
    n_pixels = int(np.prod(dims))
    if matrix.shape[0] != n_pixels:
        raise ParameterError(
            f"ain must have a row for each of the {n_pixels} pixels of {dims}, "
            f"got shape {matrix.shape}. Make it from a recording of this field."
        )
    if not np.isfinite(matrix.data).all():
        raise ParameterError("ain must hold finite numbers, got NaN or infinite ones.")
    matrix.data = np.maximum(matrix.data, 0)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    empty = np.flatnonzero(np.diff(matrix.indptr) == 0)
    if matrix.shape[1] == 0 or len(empty):
        raise ParameterError(
            f"ain must hold cells of one pixel or more, got {matrix.shape[1]} cells, "
            f"{len(empty)} of them without a pixel"
            + (f" (the first is column {empty[0]})." if len(empty) else ".")
            + " Leave those out, or leave ain out to search for cells."
        )
    return matrix


def _field_image(image: ArrayLike, dims: tuple[int, ...], what: str) -> NDArray[Any]:
    array = np.asarray(image)
    if array.shape != tuple(dims):
        raise ParameterError(
            f"{what} must have the shape {tuple(dims)} of the field, got {array.shape}. "
            "Make it on an image of this recording."
        )
    return array


def _matrix(
    pixels: NDArray[np.integer], columns: NDArray[np.integer], n: int, dims: tuple[int, ...]
) -> sp.csc_matrix:
    ones = np.ones(len(pixels), np.float32)
    shape = (int(np.prod(dims)), n)
    matrix: sp.csc_matrix = sp.csc_matrix((ones, (pixels, columns)), shape=shape, dtype=np.float32)
    matrix.sort_indices()
    return matrix
