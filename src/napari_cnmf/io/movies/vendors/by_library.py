"""Opens Nikon, Leica, Olympus and Inscopix files by libraries of the extra ``formats``.

Each library lists frames and reads one without the rest; a file is open for the time of one read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import Layout, layout_of
from napari_cnmf.io.movies._recording import (
    Recording,
    checked_dtype,
    fact_of_channels,
    positive_or_none,
)
from napari_cnmf.io.movies._request import ChoiceNeededError, Request, chosen_channel
from napari_cnmf.io.movies._stores import ArrayFrames, FrameStore
from napari_cnmf.model.description import Piece

_EXPORTS = {
    "nd2": "Nikon's NIS-Elements, or Fiji (File > Import > Bio-Formats)",
    "liffile": "Leica's LAS X, or Fiji (File > Import > Bio-Formats)",
    "oiffile": "Olympus FluoView, or Fiji (File > Import > Bio-Formats)",
    "isx": "the Inscopix Data Processing Software",
}


def _library(name: str, path: Path, maker: str) -> Any:
    """Import a library, or raise an error that says how to get it and what else helps."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MovieError(
            f"{path} is in {maker}'s format, which needs the package {name!r}: "
            f"pip install 'napari-cnmf[formats]'. Or save it as TIFF with {_EXPORTS[name]}."
        ) from error


def _refused(path: Path, maker: str, name: str, error: Exception) -> MovieError:
    return MovieError(
        f"{path} must be a whole file of {maker}, got: {type(error).__name__}: {error}. Copy it "
        f"again, or save it as TIFF with {_EXPORTS[name]}."
    )


@dataclass(frozen=True)
class LibraryFrames:
    """An array of a file that a library reads; see `ArrayOnDisk`.

    Attributes
    ----------
    path
        The file.
    reader
        Class of this module that opens it: it has ``frame(index) -> array`` and is closed after.
    """

    path: Path
    reader: Any
    part: Any = None

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the array for the time of one read."""
        with self.reader(self.path, self.part) as array:
            yield array


def _store(frames: LibraryFrames, layout: Layout, dtype: np.dtype[Any]) -> FrameStore:
    return ArrayFrames(frames, layout, dtype, 1)


def _recording(  # noqa: PLR0917
    frames: LibraryFrames,
    shape: tuple[int, ...],
    axes: str,
    dtype: np.dtype[Any],
    channels: Sequence[str],
    request: Request,
    label: str,
) -> Recording:
    """Make the recording of an array with named axes."""
    checked_dtype(dtype, str(frames.path))
    n = shape[axes.index("C")] if "C" in axes else 1
    names = tuple(channels) if len(channels) == n else tuple(f"channel {k}" for k in range(n))
    channel = chosen_channel(names, request.channel, frames.path, label)
    layout = layout_of(
        shape,
        axes=request.axes,
        file_axes=axes,
        channel=channel if n > 1 or request.axes else None,
        name=str(frames.path),
    )
    return Recording(
        _store(frames, layout, dtype),
        format=label,
        facts={"channels": fact_of_channels(names, channel, label)},
        pieces=(Piece(frames.path, layout.shape[0]),),
    )


# Nikon


class _Nd2Reader:
    """Frames of an ND2 file: ``(lead axes) x (C, Y, X)``."""

    def __init__(self, path: Path, part: tuple[int, ...]) -> None:
        self._path, self._lead = path, part

    def __enter__(self) -> _Nd2Reader:
        self._file = import_module("nd2").ND2File(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        n_lead = len(self._lead)
        picked = [np.arange(size)[i] for size, i in zip(self._lead, index, strict=False)]
        grid = [np.atleast_1d(one) for one in picked]
        rest = index[n_lead:]
        frames = [
            np.asarray(self._file.read_frame(int(np.ravel_multi_index(place, self._lead))))[rest]
            for place in np.array(np.meshgrid(*grid, indexing="ij")).reshape(n_lead, -1).T.tolist()
        ]
        kept = [one.size for one in picked if np.ndim(one)]
        return np.stack(frames).reshape(*kept, *frames[0].shape)


def open_nd2(path: Path, request: Request) -> Recording:
    """Open a file of Nikon's NIS-Elements.

    Raises
    ------
    MovieError
        The library is missing, the file is damaged, or a channel or position must be chosen.
    """
    nd2 = _library("nd2", path, "Nikon")
    try:
        with nd2.ND2File(path) as file:
            sizes = dict(file.sizes)
            dtype = np.dtype(file.dtype)
            voxel = file.voxel_size()
            channels = [str(c.channel.name) for c in (file.metadata.channels or [])]
            rate = _nd2_rate(file)
    except MovieError:
        raise
    except Exception as error:
        raise _refused(path, "Nikon", "nd2", error) from error
    lead = tuple(size for axis, size in sizes.items() if axis not in "CYXS")
    axes = "".join(sizes)
    if sizes.get("P", 1) > 1:
        raise ChoiceNeededError(
            f"{path} holds {sizes['P']} positions of the stage, each a movie of its own. Save the "
            "one to analyse as a file of its own in NIS-Elements.",
            "field",
            [],
        )
    frames = LibraryFrames(path, _Nd2Reader, lead)
    shape = tuple(sizes.values())
    found = _recording(frames, shape, axes, dtype, channels, request, "Nikon ND2")
    spacing = {"X": voxel.x, "Y": voxel.y, "Z": voxel.z}
    return _with(found, rate, "ND2 time loop", spacing)


def _nd2_rate(file: Any) -> float | None:
    for loop in file.experiment or []:
        if getattr(loop, "type", "") == "TimeLoop":
            measured = getattr(getattr(loop.parameters, "periodDiff", None), "avg", None)
            period = positive_or_none(measured) or positive_or_none(loop.parameters.periodMs)
            return None if period is None else 1000 / period
    return None


def _with(
    recording: Recording, rate: float | None, source: str, spacing: dict[str, Any]
) -> Recording:
    sizes = {axis: size for axis, value in spacing.items() if (size := positive_or_none(value))}
    notes = {} if rate is None else {"frame_rate_from": source}
    return replace(
        recording, frame_rate_hz=rate, spacing_um=sizes, metadata=recording.metadata | notes
    )


# Leica


class _LifReader:
    """One image series of a LIF file, mapped for the time of a read."""

    def __init__(self, path: Path, part: str) -> None:
        self._path, self._name = path, part

    def __enter__(self) -> NDArray[Any]:
        self._file = import_module("liffile").LifFile(self._path)
        array: NDArray[Any] = _lif_image(self._file, self._name).asarray(out="memmap")
        return array

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _lif_image(file: Any, name: str) -> Any:
    return next(image for image in file.images if str(image.path) == name)


def open_lif(path: Path, request: Request) -> Recording:
    """Open a series of Leica's LAS X.

    Raises
    ------
    MovieError
        The library is missing, the file is damaged, or a series or channel must be chosen.
    """
    liffile = _library("liffile", path, "Leica")
    try:
        with liffile.LifFile(path) as file:
            movies = {
                str(image.path): dict(image.sizes)
                for image in file.images
                if image.sizes.get("T", 1) > 1 or image.sizes.get("Z", 1) > 1
            }
            name = _chosen_series(path, movies, request)
            image = _lif_image(file, name)
            dtype = np.dtype(image.dtype)
            steps = {axis: _step(values) for axis, values in image.coords.items()}
    except (MovieError, OSError):
        raise
    except Exception as error:
        raise _refused(path, "Leica", "liffile", error) from error
    sizes = movies[name]
    frames = LibraryFrames(path, _LifReader, name)
    found = _recording(
        frames, tuple(sizes.values()), "".join(sizes), dtype, (), request, f"Leica LIF ({name})"
    )
    rate = None if (step := steps.get("T")) is None else positive_or_none(1 / step)
    spacing = {axis: 1e6 * (steps.get(axis) or 0) for axis in "ZYX"}
    return _with(found, rate, "LIF header, T", spacing)


def _step(values: Any) -> float | None:
    array = np.asarray(values, np.float64)
    return positive_or_none(abs(float(np.median(np.diff(array))))) if array.size > 1 else None


def _chosen_series(path: Path, movies: dict[str, dict[str, int]], request: Request) -> str:
    if request.dataset is not None:
        if request.dataset not in movies:
            raise MovieError(
                f"dataset must name a series of {path}, got {request.dataset!r}. Series: "
                f"{', '.join(movies) or 'none'}."
            )
        return request.dataset
    if len(movies) == 1:
        return next(iter(movies))
    if not movies:
        raise MovieError(f"{path} must hold a series with several frames, got none.")
    raise ChoiceNeededError(
        f"One series must be chosen, {path} has {len(movies)}: {', '.join(movies)}. Choose it with "
        f"dataset={next(iter(movies))!r}.",
        "dataset",
        [(name, f"{name} {tuple(sizes.values())}") for name, sizes in movies.items()],
    )


# Olympus


class _OifReader:
    """Images of an OIF or OIB file, each a TIFF inside it: ``(C, T, Z, Y, X)`` as it is named."""

    def __init__(self, path: Path, part: tuple[tuple[int, ...], tuple[str, ...]]) -> None:
        self._path = path
        self._lead, self._names = part

    def __enter__(self) -> _OifReader:
        self._file = import_module("oiffile").OifFile(str(self._path))
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        n_lead = len(self._lead)
        numbers = np.arange(len(self._names)).reshape(self._lead)[index[:n_lead]]
        rest = index[n_lead:]
        images = [np.asarray(self._file.asarray(self._names[n]))[rest] for n in numbers.ravel()]
        return np.stack(images).reshape(*numbers.shape, *images[0].shape)


def open_oif(path: Path, request: Request) -> Recording:
    """Open a file of Olympus FluoView.

    Raises
    ------
    MovieError
        The library is missing, the file is damaged, or a channel must be chosen.
    """
    oiffile = _library("oiffile", path, "Olympus")
    try:
        with oiffile.OifFile(str(path)) as file:
            series = file.series[0]
            names = tuple(str(name) for name in series)
            first = np.asarray(file.asarray(names[0]))
            settings = file.mainfile
            lead_axes, lead = str(series.axes).upper(), tuple(int(n) for n in series.shape)
            steps = {axis: _oif_step(settings, axis) for axis in "XYZT"}
    except (MovieError, OSError):
        raise
    except Exception as error:
        raise _refused(path, "Olympus", "oiffile", error) from error
    lead_axes = lead_axes[: len(lead)]
    frames = LibraryFrames(path, _OifReader, (lead, names))
    found = _recording(
        frames, (*lead, *first.shape), lead_axes + "YX", first.dtype, (), request, "Olympus OIF"
    )
    step = steps["T"]
    rate = None if step is None else positive_or_none(1 / step)
    spacing = {axis: steps[axis] for axis in "XYZ"}
    return _with(found, rate, "OIF header, T", spacing)


_OIF_UNITS = {"um": 1.0, "nm": 1e-3, "mm": 1e3, "ms": 1e-3, "s": 1.0, "sec": 1.0}


def _oif_step(settings: Any, axis: str) -> float | None:
    """Size of a pixel in micrometres, or time of a frame in seconds."""
    for k in range(8):
        one = settings.get(f"Axis {k} Parameters Common", {})
        if one.get("AxisCode") != axis:
            continue
        try:
            n = int(one["MaxSize"])
            length = abs(float(one["EndPosition"]) - float(one["StartPosition"]))
        except (KeyError, TypeError, ValueError):
            return None
        unit = _OIF_UNITS.get(str(one.get("UnitName", one.get("PixUnit", ""))).lower())
        count = n if axis in "XY" else n - 1
        return None if unit is None or count < 1 else positive_or_none(length * unit / count)
    return None


# Inscopix


class _IsxReader:
    """Frames of an Inscopix movie: ``(T, Y, X)``."""

    def __init__(self, path: Path, part: None) -> None:
        self._path = path

    def __enter__(self) -> _IsxReader:
        self._movie = import_module("isx").Movie.read(str(self._path))
        return self

    def __exit__(self, *_: object) -> None:
        del self._movie

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        numbers = np.atleast_1d(np.arange(self._movie.timing.num_samples)[index[0]])
        frames = [np.asarray(self._movie.get_frame_data(int(n)))[index[1:]] for n in numbers]
        return np.stack(frames)


def open_isxd(path: Path, request: Request) -> Recording:
    """Open a movie of an Inscopix miniscope.

    Raises
    ------
    MovieError
        The library is missing, or the file is damaged.
    """
    isx = _library("isx", path, "Inscopix")
    try:
        movie = isx.Movie.read(str(path))
        timing = movie.timing
        n_frames = int(timing.num_samples)
        shape = tuple(int(n) for n in movie.spacing.num_pixels)
        dtype = np.dtype(movie.data_type)
        period = positive_or_none(timing.period.secs_float)
        lost = len(timing.dropped) + sum(b - a + 1 for a, b in getattr(timing, "cropped", []))
    except Exception as error:
        raise _refused(path, "Inscopix", "isx", error) from error
    frames = LibraryFrames(path, _IsxReader)
    found = _recording(frames, (n_frames, *shape), "TYX", dtype, (), request, "Inscopix ISXD")
    remarks: tuple[str, ...] = ()
    if lost:
        remarks = (f"{lost} of {n_frames} frames were dropped or cut out while recording.",)
    rate = None if period is None else 1 / period
    return replace(_with(found, rate, "ISXD header, period", {}), remarks=remarks)
