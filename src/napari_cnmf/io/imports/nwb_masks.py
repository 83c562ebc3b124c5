"""Reads footprints of an NWB table, whichever kind of mask it has."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError

_MOST_PIXELS = 2**28
_MOSTLY = 0.9
"""Share of the masks' pixels inside of a field that is said, for the masks to be of that field."""

_Masks = list[tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Places ``(n, n_axes)`` and weights ``(n,)`` of the pixels of each cell."""


def footprints_of(
    table: Any,
    shape: tuple[int, ...] | None,
    images: Mapping[str, NDArray[Any]],
    objects: Iterable[Any],
    *,
    rows_first: bool = False,
    unsaid: tuple[int, ...] = (),
) -> tuple[sp.csc_matrix, tuple[int, ...]]:
    """Read ``A (n_pixels, n)`` in C order, and dims.

    Parameters
    ----------
    table
        A ``PlaneSegmentation``.
    shape
        The field where the file says it; else that of images, of the movie, or of the masks.
    images, objects
        Summary images, and everything in the file.
    rows_first
        Masks and the movie's size have y before x, as suite2p writes them; NWB has x first.
    unsaid
        Field to take where the file says none and the masks lie inside.
    """
    columns = set(table.colnames)
    if "image_mask" in columns:
        return _from_images(table)
    name = next((name for name in ("voxel_mask", "pixel_mask") if name in columns), None)
    if name is None:
        raise ResultError("The segmentation must have pixel, voxel or image masks, it has none.")
    masks = [_entries(table[name][row], rows_first) for row in range(len(table))]
    n_axes = 2 if name == "pixel_mask" else 3
    turned = [(_turned(at), weight) for at, weight in masks]
    fields = _fields(table, images, objects, rows_first) or ([unsaid] if unsaid else [])
    dims = shape or _dims(n_axes, masks, turned, fields)
    if not _all_inside(masks, dims) and _all_inside(turned, dims):
        masks = turned  # another program that mixed up rows and columns
    if not 0 < math.prod(dims) <= _MOST_PIXELS:
        raise ResultError(f"The masks reach over a field of {dims} pixels. The file is damaged.")
    rows, columns_of, values = [], [], []
    n_outside = 0
    for k, (at, weight) in enumerate(masks):
        inside = np.all((at >= 0) & (at < dims), axis=1)
        n_outside += int(np.count_nonzero(~inside))
        rows.append(np.ravel_multi_index(tuple(at[inside].T), dims))
        values.append(weight[inside])
        columns_of.append(np.full(int(inside.sum()), k))
    if n_outside:
        warnings.warn(
            f"{n_outside} pixels of the masks of {table.name} lie outside of the field of {dims} "
            "and are left out.",
            stacklevel=2,
        )
    n_pixels = int(np.prod(dims))
    if not masks:
        return sp.csc_matrix((n_pixels, 0), dtype=np.float32), dims
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns_of)))
    return sp.csc_matrix(entries, shape=(n_pixels, len(masks)), dtype=np.float32), dims


def _from_images(table: Any) -> tuple[sp.csc_matrix, tuple[int, ...]]:
    found = []
    dims: tuple[int, ...] = tuple(int(n) for n in table["image_mask"].data.shape[1:][::-1])
    for row in range(len(table)):
        mask = np.asarray(table["image_mask"][row], np.float32)
        found.append(sp.csc_matrix(mask.T.reshape(-1, 1)))
    empty = sp.csc_matrix((int(np.prod(dims)), 0), dtype=np.float32)
    return sp.hstack([empty, *found]).tocsc(), dims


def _entries(mask: Any, rows_first: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places ``(n, n_axes)`` as ([z], y, x), and weights ``(n,)``."""
    entries = [entry.tolist() if hasattr(entry, "tolist") else tuple(entry) for entry in mask]
    if not entries:
        return np.zeros((0, 2), np.int64), np.zeros(0, np.float32)
    values = np.asarray(entries, np.float64)
    places = values[:, -2::-1].astype(np.int64)
    return _turned(places) if rows_first else places, values[:, -1].astype(np.float32)


def _turned(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places with rows and columns the other way round; the plane stays the first."""
    turned = places.copy()
    turned[:, -2:] = places[:, :-3:-1]
    return turned


def _all_inside(masks: _Masks, dims: tuple[int, ...]) -> bool:
    return all(bool(np.all((at >= 0) & (at < dims))) for at, _ in masks if len(at))


def _fields(
    table: Any, images: Mapping[str, NDArray[Any]], objects: Iterable[Any], rows_first: bool
) -> list[tuple[int, ...]]:
    """Fields ``([Z], Y, X)`` that the file tells: of images, of the table's movie, of others."""
    fields = [tuple(int(size) for size in image.shape) for image in images.values()]
    movies = [o for o in objects if type(o).__name__ in ("TwoPhotonSeries", "OnePhotonSeries")]
    movies.sort(key=lambda one: one.imaging_plane is not table.imaging_plane)
    for one in movies:
        shape = one.dimension if one.external_file is not None else one.data.shape[1:]
        if shape is not None:
            sizes = [int(size) for size in shape]
            fields.append(tuple(sizes if rows_first else sizes[::-1]))
    return fields


def _dims(
    n_axes: int, masks: _Masks, turned: _Masks, fields: Iterable[tuple[int, ...]]
) -> tuple[int, ...]:
    """Field that holds the masks: the first of those said, else as far as the masks reach."""
    reach = [at.max(axis=0) + 1 for at, _ in masks if len(at)]
    n_planes = max((int(size[0]) for size in reach), default=1)
    fields = list(fields)
    whole = [field for field in fields if len(field) == n_axes]
    planes = [(n_planes, *field) for field in fields if len(field) == n_axes - 1]
    for field in (*whole, *planes):
        if _all_inside(masks, field) or _all_inside(turned, field):
            return field
    places = [at for at, _ in masks if len(at)]
    n_places = sum(map(len, places))
    for field in (*whole, *planes):
        if sum(int(np.all((at >= 0) & (at < field), axis=1).sum()) for at in places) > (
            _MOSTLY * n_places
        ):
            return field
    if not reach:
        raise ResultError("The size of the field is not said, and there is no mask to tell it.")
    return tuple(int(size) for size in np.max(reach, axis=0))
