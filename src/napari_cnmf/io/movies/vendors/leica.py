"""Opens Leica's LIF, by the library ``liffile``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies.vendors.by_library import (
    LibraryFrames,
    opened_with,
    recording_of,
    with_facts,
)


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
    with opened_with("liffile", path, "Leica") as liffile, liffile.LifFile(path) as file:
        movies = {
            str(image.path): dict(image.sizes)
            for image in file.images
            if image.sizes.get("T", 1) > 1 or image.sizes.get("Z", 1) > 1
        }
        name = _chosen_series(path, movies, request)
        image = _lif_image(file, name)
        dtype = np.dtype(image.dtype)
        steps = {axis: _step(values) for axis, values in image.coords.items()}
    sizes = movies[name]
    frames = LibraryFrames(path, _LifReader, name)
    found = recording_of(
        frames, tuple(sizes.values()), "".join(sizes), dtype, (), request, f"Leica LIF ({name})"
    )
    found.metadata["dataset"] = name
    rate = None if (step := steps.get("T")) is None else positive_or_none(1 / step)
    spacing = {axis: 1e6 * (steps.get(axis) or 0) for axis in "ZYX"}
    return with_facts(found, rate, "LIF header, T", spacing)


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
