"""Reads for napari what it opens through us: movies, results, batches, projects, exports.

``get_reader`` is asked for every file that is dropped on the viewer, so it decides by suffix and
a look at the header and imports nothing heavy; the reader that it gives does the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

LayerData = tuple[Any, dict[str, Any], str]
Reader = Callable[[str | Sequence[str]], list[LayerData]]

_ALWAYS = frozenset(
    {
        ".mmap", ".hdf5", ".h5", ".hdf", ".he5", ".nwb",
        ".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".wmv",
        ".sbx", ".mesc", ".nd2", ".lif", ".czi", ".oif", ".oib", ".isxd",
    }
)  # fmt: skip
_TIFF = frozenset({".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk"})
_BESIDE = {".raw": "Experiment.xml", ".bin": "ops.npy"}
"""Names that many programs use: a movie where this file lies beside it."""
_MANY_FRAMES = 16
"""Stacks of fewer are taken for images of a few planes or channels."""
_MANY_FILES = 64
_SET_MARKS = ("Experiment.xml", "metadata.txt")
"""Files of microscopes' programs beside the single images of a recording."""
_BRUKER = re.compile(r"_Cycle\d+_.*Ch\d+_\d+(\.ome)?\.tiff?$", re.IGNORECASE)
_JSON = frozenset({"batch.json", "item.json", "project.json", "sample.json"})
"""Each stands for the folder that it lies in."""
_TABLES = re.compile(r"(components|rois|traces_\w+)\.csv", re.IGNORECASE)
_PLANES = ("plane0", "suite2p/plane0")
_AS_LAYERS = frozenset({"channel", "field", "plane", "dataset"})
"""What a recording may leave open and is shown as layers beside each other."""
_MOST_LAYERS = 16
_ZARR_MARKS = (".zarray", ".zgroup", "zarr.json")


def get_reader(path: str | Sequence[str]) -> Reader | None:
    """Reader for a file, a folder or the files of a session; ``None`` leaves it to others.

    Single images and stacks of a few planes are left to napari; of a movie its own reader would
    load every frame.
    """
    paths = [Path(path)] if isinstance(path, str | os.PathLike) else [Path(p) for p in path]
    if not paths:
        return None
    try:
        ours = _is_ours(paths)
    except OSError:
        # It cannot even be looked at; napari says so for all readers alike.
        return None
    return read_layers if ours else None


def _is_ours(paths: Sequence[Path]) -> bool:
    suffixes = {path.suffix.lower() for path in paths}
    if len(paths) == 1 and paths[0].is_dir():
        return _is_folder_of_ours(paths[0])
    if len(suffixes) > 1:
        return False
    suffix = suffixes.pop()
    if suffix in _ALWAYS:
        return True
    if suffix in _BESIDE:
        return all((path.parent / _BESIDE[suffix]).is_file() for path in paths)
    if len(paths) == 1 and _is_export_or_part(paths[0]):
        return True
    if suffix not in _TIFF and suffix != ".npy":
        return False
    if not all(path.is_file() for path in paths):
        return False
    if len(paths) > 1:
        return True
    return _is_array(paths[0]) if suffix == ".npy" else _is_movie(paths[0])


def _is_movie(path: Path) -> bool:
    """Whether a TIFF is a movie, or one image of a recording that lies around it."""
    is_of_a_set = _BRUKER.search(path.name) is not None or any(
        (path.parent / mark).is_file() for mark in _SET_MARKS
    )
    return is_of_a_set or _has_many_pages(path)


def _is_export_or_part(path: Path) -> bool:
    """Whether a file stands for a batch, a project, a suite2p folder, or was exported by us."""
    if path.name in _JSON:
        return path.is_file()
    if path.suffix.lower() == ".npy":
        return path.is_file() and (path.parent / "stat.npy").is_file()
    return _is_label_image(path) or _TABLES.fullmatch(path.name) is not None


def _is_label_image(path: Path) -> bool:
    """Whether a TIFF holds an exported labels image: its name says so, and it holds integers."""
    if path.suffix.lower() not in _TIFF or "label" not in path.stem.lower() or not path.is_file():
        return False
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            return series.dtype.kind in "ui" and series.ndim in (2, 3)
    except (tifffile.TiffFileError, ValueError, IndexError):
        return False


def _is_folder_of_ours(folder: Path) -> bool:
    """Whether a folder is ours: batch, item, project, sample, zarr, suite2p, or a recording."""
    names = os.listdir(folder)
    if not _JSON.isdisjoint(names):
        return True
    if "stat.npy" in names or any((folder / n / "stat.npy").is_file() for n in _PLANES):
        return True
    if any(mark in names for mark in _ZARR_MARKS):
        return True
    names = [name for name in names if not name.startswith(".")]
    suffixes = [os.path.splitext(name)[1].lower() for name in names]
    if not _ALWAYS.isdisjoint(suffixes):
        return True
    if any(suffix in suffixes and mark in names for suffix, mark in _BESIDE.items()):
        return True
    images = sorted(n for n, s in zip(names, suffixes, strict=True) if s in _TIFF)
    return len(images) >= _MANY_FILES or (bool(images) and _is_movie(folder / images[0]))


def _has_many_pages(path: Path) -> bool:
    """Whether a TIFF is a movie rather than an image."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            # ImageJ keeps the frames of a big file behind a single page: pages alone do not tell.
            if tiff.pages.first.nbytes * _MANY_FRAMES <= path.stat().st_size:
                return True
            # Not len(): it would walk over every page of a long recording.
            tiff.pages[_MANY_FRAMES - 1]
    except (tifffile.TiffFileError, ValueError, IndexError):
        return False
    return True


def _is_array(path: Path) -> bool:
    """Whether an ``.npy`` file holds frames rather than a trace or an image."""
    import numpy as np

    try:
        return bool(np.load(path, mmap_mode="r", allow_pickle=False).ndim > 2)
    except (ValueError, EOFError):
        return False


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read the layers of what was opened; of a movie, one for each channel, plane or array.

    Returns
    -------
    list
        ``(data, keywords, layer type)``; movies are lazy, time first, with limits from frames
        spread over the recording. A batch or a project opens in its dock and has no layers.

    Raises
    ------
    CnmfError
        The file is damaged, or holds neither a result nor a movie.
    """
    from napari_cnmf.ui._docks import offer_workspace
    from napari_cnmf.ui._dropped import read_dropped

    paths = [Path(path)] if isinstance(path, str | os.PathLike) else [Path(p) for p in path]
    layers = None
    if len(paths) == 1:
        layers = read_dropped(paths[0], is_label_image=_is_label_image(paths[0]))
    if layers is None:
        layers = _movie_layers(paths)
        offer_workspace()
    return layers


def _movie_layers(paths: list[Path], **chosen: Any) -> list[LayerData]:
    """Make a layer for each channel, scan field, plane or array that the files leave open."""
    from napari_cnmf.io.movies import ChoiceNeededError

    try:
        return [_movie_layer(paths, chosen)]
    except ChoiceNeededError as several:
        option, choices = several.option, several.choices
        if option not in _AS_LAYERS or option in chosen or not 0 < len(choices) <= _MOST_LAYERS:
            raise
    layers = []
    for value, _ in choices:
        layers += _movie_layers(paths, **chosen, **{option: value})
    # Channels blend; of fields, planes and arrays the first is seen, the others are a click away.
    for _, keywords, _ in layers[1:] if option != "channel" else ():
        keywords["visible"] = False
    return layers


def _movie_layer(paths: list[Path], chosen: dict[str, Any]) -> LayerData:
    from napari_cnmf.io.movies import array_for_display, open_movie
    from napari_cnmf.ui.layers._convert import movie_to_layer

    movie = open_movie(paths if len(paths) > 1 else paths[0], **chosen)
    metadata: dict[str, Any] = {
        "frame_rate_hz": movie.frame_rate_hz,
        "fingerprint": movie.fingerprint,
        "paths": [str(file) for file in movie.paths],
        "opened_with": movie.opened_with,
    }
    parts = [value if option == "dataset" else f"{option} {value}" for option, value in
             chosen.items()]  # fmt: skip
    _, keywords, kind = movie_to_layer(
        movie, name=" · ".join([movie.name, *parts]), metadata=metadata
    )
    return array_for_display(movie), keywords, kind
