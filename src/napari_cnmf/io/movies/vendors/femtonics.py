"""Opens Femtonics MESc files: HDF5 with measurement units, each with channels ``(T, Y, X)``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import layout_of
from napari_cnmf.io.movies._clock import Start, start_of_seconds
from napari_cnmf.io.movies._hdf5_files import dataset_store, member, open_hdf5
from napari_cnmf.io.movies._recording import (
    Recording,
    fact_of_channels,
    number_or_none,
    positive_or_none,
)
from napari_cnmf.io.movies._request import Request, chosen_channel, chosen_dataset
from napari_cnmf.io.movies._units import micrometres, seconds
from napari_cnmf.model.description import Piece


def open_femtonics(path: Path, request: Request) -> Recording:
    """Open one measurement unit of a ``.mesc`` file.

    Raises
    ------
    MovieError
        There is none with frames, or a unit or channel must be chosen.
    """
    try:
        with open_hdf5(path) as file:
            unit = _chosen_unit(file, path, request)
            names = [name for name in unit if name.startswith("Channel_")]
            labels = [_text(unit.attrs.get(f"{name}_Name")) or name for name in names]
            channel = chosen_channel(labels, request.channel, path, "MESc header")
            dataset = member(unit, names[channel], path)
            if not isinstance(dataset, h5py.Dataset):
                raise MovieError(f"{unit.name} of {path} must hold frames, got none.")
            layout = layout_of(dataset.shape, axes=request.axes, file_axes="TYX", name=str(path))
            attributes = dict(unit.attrs)
            store = dataset_store(dataset, path, layout)
    except MovieError as error:
        if "whole HDF5 file" not in str(error):
            raise
        raise MovieError(
            f"{path} must be a whole HDF5 file, got none. Copy it again, or export TIFF from "
            "Femtonics' MESc."
        ) from error
    step = _step(attributes, "Z")
    per_unit = seconds(_text(attributes.get("ZAxisConversionUnitName")) or "ms")
    rate = None if step is None or per_unit is None else 1 / (step * per_unit)
    spacing = {}
    for axis in "YX":
        size = _step(attributes, axis)
        scale = micrometres(_text(attributes.get(f"{axis}AxisConversionUnitName")) or "um")
        if size is not None and scale is not None:
            spacing[axis] = size * scale
    return Recording(
        store,
        rate,
        spacing,
        {"dataset": unit.name} | ({"frame_rate_from": "MESc header"} if rate else {}),
        f"Femtonics MESc ({unit.name})",
        {"channels": fact_of_channels(labels, channel, "MESc header")},
        pieces=(Piece(path, layout.shape[0]),),
        start=_start(attributes),
    )


def _chosen_unit(file: h5py.File, path: Path, request: Request) -> h5py.Group:
    found: dict[str, h5py.Group] = {}
    for session in file:
        if not session.startswith("MSession_"):
            continue
        for name in file[session]:
            unit = member(file, f"{session}/{name}", path)
            if not name.startswith("MUnit_") or not isinstance(unit, h5py.Group):
                continue
            first = unit.get("Channel_0")
            if isinstance(first, h5py.Dataset) and first.ndim == 3 and first.shape[0] > 1:
                found[unit.name] = unit
    if not found:
        raise MovieError(f"{path} must hold a measurement unit with frames over time, got none.")
    labels = {name: f"{name} {unit['Channel_0'].shape}" for name, unit in found.items()}
    wanted = None if request.dataset is None else "/" + request.dataset.strip("/")
    return found[chosen_dataset("measurement unit", labels, wanted, path)]


def _start(attributes: dict[str, Any]) -> Start | None:
    """Start of the measurement, in seconds since 1970 and nanoseconds."""
    posix, nano = (
        None if (value := attributes.get(f"MeasurementDate{name}")) is None else np.ravel(value)[0]
        for name in ("Posix", "NanoSecs")
    )
    if (whole := positive_or_none(posix)) is None:
        return None
    share = (number_or_none(nano) or 0.0) / 1e9
    resolution = 1.0 if nano is None else 1e-3
    return start_of_seconds(whole + share, resolution, "MESc header, MeasurementDate")


def _step(attributes: dict[str, Any], axis: str) -> float | None:
    value = attributes.get(f"{axis}AxisConversionConversionLinearScale")
    return positive_or_none(np.ravel(value)[0]) if value is not None else None


def _text(value: Any) -> str:
    """Text of an attribute: MESc stores it as numbers of characters."""
    if value is None:
        return ""
    if isinstance(value, bytes | str):
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    array = np.ravel(value)
    if array.dtype.kind not in "ui":
        return str(array[0]) if array.size else ""
    return "".join(chr(int(n)) for n in array if n).strip()
