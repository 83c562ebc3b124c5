"""Reads and writes ``motion.h5``: what a motion correction measured, for every engine alike."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_cnmf._atomic import replacing
from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman import open_result
from napari_cnmf.io.full_disk import hdf5_for_writing

MOTION_FORMAT = "napari-cnmf-motion"
MOTION_VERSION = 1
_DIMENSIONS = {
    "shifts": (2,), "error_px": (1,), "lost": (1,), "correlations": (2,), "template": (2, 3),
    "field": (4, 5),
}  # fmt: skip
"""Number of axes of each array; all but the template have a frame along the first."""


@dataclasses.dataclass(frozen=True, eq=False)
class MotionRecord:
    """Shifts of a motion correction.

    Attributes
    ----------
    shifts
        ``(T, ndim)`` px, axes ``([z], y, x)``: by how much the content of each frame was displaced
        against the template; the corrected frame is the frame moved by minus this.
    border_px
        Width of the rim without true data in some frame.
    error_px
        ``(T,)`` standard error of a shift; ``None`` when the engine does not estimate it.
    lost
        ``(T,)`` frames that could not be measured; ``None`` likewise.
    correlations
        ``(T, 2)`` correlation of each frame with the template, before and after; NaN for lost
        frames; ``None`` when the engine does not measure it.
    template
        ``([Z], Y, X)`` what the frames were aligned to.
    field, nodes
        Non-rigid displacement ``(T, gy, gx, 2)`` or ``(T, gz, gy, gx, 3)`` at the nodes, whose
        coordinates in px are given axis by axis; ``None`` for rigid correction.
    figures
        Plain numbers worth showing.
    """

    shifts: NDArray[np.float32]
    border_px: int
    error_px: NDArray[np.float32] | None = None
    lost: NDArray[np.bool_] | None = None
    correlations: NDArray[np.float32] | None = None
    template: NDArray[np.float32] | None = None
    field: NDArray[np.float32] | None = None
    nodes: tuple[NDArray[np.float32], ...] | None = None
    figures: dict[str, float] = dataclasses.field(default_factory=dict)


def write_motion(
    path: str | os.PathLike[str],
    *,
    shifts: ArrayLike,
    border_px: int,
    error_px: ArrayLike | None = None,
    lost: ArrayLike | None = None,
    correlations: ArrayLike | None = None,
    template: ArrayLike | None = None,
    field: ArrayLike | None = None,
    nodes: Sequence[ArrayLike] | None = None,
    figures: Mapping[str, float] | None = None,
) -> None:
    """Write ``motion.h5`` whole or not at all; the fields of `MotionRecord`.

    See Also
    --------
    read_motion
    """
    arrays = {
        "shifts": np.asarray(shifts, np.float32),
        "error_px": None if error_px is None else np.asarray(error_px, np.float32),
        "lost": None if lost is None else np.asarray(lost, bool),
        "correlations": None if correlations is None else np.asarray(correlations, np.float32),
        "template": None if template is None else np.asarray(template, np.float32),
        "field": None if field is None else np.asarray(field, np.float32),
    }
    with replacing(path) as beside, hdf5_for_writing(beside) as file:
        file.attrs["format"] = MOTION_FORMAT
        file.attrs["version"] = MOTION_VERSION
        file.attrs["border_px"] = int(border_px)
        for name, array in arrays.items():
            if array is not None:
                file.create_dataset(name, data=array, compression="gzip", shuffle=True)
        for axis, positions in enumerate(nodes or ()):
            file[f"nodes/{axis}"] = np.asarray(positions, np.float32)
        group = file.create_group("figures")
        for name, value in (figures or {}).items():
            group.attrs[name] = float(value)


def read_motion(path: str | os.PathLike[str]) -> MotionRecord:
    """Read ``motion.h5``.

    Raises
    ------
    ResultError
        When it is missing, damaged, or from a newer version.
    """
    advice = "Run the item again."
    with open_result(Path(path), "a file of shifts", advice) as file:
        about = file.attributes(file.root)
        if about.get("format") != MOTION_FORMAT:
            raise ResultError(f"{path} must be a {MOTION_FORMAT} file, and is none.")
        if int(about["version"]) > MOTION_VERSION:
            raise ResultError(f"{path} is from a newer napari-cnmf. Update to read it.")
        arrays = {name: file.read(file.root, name) for name in _DIMENSIONS}
        nodes = file.read(file.root, "nodes")
        figures = file.child(file.root, "figures")
        stored = {} if figures is None else file.attributes(figures)
        numbers = {name: v for name, v in stored.items() if isinstance(v, int | float)}
        record = MotionRecord(
            border_px=int(about["border_px"]),
            **arrays,
            nodes=None if nodes is None else tuple(nodes[str(axis)] for axis in range(len(nodes))),
            figures={name: float(value) for name, value in numbers.items()},
        )
    _require_sound(record, Path(path).name, advice)
    return record


def _require_sound(record: MotionRecord, name: str, advice: str) -> None:
    """Refuse arrays of other sizes than their recording can have."""
    arrays: dict[str, Any] = vars(record)  # as they were in the file
    shifts = arrays["shifts"]
    n_frames = len(shifts) if isinstance(shifts, np.ndarray) else None
    for field, n_dims in _DIMENSIONS.items():
        array = arrays[field]
        if array is None and field != "shifts":
            continue
        is_sound = (
            isinstance(array, np.ndarray)
            and array.ndim in n_dims
            and array.dtype.kind in "biuf"
            and (field == "template" or len(array) == n_frames)
        )
        if not is_sound:
            raise ResultError(f"{name} must hold {field} of each frame, and does not. {advice}")
    nodes = arrays["nodes"] or ()
    if any(not isinstance(at, np.ndarray) or at.ndim != 1 or at.dtype.kind != "f" for at in nodes):
        raise ResultError(f"{name} must hold the places of its nodes, and does not. {advice}")
