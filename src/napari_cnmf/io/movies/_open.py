"""``open_movie``: which format it is, and what becomes of what the file says."""

from __future__ import annotations

import math
import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import ChannelUnknownError
from napari_cnmf.io.movies._damage import told_as_damage
from napari_cnmf.io.movies._fingerprint import fingerprint
from napari_cnmf.io.movies._formats import format_of, is_zarr, known_suffixes, opener_for
from napari_cnmf.io.movies._interleaved import Interleaved
from napari_cnmf.io.movies._lazy import LazyFrames
from napari_cnmf.io.movies._recording import Recording, Request
from napari_cnmf.io.movies._session import join, join_volumes
from napari_cnmf.model.movie import Movie

PathLike = str | os.PathLike[str]
_TIFF = frozenset({".tif", ".tiff", ".btf", ".tf8"})


def open_movie(
    source: PathLike | Sequence[PathLike] | Any,
    *,
    frame_rate_hz: float | None = None,
    axes: str | None = None,
    dataset: str | None = None,
    channel: int | None = None,
    n_channels: int | None = None,
) -> Movie:
    """Open a recording; frames are read when they are asked for.

    Parameters
    ----------
    source
        A file, the files of one session in their order, a folder of files (sorted as people
        count: 2 before 10), or an array.
    frame_rate_hz
        Wins over what the file says. Without both, ``Movie.frame_rate_hz`` is ``None``.
    axes
        One letter of ``TZCSYX`` for each axis of the stored array, where the file does not say
        or is wrong: ``axes="TZYX"``. Without ``T`` each file of a list or folder is one volume:
        ``axes="ZYX"``.
    dataset
        Name of the array inside an HDF5, NWB or zarr file with several.
    channel
        Which channel, counted from 0; needed when there are several.
    n_channels
        For files that do not know of their channels: so many alternate frame by frame (or plane
        by plane, in files of one volume each). Their frame rate is then taken from
        ``frame_rate_hz`` alone, as the rate of one channel.

    Returns
    -------
    Movie
        ``data`` is ``(T, [Z], Y, X)`` in the file's own type.

    Raises
    ------
    MovieError
        What is wrong, with what was found and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> open_movie(np.zeros((3, 4, 5), "uint16"), frame_rate_hz=30).shape
    (3, 4, 5)
    """
    rate = _checked_rate(frame_rate_hz)
    request = Request(axes, dataset, channel, n_channels)
    paths = _paths_of(source)
    if paths is None:
        return _movie_of_array(source, request, rate)
    name = _name_of(paths)
    try:
        files = _files_in_order(paths)
        recording = _open_files(files, request, explicit_rate=rate is not None)
        mark = fingerprint(files)
    except OSError as error:
        raise MovieError(
            f"{error.filename or paths[0]} must be a readable file, got: "
            f"{error.strerror or error}. Check its permissions and the disk."
        ) from error
    return Movie(
        data=LazyFrames(recording.store),
        paths=tuple(files),
        frame_rate_hz=rate if rate is not None else recording.frame_rate_hz,
        pixel_size_um=recording.pixel_size_um,
        opened_with=request.told(),
        fingerprint=mark,
        name=name,
        metadata=recording.metadata,
    )


def check_movie(movie: Movie, *, min_frames: int = 2) -> None:
    """Refuse a movie that opens but has too few frames to analyse.

    Raises
    ------
    MovieError
        It has less than ``min_frames`` frames.
    """
    if movie.n_frames < min_frames:
        raise MovieError(
            f"A movie must have at least {min_frames} frames to be analysed, got "
            f"{movie.n_frames} in {movie.name}. Give all files of the session, or say which axis "
            "is time with axes=."
        )


def _movie_of_array(source: Any, request: Request, rate: float | None) -> Movie:
    from napari_cnmf.io.movies._array import array_movie_data, is_array

    if not is_array(source):
        raise MovieError(
            "A movie must be a path, a list of paths, a folder or an array, got "
            f"{type(source).__name__}."
        )
    if request.n_channels is not None:
        raise MovieError(
            f"n_channels must be left out for an array, got {request.n_channels}. Give every "
            f"{request.n_channels}th frame: array[channel::{request.n_channels}]."
        )
    return Movie(data=array_movie_data(source, request), frame_rate_hz=rate)


def _paths_of(source: object) -> list[Path] | None:
    """The paths that ``source`` names, or ``None`` when it is no path and no list of them."""
    if isinstance(source, str | os.PathLike):
        return [Path(source)]
    if not isinstance(source, Sequence) or isinstance(source, bytes):
        return None
    if not all(isinstance(path, str | os.PathLike) for path in source):
        return None
    return [Path(path) for path in source]


def _checked_rate(frame_rate_hz: float | None) -> float | None:
    if frame_rate_hz is None:
        return None
    if not math.isfinite(frame_rate_hz) or frame_rate_hz <= 0:
        raise MovieError(
            f"Frame rate must be above 0 Hz, got {frame_rate_hz}. "
            "Give the frames (or volumes) per second of the recording."
        )
    return float(frame_rate_hz)


def _name_of(paths: Sequence[Path]) -> str:
    if not paths:
        raise MovieError("A movie must have at least one file, got an empty list.")
    stem = re.sub(r"(\.ome)?\.[^.]*$", "", paths[0].name) or paths[0].name
    return paths[0].name if paths[0].is_dir() and paths[0].suffix != ".zarr" else stem


def _files_in_order(paths: Sequence[Path]) -> list[Path]:
    """Absolute paths of the files; a folder stands for its movie files."""
    files: list[Path] = []
    for path in paths:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MovieError(
                f"A movie's file must exist, got {path}. Check the name and that its disk or share "
                "is connected."
            ) from error
        absolute = path if path.is_absolute() else Path(os.path.abspath(path))
        files += _files_in(absolute) if is_folder and not is_zarr(absolute) else [absolute]
    return files


def _files_in(folder: Path) -> list[Path]:
    """Movie files of one kind, as people count; hidden files are not frames."""
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    kinds: Counter[str] = Counter()
    movies = []
    for name in names:
        opener = format_of(name)
        if opener is not None:
            kinds[opener] += 1
            movies.append(name)
    if not movies:
        raise MovieError(
            f"A folder must hold the files of a movie ({known_suffixes()}), got {len(names)} "
            f"other files in {folder}."
        )
    if len(kinds) > 1:
        found = Counter(os.path.splitext(name)[1].lower() for name in movies)
        listed = ", ".join(f"{count} {suffix}" for suffix, count in found.most_common())
        raise MovieError(
            f"A folder must hold movie files of one kind, got {listed} in {folder}. "
            "Give the files of the movie as a list instead."
        )
    return [folder / name for name in sorted(movies, key=natural_key)]


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts ``frame2`` before ``frame10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _open_files(files: Sequence[Path], request: Request, *, explicit_rate: bool) -> Recording:
    if request.n_channels is None:
        return _join_files(files, request, None, explicit_rate=explicit_rate)
    chosen = Interleaved.checked(request.n_channels, request.channel)
    without = replace(request, channel=None, n_channels=None)
    try:
        return _join_files(files, without, chosen, explicit_rate=explicit_rate)
    except ChannelUnknownError as error:
        raise MovieError(
            f"n_channels must be left out for {files[0]}, got {chosen.n_channels}: the file says "
            f"itself that it has {error.n_channels} channels. Give channel= alone."
        ) from error


def _join_files(
    files: Sequence[Path], request: Request, chosen: Interleaved | None, *, explicit_rate: bool
) -> Recording:
    """Open files and put them one after the other; of frames that alternate those chosen."""
    if len(files) > 1 and all(path.suffix.lower() in _TIFF for path in files):
        from napari_cnmf.io.movies._tiff_folder import open_single_frames

        with told_as_damage(files[0].parent):
            frames = open_single_frames(files, request)
        if frames is not None:
            return frames if chosen is None else chosen.of(frames, _folder(files), is_last=True)
    axes = request.axes.upper() if request.axes is not None else ""
    if len(files) > 1 and "Z" in axes and "T" not in axes:
        of_planes = replace(request, axes=axes.replace("Z", "T"))
        volumes = [_open_one(path, of_planes, chosen, is_last=False) for path in files]
        return join_volumes(volumes, files)
    recordings = [
        _open_one(path, request, chosen, is_last=index == len(files) - 1)
        for index, path in enumerate(files)
    ]
    return join(recordings, files, explicit_rate=explicit_rate)


def _folder(files: Sequence[Path]) -> str:
    return str(files[0].parent)


def _open_one(
    path: Path, request: Request, chosen: Interleaved | None, *, is_last: bool
) -> Recording:
    opener = opener_for(path)
    with told_as_damage(path):
        recording = opener(path, request)
    return recording if chosen is None else chosen.of(recording, str(path), is_last=is_last)
