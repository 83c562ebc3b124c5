"""Finds the files of one recording, in order, from what the user gave."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._formats import format_of, hint_for, is_zarr, known_suffixes
from napari_cnmf.io.movies._names import natural_key
from napari_cnmf.io.movies.sidecars.miniscope import videos_of_scope
from napari_cnmf.io.movies.sidecars.thorimage import NAME as THOR_XML
from napari_cnmf.io.movies.sidecars.thorimage import is_preview

_UNSURE = frozenset({".raw", ".bin"})


@dataclass(frozen=True)
class Given:
    """The files of a recording.

    Attributes
    ----------
    files
        Absolute paths, in order.
    is_folder
        Whether they are all the movie files of a folder, rather than files that the user chose.
    name
        Name of the recording.
    remarks
        Sentences about files of the folder that are left out.
    """

    files: tuple[Path, ...]
    is_folder: bool
    name: str
    remarks: tuple[str, ...] = ()


def files_of(paths: Sequence[Path]) -> Given:
    """Files behind paths; a folder stands for its movie files.

    Raises
    ------
    MovieError
        A path does not exist, or a folder holds no movie or several kinds.
    """
    if not paths:
        raise MovieError("A movie must have at least one file, got an empty list.")
    files: list[Path] = []
    remarks: list[str] = []
    is_folder = False
    for path in paths:
        try:
            is_dir = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MovieError(
                f"A movie's file must exist, got {path}. Check the name and that its disk or share "
                "is connected."
            ) from error
        absolute = path if path.is_absolute() else Path(os.path.abspath(path))
        if is_dir and not is_zarr(absolute):
            is_folder = len(paths) == 1
            files += _files_in(absolute, remarks)
        else:
            files.append(absolute)
    twice = [path for path, count in Counter(files).items() if count > 1]
    if twice:
        raise MovieError(
            f"Each file of a movie must be given once, got {twice[0]} several times. Remove the "
            "repetition."
        )
    return Given(tuple(files), is_folder, _name_of(paths), tuple(remarks))


def runs_by_folder(files: Sequence[Path], descriptions: Collection[str]) -> list[list[Path]]:
    """Files that follow each other in one folder, where a description lies beside some of them.

    Such a file tells of the recording in its own folder: it must not stand for those of others.

    Parameters
    ----------
    descriptions
        Names of the files that describe the frames beside them; ``*.xml`` for any of that ending.

    Returns
    -------
    list
        One list of all files where they lie in one folder, or nothing describes them.
    """
    runs = [list(run) for _, run in groupby(files, key=lambda path: path.parent)]
    if len(runs) > 1 and any(
        next(run[0].parent.glob(name), None) for run in runs for name in descriptions
    ):
        return runs
    return [list(files)]


def _name_of(paths: Sequence[Path]) -> str:
    stem = re.sub(r"(\.ome)?\.[^.]*$", "", paths[0].name) or paths[0].name
    return paths[0].name if paths[0].is_dir() and paths[0].suffix != ".zarr" else stem


def _files_in(folder: Path, remarks: list[str]) -> list[Path]:
    """Movie files of one kind in a folder, in natural order; hidden files are not frames."""
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    is_thor = THOR_XML in names
    movies = [
        name for name in names if format_of(name) is not None and not (is_thor and is_preview(name))
    ]
    if is_thor and any(name.lower().endswith(".raw") for name in movies):
        movies = [name for name in movies if name.lower().endswith(".raw")]
    # Files of other devices have these names, too: they are movies where nothing else is.
    surer = [name for name in movies if os.path.splitext(name)[1].lower() not in _UNSURE]
    movies = surer if surer and not is_thor else movies
    if not movies:
        hint = next((found for name in names if (found := hint_for(name))), "")
        inner = [name for name in names if (folder / name).is_dir()]
        if inner and not hint:
            listed = ", ".join(sorted(inner, key=natural_key)[:5])
            hint = f"It holds folders: open one of them ({listed}), or give their files as a list."
        raise MovieError(
            f"A folder must hold the files of a movie ({known_suffixes()}), got {len(names)} "
            f"other files in {folder}.{' ' * bool(hint)}{hint}"
        )
    kinds = Counter(format_of(name) for name in movies)
    if len(kinds) > 1:
        suffixes = Counter(os.path.splitext(name)[1].lower() for name in movies)
        listed = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common())
        raise MovieError(
            f"A folder must hold movie files of one kind, got {listed} in {folder}. "
            "Give the files of the movie as a list instead."
        )
    movies, left_out = videos_of_scope(movies)
    if left_out:
        remarks.append(
            f"{len(left_out)} video{'s' * (len(left_out) > 1)} of the behaviour camera left out, "
            f"the first is {left_out[0]}."
        )
    return [folder / name for name in sorted(movies, key=natural_key)]
