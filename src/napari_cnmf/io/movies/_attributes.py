"""Finds frame rate, pixel size and axes among the attributes of HDF5 and zarr arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from napari_cnmf.io.movies._recording import positive_or_none

_RATES = (
    "frame_rate_hz",
    "frame_rate",
    "framerate",
    "fr",
    "fps",
    "imaging_rate",
    "sampling_rate",
    "rate",
)
_SIZES = ("pixel_size_um", "element_size_um")
_AXES = ("axes", "dims", "DIMENSION_LABELS", "_ARRAY_DIMENSIONS")


def rate_among(attributes: Sequence[Mapping[str, Any]]) -> tuple[float | None, dict[str, Any]]:
    """Find the first frame rate in Hz, and a note where it was found."""
    for mapping in attributes:
        for name in _RATES:
            rate = positive_or_none(_scalar(mapping.get(name)))
            if rate is not None:
                return rate, {"frame_rate_from": f"attribute {name}"}
    return None, {}


def spacing_among(attributes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Find the pixel size by axis letter, from ``([dz], dy, dx)`` or one value for y and x."""
    for mapping in attributes:
        for name in _SIZES:
            values = np.atleast_1d(np.asarray(mapping.get(name, ()))).ravel()
            if values.dtype.kind not in "uif" or values.size not in (1, 2, 3):
                continue
            if values.size == 1:
                values = np.repeat(values, 2)
            sizes = [positive_or_none(value) for value in values.tolist()]
            letters = "ZYX"[-len(sizes) :]
            return {a: s for a, s in zip(letters, sizes, strict=True) if s is not None}
    return {}


def axes_among(attributes: Sequence[Mapping[str, Any]], ndim: int) -> str | None:
    """Find axis letters such as ``"TYX"``, when there is one for each axis."""
    for mapping in attributes:
        for name in _AXES:
            value = _decoded(mapping.get(name))
            if value is None:
                continue
            letters = "".join(part.strip()[:1].upper() for part in value)
            if len(letters) == ndim and set(letters) <= set("TZCYX") and {"Y", "X"} <= set(letters):
                return letters
    return None


def _scalar(value: Any) -> Any:
    array = np.asarray(value)
    return array.reshape(-1)[0] if array.size == 1 else None


def _decoded(value: Any) -> list[str] | None:
    """List of an attribute that holds text, or a list of words."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return list(value.replace(",", "").replace(" ", ""))
    if isinstance(value, list | tuple | np.ndarray):
        words = [w.decode("utf-8", "replace") if isinstance(w, bytes) else w for w in value]
        return [w for w in words if isinstance(w, str)]
    return None
