"""The movies of items: written down so that a batch can move, found again where they are."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from napari_cnmf.batch.spec import MovieInput, slug
from napari_cnmf.batch.store import INPUTS
from napari_cnmf.errors import BatchError, MovieError
from napari_cnmf.io import open_movie
from napari_cnmf.model.movie import Movie

MovieLike = str | Path | Movie | Iterable[str | Path]


def to_movie(movie: MovieLike, **options: Any) -> Movie:
    """Open what was given as a movie; raises ``MovieError`` for what is none.

    Parameters
    ----------
    **options
        ``axes, dataset, channel, n_channels`` of `open_movie`.
    """
    if isinstance(movie, Movie):
        return movie
    if isinstance(movie, str | Path):
        return open_movie(Path(movie), **options)
    return open_movie([Path(path) for path in movie], **options)


def describe_movie(root: Path, movie: Movie) -> MovieInput:
    """The entry of ``item.json`` for a movie that has files.

    Files inside the batch are noted relative to it; others absolute and, where there is a way,
    relative too, for a batch that is moved together with its movies. A movie without files gets
    the place where `store_array` will put it.
    """
    if not movie.paths:
        return MovieInput(paths=(f"{INPUTS}/{slug(movie.name)}.tif",), shape=movie.shape)
    paths = [path.absolute() for path in movie.paths]
    inside = [path.is_relative_to(root) for path in paths]
    return MovieInput(
        paths=tuple(
            (path.relative_to(root) if is_inside else path).as_posix()
            for path, is_inside in zip(paths, inside, strict=True)
        ),
        beside=None if all(inside) else _relative(root, paths),
        fingerprint=movie.fingerprint,
        shape=movie.shape,
        **movie.opened_with,
    )


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
    target = _free_name(folder, slug(name))
    try:
        folder.mkdir(exist_ok=True)
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
    except OSError as error:
        raise BatchError(
            f"The movie {name!r} has no file and could not be written to {folder}: "
            f"{error.strerror or error}. Free some space, or add it by a file of its own."
        ) from error
    return open_movie(target, frame_rate_hz=movie.frame_rate_hz)


def _free_name(folder: Path, stem: str) -> Path:
    number = 1
    while (path := folder / (f"{stem}.tif" if number == 1 else f"{stem}-{number}.tif")).exists():
        number += 1
    return path


def movie_paths(root: Path, movie: MovieInput) -> tuple[Path, ...]:
    """Where the files of ``movie`` are now.

    Raises
    ------
    MovieError
        When some are nowhere to be found; the message says how to locate them.
    """
    absolute = tuple(root / path for path in movie.paths)
    if all(path.exists() for path in absolute):
        return absolute
    if movie.beside is not None:
        beside = tuple(Path(os.path.normpath(root / path)) for path in movie.beside)
        if all(path.exists() for path in beside):
            return beside
    missing = next(path for path in absolute if not path.exists())
    raise MovieError(
        f"The movie must be where it was added from, and {missing} is not there. If it was moved, "
        "say where to: batch.locate(FOLDER), or `napari-cnmf batch DIR locate FOLDER`."
    )


def locate(movie: MovieInput, index: Mapping[str, list[Path]], root: Path) -> MovieInput | None:
    """The same movie with its files found in ``index``, or ``None``.

    A file is taken for the same when its name is, and, where the fingerprint is known, the
    fingerprint of the whole movie too.

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
        if movie.fingerprint is None or candidate.fingerprint == movie.fingerprint:
            return describe_movie(root, candidate)
    return None


def index_files(folder: Path) -> dict[str, list[Path]]:
    """Every file below ``folder`` by its name."""
    index: dict[str, list[Path]] = defaultdict(list)
    for path in folder.rglob("*"):
        index[path.name].append(path)
    return index


def _file_name(path: str) -> str:
    """The last part of a path of either system."""
    return PureWindowsPath(path).name
