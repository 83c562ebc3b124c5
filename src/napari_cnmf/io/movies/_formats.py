"""Which module opens which file."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._recording import Recording, Request

Opener = Callable[[Path, Request], Recording]

# Modules are named, not imported: no format's library is loaded for another format.
_BY_SUFFIX = {
    **dict.fromkeys((".tif", ".tiff", ".btf", ".tf8"), "_tiff.open_tiff_movie"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), "_hdf5.open_hdf5_movie"),
    ".nwb": "_nwb.open_nwb_movie",
    ".zarr": "_zarr.open_zarr_movie",
    ".npy": "_npy.open_npy_movie",
    ".mmap": "_caiman_mmap.open_caiman_mmap",
    **dict.fromkeys((".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".wmv"), "_video.open_video"),
}
_OF_NAMED_ARRAYS = frozenset(_BY_SUFFIX[suffix] for suffix in (".h5", ".nwb", ".zarr"))
_ZARR_MARKS = (".zarray", ".zgroup", "zarr.json")


def movie_suffixes() -> tuple[str, ...]:
    """Suffixes that ``open_movie`` understands, for file dialogs."""
    return tuple(_BY_SUFFIX)


def known_suffixes() -> str:
    """The same, for messages."""
    return " ".join(_BY_SUFFIX)


def format_of(name: str | os.PathLike[str]) -> str | None:
    """What opens a file of this name; equal for files of one kind, ``None`` for other files."""
    return _BY_SUFFIX.get(os.path.splitext(name)[1].lower())


def may_hold_several(name: str | os.PathLike[str]) -> bool:
    """Whether a file of this name may hold several arrays, told apart by ``dataset``."""
    return format_of(name) in _OF_NAMED_ARRAYS


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    return any((path / mark).exists() for mark in _ZARR_MARKS)


def opener_for(path: Path) -> Opener:
    """The function that opens ``path``.

    Raises
    ------
    MovieError
        No format has this suffix.
    """
    where = _BY_SUFFIX[".zarr"] if path.is_dir() and is_zarr(path) else format_of(path)
    if where is None:
        raise MovieError(
            f"A movie must be one of {known_suffixes()}, got {path.name!r}. "
            "Convert it, for example to TIFF with ImageJ."
        )
    module, function = where.split(".")
    opener: Opener = getattr(import_module(f"napari_cnmf.io.movies.{module}"), function)
    return opener
