"""Reads what an item is given besides its movie: cells to start from, a region to look in."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._checks import check_array
from napari_cnmf.batch.item import Item
from napari_cnmf.errors import ParameterError
from napari_cnmf.io.regions import read_footprints, read_mask
from napari_cnmf.io.regions.reading import accepted_footprints
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.regions import (
    check_footprints,
    image_to_mask,
    labels_to_footprints,
    outlines_to_footprints,
    outlines_to_mask,
)


def to_footprints(ain: Any, dims: tuple[int, ...]) -> sp.csc_matrix | None:
    """Footprints ``(n_pixels, n)`` from all that `Batch.add` takes for ``ain``.

    Raises
    ------
    ParameterError, ResultError
        They are of another field, empty, or cannot be read.
    """
    if ain is None:
        return None
    if isinstance(ain, str | os.PathLike):
        return read_footprints(Path(ain), dims)
    if isinstance(ain, Item):
        ain = ain.result()
    if isinstance(ain, Curation):
        ain = ain.components.replace(accepted=ain.accepted)
    if isinstance(ain, Components):
        return accepted_footprints(ain, dims)
    if sp.issparse(ain):
        return check_footprints(ain, dims)
    if _are_outlines(ain):
        return outlines_to_footprints([np.asarray(one, float) for one in ain], dims)
    array = check_array("ain", ain, ParameterError, advice="Give labels ([Z], Y, X), for example.")
    if array.ndim == 2 and array.shape != tuple(dims) and array.shape[0] == int(np.prod(dims)):
        return check_footprints(array, dims)
    return labels_to_footprints(array, dims)


def to_mask(mask: Any, leave_out: Any, dims: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Pixels ``dims`` to analyse, from all that `Batch.add` takes for ``mask`` and ``leave_out``.

    Raises
    ------
    ParameterError, ResultError
        One is of another field or empty, cannot be read, or nothing is left.
    """
    inside, outside = (_one_mask(region, dims) for region in (mask, leave_out))
    if outside is None:
        return inside
    left = ~outside if inside is None else inside & ~outside
    if not left.any():
        raise ParameterError(
            f"leave_out must leave something of the field {tuple(dims)} to analyse, got a region "
            "that covers it all. Draw a smaller one."
        )
    return np.asarray(left, np.bool_)


def _one_mask(region: Any, dims: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if region is None:
        return None
    if isinstance(region, str | os.PathLike):
        return read_mask(Path(region), dims)
    if _are_outlines(region):
        return outlines_to_mask([np.asarray(one, float) for one in region], dims)
    return image_to_mask(region, dims)


def _are_outlines(given: Any) -> bool:
    """Whether a value is a list of vertices, as a Shapes layer holds them."""
    if not isinstance(given, Sequence):
        return False
    shapes = [np.shape(one) for one in given]
    return all(len(shape) == 2 and shape[1] in (2, 3) for shape in shapes)
