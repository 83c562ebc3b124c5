"""Plain files that every program reads: CSV tables and one NumPy archive."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import ExportError
from napari_cnmf.io.atomic import replacing
from napari_cnmf.model.components import Components

_SCORES = ("snr", "r_values", "bl", "neurons_sn")


def write_csv(
    components: Components, folder: str | os.PathLike[str], *, accepted: NDArray[np.bool_]
) -> list[Path]:
    """Write ``components.csv`` and one table for each kind of trace.

    Parameters
    ----------
    folder
        Made if need be.
    accepted
        ``(n_components,)``: the decision about each component.

    Returns
    -------
    The files: ``components.csv`` (one row a component: position in pixels, size, scores, decision),
    ``denoised.csv``, ``raw.csv``, ``spikes.csv`` (one row a frame, one column a component, named by
    its id; the first column is the time in seconds, or the frame where the rate is unknown).

    Raises
    ------
    ExportError
        When the folder cannot be written.
    """
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        written = [target / "components.csv"]
        _write_table(written[0], *_component_table(components, accepted))
        for name, traces in _traces(components).items():
            written.append(target / f"{name}.csv")
            _write_table(written[-1], *_trace_table(components, traces))
    except OSError as error:
        raise ExportError(
            f"CSV goes to a folder that can be written, got {target}: {error.strerror or error}."
        ) from error
    return written


def write_npz(
    components: Components, path: str | os.PathLike[str], *, accepted: NDArray[np.bool_]
) -> None:
    """Write every array to one ``.npz``; the sparse footprints as data, indices, indptr, shape.

    Pixels are in C order of ``dims``.

    Raises
    ------
    ExportError
        When the file cannot be written.
    """
    A = components.A
    arrays: dict[str, Any] = {
        "A_data": A.data,
        "A_indices": A.indices,
        "A_indptr": A.indptr,
        "A_shape": A.shape,
        "dims": components.dims,
        "C": components.C,
        "accepted": accepted,
        "frame_rate_hz": np.nan if components.frame_rate_hz is None else components.frame_rate_hz,
    }
    for name in ("S", "YrA", "F_dff", "b", "f", *_SCORES):
        value = getattr(components, name)
        if value is not None:
            arrays[name] = value
    try:
        with replacing(path) as beside, beside.open("wb") as stream:
            np.savez_compressed(stream, **arrays)
    except OSError as error:
        raise ExportError(f"{path} could not be written: {error.strerror or error}.") from error


def _traces(components: Components) -> dict[str, NDArray[Any]]:
    """The kinds of trace that a result has, each ``(n_components, n_frames)``."""
    raw = None if components.YrA is None else components.C + components.YrA
    kinds = {"denoised": components.C, "raw": raw, "spikes": components.S, "dff": components.F_dff}
    return {name: traces for name, traces in kinds.items() if traces is not None}


def _component_table(
    components: Components, accepted: NDArray[np.bool_]
) -> tuple[list[str], Iterable[Sequence[Any]]]:
    axes = ("y", "x") if len(components.dims) == 2 else ("z", "y", "x")
    scores = [name for name in _SCORES if getattr(components, name) is not None]
    grid = np.indices(components.dims).reshape(len(components.dims), -1)
    mass = np.asarray(components.A.sum(axis=0), dtype=float).ravel()
    centers = (components.A.T @ grid.T.astype(float)) / np.where(mass > 0, mass, np.nan)[:, None]
    sizes = np.diff(components.A.indptr)
    rows = (
        [i, int(accepted[i]), *centers[i], sizes[i], *(getattr(components, s)[i] for s in scores)]
        for i in range(components.n_components)
    )
    return ["id", "accepted", *(f"{axis}_px" for axis in axes), "n_pixels", *scores], rows


def _trace_table(
    components: Components, traces: NDArray[Any]
) -> tuple[list[str], Iterable[Sequence[Any]]]:
    rate = components.frame_rate_hz
    first = np.arange(components.n_frames) / (rate or 1)
    rows = ([time, *frame] for time, frame in zip(first, traces.T, strict=True))
    return ["frame" if rate is None else "time_s", *map(str, range(len(traces)))], rows


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
