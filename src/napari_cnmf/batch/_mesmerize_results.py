"""Turns the result of a mesmerize-core item into the files that an item of ours has."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.batch.spec import ItemSpec
from napari_cnmf.batch.status import State, Status
from napari_cnmf.engines.base import (
    CORRECTED_FILE,
    IMAGES_FILE,
    MOTION_FILE,
    RESULT_FILE,
    Algorithm,
)
from napari_cnmf.errors import ResultError
from napari_cnmf.io import TiffMovieWriter, frame_source, open_movie, write_images
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.motion import write_motion

_IMAGES = {
    "mean": "mean-projection-path",
    "std": "std-projection-path",
    "max": "max-projection-path",
    "correlation": "corr-img-path",
}
_FRAMES_AT_ONCE = 64


@dataclass(frozen=True)
class Found:
    """A result that is there: the status of its item, and what writes its files."""

    status: Status
    fill: Callable[[Path], None]


def find(folder: Path, spec: ItemSpec, outputs: Mapping[str, Any]) -> Found:
    """Find the result of one item of mesmerize-core.

    Parameters
    ----------
    folder
        Of the mesmerize-core batch; nothing outside of it is read.
    outputs
        Of its row.

    Raises
    ------
    ResultError
        When its files are not there, or not what they should be.
    """
    if spec.algorithm is Algorithm.MCORR:
        return _motion(folder, spec, outputs)
    return _components(folder, outputs)


def _components(folder: Path, outputs: Mapping[str, Any]) -> Found:
    source = _inside(folder, outputs, "cnmf-hdf5-path")
    components = read_caiman(source)
    images = _images(folder, outputs)
    accepted = components.accepted
    status = _completed(
        outputs=(RESULT_FILE, IMAGES_FILE),
        n_components=components.n_components,
        n_accepted=None if accepted is None else int(np.count_nonzero(accepted)),
        frame_rate_hz=components.frame_rate_hz,
    )

    def fill(target: Path) -> None:
        shutil.copyfile(source, target / RESULT_FILE)
        write_images(target / IMAGES_FILE, images)

    return Found(status, fill)


def _motion(folder: Path, spec: ItemSpec, outputs: Mapping[str, Any]) -> Found:
    movie = open_movie(_inside(folder, outputs, "mcorr-output-path"))
    stored = np.load(_inside(folder, outputs, "shifts"), allow_pickle=False)
    shifts = _displacement(stored, movie.n_frames)
    params = spec.parsed_params.motion
    # As CaImAn counts it: with border_nan="copy" no pixel is without data.
    border = 0 if params.border_nan == "copy" else math.ceil(float(np.abs(stored).max()))
    images = _images(folder, outputs)
    status = _completed(
        outputs=(CORRECTED_FILE, MOTION_FILE, IMAGES_FILE),
        figures={"border_px": float(border), "max_shift_px": float(np.abs(shifts).max())},
        frame_rate_hz=spec.parsed_params.data.fr,
    )

    def fill(target: Path) -> None:
        source = frame_source(movie)
        with TiffMovieWriter(
            target / CORRECTED_FILE, movie.shape, movie.dtype, frame_rate_hz=movie.frame_rate_hz
        ) as writer:
            for start in range(0, movie.n_frames, _FRAMES_AT_ONCE):
                stop = min(start + _FRAMES_AT_ONCE, movie.n_frames)
                writer.write(start, source.read(start, stop))
        write_motion(target / MOTION_FILE, shifts=shifts, border_px=border, figures=status.figures)
        write_images(target / IMAGES_FILE, images)

    return Found(status, fill)


def _displacement(stored: NDArray[Any], n_frames: int) -> NDArray[np.float32]:
    """Displacement ``(T, ndim)`` of the content of each frame, in pixels.

    mesmerize-core stores CaImAn's shifts: rigid ``(T, ndim)``, else ``(ndim, T, n_patches)``.
    CaImAn keeps the shift that it applied, we the displacement that it undoes.
    """
    shifts = np.median(stored, axis=2).T if stored.ndim == 3 else stored
    if shifts.ndim != 2 or len(shifts) != n_frames:
        raise ResultError(
            f"its shifts must be one a frame of {n_frames}, got an array of {stored.shape}."
        )
    return -np.asarray(shifts, np.float32)


def _images(folder: Path, outputs: Mapping[str, Any]) -> dict[str, NDArray[np.float32]]:
    """Summary images of the old item; CaImAn's are ``(Y, X)`` or ``(Y, X, Z)``."""
    images = {}
    for name, key in _IMAGES.items():
        if key in outputs:
            image = np.load(_inside(folder, outputs, key), allow_pickle=False)
            images[name] = np.moveaxis(image, -1, 0) if image.ndim == 3 else image
    return images


def _inside(folder: Path, outputs: Mapping[str, Any], key: str) -> Path:
    """A file of the old batch; one that leads out of it is refused."""
    if key not in outputs:
        raise ResultError(f"its outputs name no {key}.")
    path = folder / str(outputs[key]).replace("\\", "/")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ResultError(f"its {key} leads out of the folder of the batch: {outputs[key]}.")
    if not path.is_file():
        raise ResultError(f"its {key} is not there: {path}.")
    return path


def _completed(**values: Any) -> Status:
    return Status(state=State.COMPLETED, engine="caiman", attempts=1, **values)


def times(row: Mapping[str, Any]) -> dict[str, datetime]:
    """Times at which the old item ran, as its row says: ``{"started": …, "ended": …}``."""
    try:
        ended = datetime.fromisoformat(str(row["ran_time"])).astimezone(UTC)
        seconds = float(str(row["algo_duration"]).removesuffix(" sec"))
    except (KeyError, ValueError):
        return {}
    return {"started": ended - timedelta(seconds=seconds), "ended": ended}
