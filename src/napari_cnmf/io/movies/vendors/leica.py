"""Opens Leica's LIF, by the library ``liffile``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._clock import Start, start_of_moment
from napari_cnmf.io.movies._recording import Recording, positive_or_none
from napari_cnmf.io.movies._request import Request, chosen_dataset
from napari_cnmf.io.movies.vendors.by_library import opened_with, recording_of, with_facts


@dataclass(frozen=True)
class _LifSeries:
    """One image series of a LIF file, mapped for the time of a read."""

    path: Path
    name: str

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[NDArray[Any]]:
        """Map the pixels for the time of one read."""
        with import_module("liffile").LifFile(self.path) as file:
            yield _lif_image(file, self.name).asarray(out="memmap")


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
        if not movies:
            raise MovieError(f"{path} must hold a series with several frames, got none.")
        labels = {name: f"{name} {tuple(sizes.values())}" for name, sizes in movies.items()}
        name = chosen_dataset("series", labels, request.dataset, path)
        image = _lif_image(file, name)
        dtype = np.dtype(image.dtype)
        steps = {axis: _step(values) for axis, values in image.coords.items()}
        start = _start(image)
    sizes = movies[name]
    frames, axes, label = _LifSeries(path, name), "".join(sizes), f"Leica LIF ({name})"
    shape = tuple(sizes.values())
    found = recording_of(frames, path, shape, axes, dtype, (), request, label)
    found.metadata["dataset"] = name
    rate = None if (step := steps.get("T")) is None else positive_or_none(1 / step)
    spacing = {axis: 1e6 * (steps.get(axis) or 0) for axis in "ZYX"}
    return replace(with_facts(found, rate, "LIF header, T", spacing), start=start)


def _start(image: Any) -> Start | None:
    """Time of the first image, in milliseconds."""
    stamps = np.asarray(image.timestamps).ravel()
    if stamps.dtype.kind != "M" or not stamps.size or np.isnat(stamps[0]):
        return None
    moment = stamps[0].astype("datetime64[us]").item()
    return start_of_moment(moment, 1e-3, "LIF time stamps")


def _step(values: Any) -> float | None:
    array = np.asarray(values, np.float64)
    return positive_or_none(abs(float(np.median(np.diff(array))))) if array.size > 1 else None
