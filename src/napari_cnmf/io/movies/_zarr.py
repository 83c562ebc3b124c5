"""Opens zarr 2 and 3, plain arrays and level 0 of OME-Zarr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._attributes import axes_among, rate_among, spacing_among
from napari_cnmf.io.movies._axes import layout_of
from napari_cnmf.io.movies._recording import Recording, checked_dtype, positive_or_none
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies._stores import ArrayFrames, frames_that_fit
from napari_cnmf.io.movies._units import micrometres, seconds
from napari_cnmf.io.movies._zarr_codecs import check_codecs
from napari_cnmf.model.description import Piece


@dataclass
class ZarrArray:
    """An array of a store; zarr itself keeps no file open."""

    path: Path
    name: str | None
    _opened: Any = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.name or 'the array'} in {self.path}"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the array at the first read, and keep it: no file stays open."""
        if self._opened is None:
            self._opened = _open_node(self.path, self.name)
        yield self._opened


def open_zarr_movie(path: Path, request: Request) -> Recording:
    """Open a zarr array, or the movie of a zarr group.

    Of a group: ``dataset`` where given, level 0 of OME-Zarr, or the only array
    of 3 to 5 axes.

    Raises
    ------
    MovieError
        It is no zarr store, or which array is meant must be said.
    """
    root = _open_node(path, None)
    ome = _multiscale(root) if request.dataset is None else None
    name = ome["datasets"][0]["path"] if ome is not None else _name(root, path, request.dataset)
    array = root if name is None else _open_node(path, name)
    if not hasattr(array, "shape"):
        raise MovieError(
            f"dataset must name an array of {path}, got {name!r}, which is a group. "
            f"Arrays: {_listed(array)}."
        )
    attributes = [dict(array.attrs), dict(root.attrs)]
    axes = axes_among(attributes, array.ndim) if ome is None else _ome_axes(ome, array.ndim)
    layout = layout_of(
        array.shape, axes=request.axes, file_axes=axes, channel=request.channel, name=str(path)
    )
    dtype = checked_dtype(np.dtype(array.dtype), str(path))
    chunk = (getattr(array, "shards", None) or array.chunks)[layout.axes.index("T")]
    frame_bytes = int(np.prod(layout.shape[1:])) * dtype.itemsize
    store = ArrayFrames(
        ZarrArray(path, name, array), layout, dtype, frames_that_fit(chunk, frame_bytes)
    )
    rate, notes = rate_among(attributes)
    spacing = spacing_among(attributes)
    if ome is not None:
        rate, spacing = _ome_scale(ome, rate, spacing)
        notes = notes or ({"frame_rate_from": "OME-Zarr scale"} if rate else {})
    return Recording(
        store,
        rate,
        spacing,
        notes | {"dataset": name},
        f"{'OME-Zarr' if ome is not None else 'Zarr'}{f' ({name})' if name else ''}",
        pieces=(Piece(path, layout.shape[0]),),
    )


def _open_node(path: Path, name: str | None) -> Any:
    check_codecs(path, name)
    try:
        return zarr.open(str(path), path=name or "", mode="r")
    except (OSError, ValueError, KeyError, zarr.errors.BaseZarrError) as error:
        raise MovieError(
            f"{path} must be a zarr store{f' with {name!r}' if name else ''}, got: {error}. Check "
            "that the whole folder was copied, or name the array with dataset=."
        ) from error


def _name(root: Any, path: Path, wanted: str | None) -> str | None:
    """Name of the movie's array; ``None`` when the root is the array."""
    if wanted is not None:
        return wanted.strip("/")
    if hasattr(root, "shape"):
        return None
    arrays = {name: array for name, array in root.arrays() if 3 <= array.ndim <= 5}
    if len(arrays) > 1:
        raise ChoiceNeededError(
            f"{path} must hold one array with frames, got {len(arrays)}: {_listed(root)}. "
            "Name the movie with dataset=.",
            "dataset",
            [(name, f"{name} {array.shape}") for name, array in arrays.items()],
        )
    if not arrays:
        raise MovieError(
            f"{path} must hold one array with frames, got none: {_listed(root)}. "
            "Name the movie with dataset=."
        )
    return str(next(iter(arrays)))


def _listed(group: Any) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in group.arrays()) or "none"


def _multiscale(root: Any) -> Mapping[str, Any] | None:
    """Find the first image of OME-Zarr 0.1 to 0.5."""
    attributes = dict(root.attrs)
    found = attributes.get("ome", attributes).get("multiscales")
    return found[0] if isinstance(found, list) and found else None


def _ome_axes(ome: Mapping[str, Any], ndim: int) -> str | None:
    axes = ome.get("axes")
    if axes is None:
        return "TCZYX" if ndim == 5 else None
    names = [axis["name"] if isinstance(axis, Mapping) else axis for axis in axes]
    return "".join(str(name)[:1].upper() for name in names)


def _ome_scale(
    ome: Mapping[str, Any], rate: float | None, spacing: Mapping[str, float]
) -> tuple[float | None, dict[str, float]]:
    """Steps in time and space, only where they have a unit."""
    found = dict(spacing)
    transforms = [*ome["datasets"][0].get("coordinateTransformations", [])]
    transforms += ome.get("coordinateTransformations", [])
    for index, axis in enumerate(ome.get("axes", [])):
        if not isinstance(axis, Mapping) or "unit" not in axis:
            continue
        size = float(
            np.prod([t["scale"][index] for t in transforms if t.get("type") == "scale"] or [0])
        )
        letter = str(axis["name"])[:1].upper()
        unit = seconds(axis["unit"]) if letter == "T" else micrometres(axis["unit"])
        step = positive_or_none(size * unit) if unit is not None else None
        if step is not None and letter == "T":
            rate = rate if rate is not None else 1 / step
        elif step is not None:
            found[letter] = step
    return rate, found
