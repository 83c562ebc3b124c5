"""The movies of items: written down so that a batch can move, found again where they are."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from inspect import signature
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.batch.spec import MovieInput, slug
from napari_cnmf.batch.store import INPUTS
from napari_cnmf.errors import BatchError, MovieError
from napari_cnmf.io import open_movie
from napari_cnmf.io.movies import array_fingerprint, same_content
from napari_cnmf.model.movie import Movie
from napari_cnmf.params._problems import unknown_name

MovieLike = str | Path | Movie | NDArray[Any] | Iterable[str | Path]


def to_movie(movie: MovieLike, **options: Any) -> Movie:
    """Open what was given as a movie; raises ``MovieError`` for what is none.

    Parameters
    ----------
    **options
        ``axes, dataset, channel, n_channels`` of `open_movie`.
    """
    known = [name for name in signature(open_movie).parameters if name != "source"]
    for name in options.keys() - set(known):
        raise MovieError(f"{unknown_name(str(name), known, 'option of open_movie')}")
    if isinstance(movie, Movie):
        return movie
    if isinstance(movie, str | os.PathLike):
        return open_movie(movie, **options)
    if hasattr(movie, "shape") and hasattr(movie, "dtype"):
        return open_movie(movie, **options)
    given: Any = movie
    files = list(given) if isinstance(given, Iterable) else [given]
    if not all(isinstance(path, str | os.PathLike) for path in files):
        raise MovieError(
            "A movie must be a path, a list of paths, a folder, an array, or what open_movie "
            f"returned, got {movie!r:.80}."
        )
    return open_movie(files, **options)


def describe_movie(root: Path, movie: Movie) -> MovieInput:
    """The entry of ``item.json`` for a movie that has files.

    Files inside the batch are noted relative to it; others absolute and, where there is a way,
    relative too, for a batch that is moved together with its movies. A movie without files gets
    the place where `store_array` will put it.
    """
    rate, size = movie.frame_rate_hz, movie.pixel_size_um
    is_size = size is not None and all(math.isfinite(length) for length in size)
    opened: dict[str, Any] = {
        "shape": movie.shape,
        "frame_rate_hz": float(rate) if rate is not None and math.isfinite(rate) else None,
        "pixel_size_um": tuple(map(float, size)) if size is not None and is_size else None,
    }
    if not movie.paths:
        return MovieInput(paths=(f"{INPUTS}/{slug(movie.name)}.tif",), **opened)
    paths = [path.absolute() for path in movie.paths]
    inside = [path.is_relative_to(root) for path in paths]
    return MovieInput(
        paths=tuple(
            _as_text(path.relative_to(root) if is_inside else path)
            for path, is_inside in zip(paths, inside, strict=True)
        ),
        beside=None if all(inside) else _relative(root, paths),
        fingerprint=movie.fingerprint,
        **opened,
        **movie.opened_with,
    )


def _as_text(path: Path) -> str:
    """Path as ``item.json`` holds it; raises ``MovieError`` where it is bytes that are no text."""
    text = path.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = text.encode(errors="backslashreplace").decode()
        raise MovieError(
            f"The path of a movie must be text in UTF-8, got {shown}, as older systems wrote it. "
            "Rename that file or folder."
        ) from None
    return text


def with_array_fingerprint(described: MovieInput, movie: Movie) -> MovieInput:
    """The entry of a movie without files, with the fingerprint of its frames; reads all of them."""
    if movie.paths or described.array_fingerprint is not None:
        return described
    mark = array_fingerprint(movie.deferred or movie.data)
    return described.model_copy(update={"array_fingerprint": mark})


def open_input(root: Path, movie: MovieInput, *, frame_rate_hz: float | None = None) -> Movie:
    """The movie of an item as it was opened when the item was added.

    Parameters
    ----------
    root
        The batch folder.
    frame_rate_hz
        From the item's parameters; wins over the rate that the movie was opened with.

    Raises
    ------
    MovieError
        When the files are not where they were; the message says how to locate them.
    """
    opened = open_movie(
        list(movie_paths(root, movie)),
        **movie.open_with,
        frame_rate_hz=frame_rate_hz or movie.frame_rate_hz,
    )
    return opened if movie.pixel_size_um is None else opened.with_pixel_size(movie.pixel_size_um)


def _relative(root: Path, paths: list[Path]) -> tuple[str, ...] | None:
    try:
        return tuple(Path(os.path.relpath(path, root)).as_posix() for path in paths)
    except ValueError:  # another drive of Windows
        return None


def store_array(root: Path, movie: Movie, name: str) -> Movie:
    """Write a movie that has no file to ``inputs/`` of the batch and open that.

    The file is a BigTIFF in the dtype of the movie, made whole or not at all.
    """
    from napari_cnmf.io import TiffMovieWriter

    folder = root / INPUTS
    if folder.is_symlink():
        raise BatchError(
            f"{folder} must be a folder of the batch, and is a link to another place. Nothing is "
            "written through it: replace it by a folder, or add the movie by a file of its own."
        )
    target = None
    try:
        folder.mkdir(exist_ok=True)
        target = _take_free_name(folder, slug(name))
        with TiffMovieWriter(
            target,
            shape=movie.shape,
            dtype=movie.dtype,
            frame_rate_hz=movie.frame_rate_hz,
            pixel_size_um=movie.pixel_size_um,
        ) as writer:
            frame_bytes = max(1, int(np.prod(movie.dims)) * movie.dtype.itemsize)
            step = max(1, 64_000_000 // frame_bytes)
            for start in range(0, movie.n_frames, step):
                writer.write(start, np.asarray(movie.data[start : start + step]))
    except BaseException as error:
        if target is not None:
            target.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise BatchError(
            f"The movie {name!r} has no file and could not be written to {folder}: "
            f"{error.strerror or error}. Free some space, or add it by a file of its own."
        ) from error
    return open_movie(target, frame_rate_hz=movie.frame_rate_hz)


def _take_free_name(folder: Path, stem: str) -> Path:
    """Make an empty file of a free name: another process that stores a movie takes the next."""
    number = 1
    while True:
        path = folder / (f"{stem}.tif" if number == 1 else f"{stem}-{number}.tif")
        try:
            path.open("xb").close()
        except FileExistsError:
            number += 1
        else:
            return path


def movie_paths(root: Path, movie: MovieInput) -> tuple[Path, ...]:
    """Paths of the files of ``movie``, where they are now.

    Raises
    ------
    MovieError
        When some are nowhere to be found; the message says how to locate them.
    """
    absolute = tuple(root / path for path in movie.paths)
    # Not Path.exists: a name that no file can have (too long, with a NUL) is an error to that.
    if all(os.path.exists(path) for path in absolute):
        return absolute
    if movie.beside is not None:
        beside = tuple(Path(os.path.normpath(root / path)) for path in movie.beside)
        if all(os.path.exists(path) for path in beside):
            return beside
    missing = str(next(path for path in absolute if not os.path.exists(path)))
    shown = missing if len(missing) < 500 else f"{missing[:500]}…"
    raise MovieError(
        f"The movie must be where it was added from, and {shown} is not there. If it was moved, "
        "say where to: batch.locate(FOLDER), or `napari-cnmf batch DIR locate FOLDER`."
    )


def locate(movie: MovieInput, index: Mapping[str, list[Path]], root: Path) -> MovieInput | None:
    """Return the same movie with its files found in ``index``, or ``None``.

    A file is taken for the same when its name is, and, where the fingerprint is known, all that
    the fingerprint read of the files too. Their times do not count: copying changes them.

    Parameters
    ----------
    index
        Files by name, from `index_files`.
    """
    names = [_file_name(path) for path in movie.paths]
    if not all(name in index for name in names):
        return None
    by_parent = [{path.parent: path for path in index[name]} for name in names]
    for parent in sorted(set.intersection(*(set(group) for group in by_parent))):
        try:
            candidate = open_movie([group[parent] for group in by_parent], **movie.open_with)
        except MovieError:
            continue
        if movie.fingerprint is None or same_content(candidate.fingerprint, movie.fingerprint):
            kept = {
                name: getattr(movie, name)
                for name in ("array_fingerprint", "frame_rate_hz", "pixel_size_um")
            }
            return describe_movie(root, candidate).model_copy(update=kept)
    return None


def index_files(folder: Path) -> dict[str, list[Path]]:
    """Every file below ``folder``, by its name."""
    index: dict[str, list[Path]] = defaultdict(list)
    for path in folder.rglob("*"):
        index[path.name].append(path)
    return index


def _file_name(path: str) -> str:
    """The last part of a path of either system."""
    return PureWindowsPath(path).name
