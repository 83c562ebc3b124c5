"""Opens recordings with ``open_movie`` and describes them with ``describe_recording``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_cnmf._checks import check_path
from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._checks import check_frame_rate, check_pixel_size
from napari_cnmf.io.movies._describing import describe
from napari_cnmf.io.movies._files import Given, files_of
from napari_cnmf.io.movies._fingerprint import fingerprint
from napari_cnmf.io.movies._lazy import LazyFrames
from napari_cnmf.io.movies._reading import read_files
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies._session import with_joined_times
from napari_cnmf.io.movies._stores import shift_values, take_plane
from napari_cnmf.model.description import Description, Question
from napari_cnmf.model.movie import Movie

PathLike = str | os.PathLike[str]
_MOST_QUESTIONS = 6
"""Options that a recording may leave open, from ``n_channels`` to ``dataset``."""


def open_movie(
    source: PathLike | Sequence[PathLike] | Any,
    *,
    frame_rate_hz: float | None = None,
    axes: str | None = None,
    dataset: str | None = None,
    channel: int | None = None,
    n_channels: int | None = None,
    plane: int | None = None,
    n_planes: int | None = None,
    n_flyback: int | None = None,
    field: int | None = None,
    offset: float | None = None,
    pixel_size_um: float | Sequence[float] | None = None,
    allow_missing: bool | None = None,
) -> Movie:
    """Open a recording; frames are read when they are asked for.

    The files are described first, with what stands beside them; print the movie to see the
    description. Each argument wins over what the files say.

    Parameters
    ----------
    source
        A file, the files of one session in their order, a folder of files (sorted as people
        count: 2 before 10), or an array. Any file of an OME-TIFF set stands for the set.
    frame_rate_hz
        Frames (or volumes) per second. Without it and without a rate in the files,
        ``Movie.frame_rate_hz`` is ``None``.
    axes
        One letter of ``TZCSYX`` for each axis of the stored array, where the file does not say
        or is wrong: ``axes="TZYX"``. Without ``T`` each file of a list or folder is one volume:
        ``axes="ZYX"``.
    dataset
        Name of the array inside an HDF5, NWB or zarr file with several, or of one series of an
        OME-TIFF.
    channel
        Which channel, counted from 0; needed when there are several.
    n_channels
        Number of channels whose images alternate, in files that do not say so or are wrong. A
        frame rate of such files is not used: give ``frame_rate_hz``, the rate of one channel.
    plane
        Which plane of a volume to open as a movie of one plane, counted from 0.
    n_planes, n_flyback
        Number of planes that follow each other in every volume, and of images (per channel) after
        the last that show none.
    field
        Which scan field of a recording with several (ScanImage's mROI), counted from 0.
    offset
        Number that is added to every stored value, for example to undo a calibration; 0 opens
        the values as they are stored.
    pixel_size_um
        ``([dz], dy, dx)`` in micrometres; one number stands for dy and dx.
    allow_missing
        Open what is there of a recording with missing, empty or cut files.

    Returns
    -------
    Movie
        ``data`` is ``(T, [Z], Y, X)`` in the file's own type.

    Raises
    ------
    ChoiceNeededError
        There are several channels, fields, arrays or planes, and none was chosen.
    MovieError
        What is wrong, with what was found and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> open_movie(np.zeros((3, 4, 5), "uint16"), frame_rate_hz=30).shape
    (3, 4, 5)
    """
    rate = None if frame_rate_hz is None else check_frame_rate(frame_rate_hz)
    request = Request(
        axes, dataset, channel, n_channels, plane, n_planes, n_flyback, field, offset,
        None if pixel_size_um is None else check_pixel_size(pixel_size_um),
        None if allow_missing is False else allow_missing,
    )  # fmt: skip
    paths = _paths_of(source)
    if paths is None:
        return _movie_of_array(source, request, rate)
    try:
        given = files_of(paths)
        recording = _read(given, request)
        if rate is None and "playing" in str(recording.metadata.get("frame_rate_from")):
            recording = _told_playing(recording)
        recording = with_joined_times(recording, rate)
        files = tuple(piece.path for piece in recording.pieces) or given.files
        mark = fingerprint([*files, *recording.frames_in])
    except OSError as error:
        raise MovieError(
            f"{error.filename or paths[0]} must be a readable file, got: "
            f"{error.strerror or error}. Check its permissions and the disk."
        ) from error
    rates = recording.metadata.get("rates_in_files")
    if rates is not None and rate is None:
        raise MovieError(
            f"All files of a session must have one frame rate, got {rates[0]:g} to {rates[1]:g} "
            "Hz. Say which is right with frame_rate_hz=."
        )
    metadata = dict(recording.metadata)
    if recording.remarks:
        metadata["remarks"] = list(recording.remarks)
    return Movie(
        data=LazyFrames(recording.store),
        paths=files,
        frame_rate_hz=rate if rate is not None else recording.frame_rate_hz,
        pixel_size_um=recording.pixel_size_um,
        opened_with={k: v for k, v in request.told().items() if k not in recording.settled},
        fingerprint=mark,
        name=given.name,
        metadata=metadata,
        description=describe(recording, request, rate, given.name),
        time_s=recording.time_s,
    )


def describe_recording(
    source: PathLike | Sequence[PathLike], *, frame_rate_hz: float | None = None, **options: Any
) -> Description:
    """Describe a recording, with everything that has to be asked.

    Parameters
    ----------
    source
        A file, files or a folder, as for `open_movie`.
    frame_rate_hz, **options
        As for `open_movie`; what they leave open is listed in ``questions``.

    Raises
    ------
    MovieError
        The recording cannot be read at all.
    """
    questions: list[Question] = []
    for _ in range(_MOST_QUESTIONS):
        try:
            movie = open_movie(source, frame_rate_hz=frame_rate_hz, **options)
            break
        except ChoiceNeededError as error:
            if error.option in options or not error.choices:
                raise
            questions.append(Question(error.option, error.choices, str(error)))
            options = {**options, error.option: error.choices[0][0]}
    else:
        movie = open_movie(source, frame_rate_hz=frame_rate_hz, **options)
    found = movie.description
    if found is None:
        raise MovieError("A recording to describe must be a file or a folder, got an array.")
    return _with_questions(found, questions)


def _with_questions(found: Description, questions: Sequence[Question]) -> Description:
    from napari_cnmf.io.movies._describing import as_asked

    facts = dict(found.facts)
    for question in questions:
        name = {"channel": "channels", "field": "scan_fields", "plane": "planes"}.get(
            question.option
        )
        if name is not None:
            facts[name] = as_asked(question)
    return replace(found, facts=facts, questions=(*questions, *found.questions))


def _read(given: Given, request: Request) -> Recording:
    recording = read_files(given, request)
    if 0 in recording.store.shape:
        raise MovieError(
            f"A movie must have at least one frame and pixel, got shape {recording.store.shape} in "
            f"{given.name}. Copy it again from where it was recorded, or open another recording."
        )
    _check_is_used(recording, request, given.name)
    recording = replace(recording, remarks=(*given.remarks, *recording.remarks))
    return _with_choices(recording, request, given.name)


def _told_playing(recording: Recording) -> Recording:
    remark = (
        f"{recording.frame_rate_hz:g} Hz is the speed at which the video is played: check that it "
        "is the rate of the recording."
    )
    return replace(recording, remarks=(*recording.remarks, remark))


def _check_is_used(recording: Recording, request: Request, name: str) -> None:
    """Refuse the name of an array or a scan field for files that hold one alone."""
    options = {
        "dataset": (request.dataset, "one array, which has no name"),
        "field": (request.field or None, "one scan field"),
    }
    for option, (value, what) in options.items():
        if value is not None and option not in recording.metadata:
            raise MovieError(
                f"{option} must be left out for {name}, got {value!r}: "
                f"{recording.format or 'the file'} holds {what}."
            )


def _with_choices(recording: Recording, request: Request, name: str) -> Recording:
    """The recording with the plane, the offset and the pixel size that the user chose."""
    shape = recording.store.shape
    spacing = dict(recording.spacing_um)
    metadata = dict(recording.metadata)
    store = recording.store
    if request.plane is not None and "plane" not in metadata:
        n_planes = shape[1] if len(shape) == 4 else 1
        if not 0 <= request.plane < n_planes:
            raise MovieError(
                f"plane must be between 0 and {n_planes - 1}, got {request.plane}: {name} has "
                f"{n_planes} plane{'s' * (n_planes > 1)}."
            )
        if len(shape) == 4:
            store = take_plane(store, request.plane)
            metadata["plane"] = request.plane
            metadata["n_planes"] = n_planes
    if request.offset:
        store = shift_values(store, request.offset)
    if request.pixel_size_um is not None:
        sizes = request.pixel_size_um
        spacing |= dict(zip("ZYX"[-len(sizes) :], sizes, strict=True))
        metadata["pixel_size_from"] = "you"
    return replace(recording, store=store, spacing_um=spacing, metadata=metadata)


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
    for option in ("plane", "n_planes", "n_flyback", "field", "offset"):
        if getattr(request, option) is not None:
            raise MovieError(
                f"{option} must be left out for an array: give the part of the array that is meant."
            )
    return Movie(
        data=array_movie_data(source, request),
        frame_rate_hz=rate,
        pixel_size_um=request.pixel_size_um,
    )


def _paths_of(source: object) -> list[Path] | None:
    """The paths that ``source`` names, or ``None`` when it is no path and no list of them."""
    if isinstance(source, str | os.PathLike):
        return [check_path("A movie", source, MovieError)]
    if not isinstance(source, Sequence) or isinstance(source, bytes):
        return None
    if not all(isinstance(path, str | os.PathLike) for path in source):
        return None
    return [check_path("A movie", path, MovieError) for path in source]
