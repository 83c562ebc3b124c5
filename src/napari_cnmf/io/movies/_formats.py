"""Tells which module opens which file, and what helps where none does."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import Request

Opener = Callable[[Path, Request], Recording]

TIFF = "tiff"
# Modules are named, not imported: no format's library is loaded for another format.
_BY_SUFFIX = {
    **dict.fromkeys((".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk"), TIFF),
    **dict.fromkeys((".h5", ".hdf5", ".hdf", ".he5"), "_hdf5.open_hdf5_movie"),
    ".nwb": "_nwb.open_nwb_movie",
    ".zarr": "_zarr.open_zarr_movie",
    ".npy": "_npy.open_npy_movie",
    ".mmap": "_caiman_mmap.open_caiman_mmap",
    **dict.fromkeys((".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".wmv"), "_video.open_video"),
    ".raw": "vendors.thor_raw.open_thor_raw",
    ".sbx": "vendors.scanbox.open_scanbox",
    ".mesc": "vendors.femtonics.open_femtonics",
    ".bin": "vendors.suite2p_binary.open_suite2p_binary",
    ".nd2": "vendors.nikon.open_nd2",
    ".lif": "vendors.leica.open_lif",
    ".czi": "vendors.zeiss.open_czi",
    **dict.fromkeys((".oif", ".oib"), "vendors.olympus.open_oif"),
    ".isxd": "vendors.inscopix.open_isxd",
}
_SHOWN = (".tif", ".tiff", ".h5", ".hdf5", ".nwb", ".zarr", ".npy", ".mmap", ".avi", ".mp4", ".mkv",
          ".raw", ".sbx", ".mesc", ".nd2", ".lif", ".czi", ".oif", ".oib", ".isxd")  # fmt: skip
_OF_NAMED_ARRAYS = frozenset(_BY_SUFFIX[suffix] for suffix in (".h5", ".nwb", ".zarr", ".mesc"))
_ZARR_MARKS = (".zarray", ".zgroup", "zarr.json")

_BIO_FORMATS = "open it in Fiji (File > Import > Bio-Formats) and save it as TIFF"
_HINTS = {
    ".oir": f"It is Olympus FluoView's format: {_BIO_FORMATS}, or export OME-TIFF from FluoView.",
    ".poir": f"It is Olympus FluoView's format: {_BIO_FORMATS}.",
    ".vsi": f"It is Olympus cellSens' format: {_BIO_FORMATS}.",
    ".cxd": f"It is Hamamatsu HCImage's format: {_BIO_FORMATS}, or export TIFF from HCImage.",
    ".ims": f"It is Imaris' format: {_BIO_FORMATS}.",
    ".lsm": "LSM is Zeiss' kind of TIFF, and this file is none: copy it again.",
    ".stk": "STK is MetaMorph's kind of TIFF, and this file is none: copy it again.",
    ".gif": "GIF holds pictures of 256 colours, not the values of a recording: use the original "
    "recording, or open it in ImageJ and save it as TIFF.",
    ".mat": "MATLAB files are read where they are HDF5 (save(..., '-v7.3')) and hold one array of "
    "frames: save it so, or write TIFF.",
    ".zip": "It is a zip archive: unpack it and open the movie inside.",
    ".npz": "It is numpy's archive of several arrays: save the movie alone with numpy.save (.npy).",
    ".gz": "It is a compressed file: unpack it and open the movie inside.",
    ".ome": "It describes a set of OME-TIFF: open the folder that it lies in, or its TIFF files.",
    ".xml": "It describes a recording: open the folder that it lies in, or its TIFF files.",
    ".dcimg": f"It is Hamamatsu's format: {_BIO_FORMATS}, or export TIFF from HCImage.",
    ".tdms": "It is LabVIEW's format: export the frames as TIFF from the program that wrote it.",
    ".inr": f"It is no format of ours: {_BIO_FORMATS}.",
    ".cine": f"It is Phantom's format: {_BIO_FORMATS}.",
    ".spe": f"It is Princeton Instruments' format: {_BIO_FORMATS}.",
    ".seq": f"It is Norpix' format: export AVI from StreamPix, or {_BIO_FORMATS}.",
    ".imd": "It is Inscopix' old format: export TIFF from the Inscopix software.",
}


def movie_suffixes() -> tuple[str, ...]:
    """Suffixes that ``open_movie`` understands, for file dialogs."""
    return tuple(_BY_SUFFIX)


def known_suffixes() -> str:
    """Usual suffixes, for messages."""
    return " ".join(_SHOWN)


def format_of(name: str | os.PathLike[str]) -> str | None:
    """Name of what opens a file of this name, ``None`` for other files; equal for one kind."""
    return _BY_SUFFIX.get(os.path.splitext(name)[1].lower())


def hint_for(name: str | os.PathLike[str]) -> str:
    """Hint for a file that is not read; empty where nothing is known about its kind."""
    return _HINTS.get(os.path.splitext(name)[1].lower(), "")


def may_hold_several(name: str | os.PathLike[str]) -> bool:
    """Whether a file of this name may hold several arrays, told apart by ``dataset``."""
    return format_of(name) in _OF_NAMED_ARRAYS


def counts_images(name: str | os.PathLike[str]) -> bool:
    """Whether the opener of such a file itself puts images in the order that the user says."""
    return format_of(name) == _BY_SUFFIX[".raw"]


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    return any((path / mark).exists() for mark in _ZARR_MARKS)


def opener_for(path: Path) -> Opener:
    """Function that opens one file.

    Raises
    ------
    MovieError
        No format has this suffix.
    """
    where = _BY_SUFFIX[".zarr"] if path.is_dir() and is_zarr(path) else format_of(path)
    if where is None and path.suffix.lower() == ".mat" and _is_hdf5(path):
        where = _BY_SUFFIX[".h5"]
    if where is None:
        hint = hint_for(path) or "Convert it, for example to TIFF with ImageJ."
        raise MovieError(f"A movie must be one of {known_suffixes()}, got {path}. {hint}")
    if where == TIFF:
        return _open_one_tiff
    module, function = where.rsplit(".", 1)
    opener: Opener = getattr(import_module(f"napari_cnmf.io.movies.{module}"), function)
    return opener


def _open_one_tiff(path: Path, request: Request) -> Recording:
    from napari_cnmf.io.movies.tiff import read_tiffs

    return read_tiffs([path], request, is_folder=False)


def _is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5 whatever its name; MATLAB writes 512 bytes before it."""
    with path.open("rb") as stream:
        return b"\x89HDF\r\n\x1a\n" in stream.read(1024)
