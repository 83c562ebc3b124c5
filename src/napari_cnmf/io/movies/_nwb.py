"""Opens the acquired series of images in NWB files, read without pynwb."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import layout_of
from napari_cnmf.io.movies._clock import Start, start_of_text
from napari_cnmf.io.movies._files import Given
from napari_cnmf.io.movies._hdf5_files import dataset_store, member, open_hdf5
from napari_cnmf.io.movies._reading import read_files
from napari_cnmf.io.movies._recording import (
    Recording,
    number_or_none,
    positive_or_none,
    usual_step,
)
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies._stores import shift_values
from napari_cnmf.io.movies._units import micrometres
from napari_cnmf.model.description import Piece

_SERIES = ("TwoPhotonSeries", "OnePhotonSeries")

_SAME_RATE = 0.02
"""Rates that differ by less, relative, agree: programs round them."""
_LARGEST_PIXEL_UM = 1000.0


def open_nwb_movie(path: Path, request: Request) -> Recording:
    """Open a ``TwoPhotonSeries`` or ``OnePhotonSeries``.

    NWB stores frames as ``(T, X, Y)`` or ``(T, X, Y, Z)``; the movie has ``(T, [Z], Y, X)``.
    A file whose writer ignored that is opened right with ``axes="TYX"``.

    Raises
    ------
    MovieError
        There is no such series, or several.
    """
    with open_hdf5(path) as file:
        return nwb_movie(file, path, request)


def nwb_movie(file: h5py.File, path: Path, request: Request) -> Recording:
    """Movie in an open file: a ``TwoPhotonSeries`` or ``OnePhotonSeries``."""
    series = _series(file, path, request.dataset)
    rate, notes = _frame_rate(series)
    spacing = _spacing(series.get("imaging_plane"))
    contradiction = _told_other_rate(series, rate, str(notes.get("frame_rate_from")))
    notes = notes | {"dataset": series.name}
    data = member(series, "data", path)
    if _text(series.get("external_file"), 0) is not None and (data is None or not data.size):
        frames = _external(series, path, replace(request, dataset=None))
        recording = replace(
            frames,
            frame_rate_hz=rate if rate is not None else frames.frame_rate_hz,
            spacing_um=spacing or frames.spacing_um,
            metadata=frames.metadata | notes,
            format=f"NWB ({series.name}), frames in {frames.format}",
            pieces=(Piece(path, frames.store.shape[0]),),  # it leads to the others again
            frames_in=tuple(piece.path for piece in frames.pieces),
            start=_start(file, series) or frames.start,
            parts=(),  # one series has no pause but those in its time stamps
        )
        return recording.with_times(_times(series), "NWB timestamps")
    if not isinstance(data, h5py.Dataset):
        raise MovieError(f"{series.name} in {path} must hold data, got none. Export it again.")
    axes, remarks = _axes(series, data)
    remarks += contradiction
    layout = layout_of(
        data.shape,
        axes=request.axes,
        file_axes=axes,
        channel=request.channel,
        name=f"{series.name} in {path}",
    )
    store = dataset_store(data, path, layout)
    offset = _offset(data)
    if offset and request.offset is None:
        store = shift_values(store, offset)
        remarks.append(
            f"The NWB file tells an offset of {offset:+g}, which is added. Open the stored values "
            "with offset=0."
        )
    recording = Recording(
        store,
        rate,
        spacing,
        notes,
        f"NWB ({series.name})",
        remarks=tuple(remarks),
        pieces=(Piece(path, layout.shape[0]),),
        start=_start(file, series),
    )
    return recording.with_times(_times(series), "NWB timestamps")


def _axes(series: h5py.Group, data: h5py.Dataset) -> tuple[str | None, list[str]]:
    """Axes of the stored frames: NWB's order, unless ``dimension`` shows that they are turned."""
    if data.ndim not in (3, 4):
        return None, []
    told = series.get("dimension")
    sizes = [int(n) for n in np.ravel(told[()])] if isinstance(told, h5py.Dataset) else []
    stored = list(data.shape[1:])
    if len(sizes) == len(stored) and sizes != stored and sizes[:2] == stored[1::-1]:
        return "TYXZ"[: data.ndim], [
            f"{series.name} stores frames as (y, x), not (x, y) as NWB asks: its dimension "
            f"{sizes} shows it, and they are read so."
        ]
    return "TXYZ"[: data.ndim], []


def _offset(data: h5py.Dataset) -> float:
    """Offset that is added to the stored values, in their own unit."""
    offset = float(np.ravel(data.attrs.get("offset", 0.0))[0])
    conversion = float(np.ravel(data.attrs.get("conversion", 1.0))[0])
    value = offset / conversion if conversion else 0.0
    return value if np.isfinite(value) else 0.0


def _times(series: h5py.Group) -> NDArray[np.float64] | None:
    """Time stamps of the frames; ``None`` where the series has a rate."""
    times = series.get("timestamps")
    if not isinstance(times, h5py.Dataset) or times.ndim != 1 or times.size < 2:
        return None
    return np.asarray(times[()], np.float64)


def _start(file: h5py.File, series: h5py.Group) -> Start | None:
    """Start of a series on the clock that all times of its file count from."""
    is_counted = _has(series, "starting_time") and series["starting_time"].size == 1
    for name in ("timestamps_reference_time", "session_start_time"):
        began = start_of_text(_text(file.get(name)), f"NWB {name}")
        if began is not None:
            first = np.ravel(series["starting_time"][()])[0] if is_counted else None
            return began.later(number_or_none(first) or 0.0)
    return None


def _series(file: h5py.File, path: Path, name: str | None) -> h5py.Group:
    found: list[h5py.Group] = []

    def visit(_: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Group) and _text(node.attrs.get("neurodata_type")) in _SERIES:
            found.append(node)

    file.visititems(visit)
    if name is not None:
        wanted = "/" + name.strip("/").removesuffix("/data")
        chosen = [g for g in found if wanted in (g.name, "/" + g.name.rsplit("/", 1)[-1])]
    else:
        acquired = [g for g in found if g.name.startswith("/acquisition/")]
        chosen = found if len(found) == 1 else acquired
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(group.name for group in found[:8]) or "none"
    message = f"{path} must hold one {' or '.join(_SERIES)}, got: {listed}."
    if len(found) > 1 and name is None:
        choices = [(group.name, _label(group)) for group in found]
        raise ChoiceNeededError(f"{message} Name the one with dataset=.", "dataset", choices)
    raise MovieError(f"{message} Name the one with dataset=.")


def _label(series: h5py.Group) -> str:
    data = series.get("data")
    shape = f" {data.shape}" if isinstance(data, h5py.Dataset) and data.size else ""
    return f"{series.name}{shape}"


def _text(value: Any, index: int | None = None) -> str | None:
    if isinstance(value, h5py.Dataset):
        value = value[()]
    if index is not None:
        items: Any = np.atleast_1d(np.asarray(value, object)) if value is not None else []
        value = items[index] if len(items) > index else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _frame_rate(series: h5py.Group) -> tuple[float | None, dict[str, Any]]:
    """Frame rate from ``rate``, the usual step of ``timestamps``, or ``imaging_rate``."""
    start = series.get("starting_time")
    if start is not None and (rate := positive_or_none(start.attrs.get("rate"))) is not None:
        return rate, {"frame_rate_from": "NWB rate"}
    times = _times(series)
    if times is not None:
        step = usual_step(times)
        if step is not None:
            return 1 / step, {"frame_rate_from": "NWB timestamps"}
    rate = _imaging_rate(series)
    return rate, {} if rate is None else {"frame_rate_from": "NWB imaging_rate"}


def _imaging_rate(series: h5py.Group) -> float | None:
    plane = series.get("imaging_plane")
    return positive_or_none(plane["imaging_rate"][()]) if _has(plane, "imaging_rate") else None


def _told_other_rate(series: h5py.Group, rate: float | None, source: str) -> list[str]:
    """Sentence on an imaging plane that tells another rate than its frames do."""
    other = _imaging_rate(series)
    if rate is None or other is None or abs(rate / other - 1) < _SAME_RATE:
        return []
    return [
        f"By its {source} the series has {rate:.4g} Hz, by its imaging plane {other:.4g} Hz: the "
        "former is used. Say frame_rate_hz= if that is wrong."
    ]


def _spacing(plane: h5py.Group | None) -> dict[str, float]:
    """Pixel size from ``grid_spacing (x, y[, z])``, without sizes that no microscope has."""
    if plane is None or not _has(plane, "grid_spacing"):
        return {}
    grid = plane["grid_spacing"]
    unit = micrometres(_text(grid.attrs.get("unit")) or "meters")
    values = np.atleast_1d(grid[()]).tolist()
    if unit is None or len(values) not in (2, 3):
        return {}
    named = zip("XYZ", values, strict=False)
    sizes = {axis: size * unit for axis, v in named if (size := positive_or_none(v)) is not None}
    # Many files name metres, the default, and mean micrometres: no such pixel is known.
    return sizes if all(size <= _LARGEST_PIXEL_UM for size in sizes.values()) else {}


def _has(group: h5py.Group | None, name: str) -> bool:
    return group is not None and isinstance(group.get(name), h5py.Dataset)


def _external(series: h5py.Group, path: Path, request: Request) -> Recording:
    """Open frames in files beside the NWB file, named in it with the separators of any system."""
    names = [_text(name) or "" for name in np.atleast_1d(series["external_file"][()])]
    files = []
    for name in names:
        pure = PureWindowsPath(name) if "\\" in name else PurePosixPath(name)
        given = Path(*pure.parts)
        files.append(given if given.is_absolute() else path.parent / given)
    missing = [file for file in files if not file.exists()]
    beside = [path.parent / file.name for file in files]
    if missing and all(file.exists() for file in beside):
        files, missing = beside, []  # the movie was moved together with the NWB file
    if missing:
        raise MovieError(
            f"The files that {path} refers to must be there, got no {missing[0]}. "
            "Put them back beside it, or open them directly."
        )
    return read_files(Given(tuple(files), False, path.stem), request)
