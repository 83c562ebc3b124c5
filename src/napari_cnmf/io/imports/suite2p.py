"""Reads a suite2p folder as a result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError, brief
from napari_cnmf.io.imports.found import Imported, provenance
from napari_cnmf.io.imports.kinds import plane_folder
from napari_cnmf.io.pickled import read_object_array, read_plain_array
from napari_cnmf.model.components import Components

_USUAL_NEUCOEFF = 0.7
_USUAL_TAU_S = 1.0
_IMAGES = {"meanImg": "mean", "max_proj": "max", "Vcorr": "correlation"}
_MOST_PIXELS = 2**28
_KEPT = (
    "fs", "tau", "neucoeff", "neuropil_coefficient", "diameter", "threshold_scaling",
    "spatial_scale", "nonrigid", "baseline", "win_baseline", "sig_baseline", "prctile_baseline",
    "batch_size", "nplanes", "nchannels", "functional_chan", "data_path", "high_pass",
    "allow_overlap", "sparse_mode",
)  # fmt: skip
"""Settings that go into the history."""


def read_suite2p(path: Path, *, plane: int | None = None) -> Imported:
    """Read ``stat, F, Fneu, spks, iscell, ops`` of one plane.

    Footprints are ``lam`` at unit norm. Raw traces are ``F - neucoeff Fneu`` in the units of the
    movie times those of the footprint: ``F`` is the mean of the pixels weighted by ``lam``, so it
    is multiplied by ``sum(a)``, ``a`` the footprint at unit norm. Denoised traces are
    ``spks`` through suite2p's kernel ``exp(-1 / (tau fs))`` plus a constant, the median of what is
    left. The background has one component: the mean image less the mean of the cells, constant
    in time, so that dF/F has the whole baseline to divide by. ``iscell`` is the verdict.

    Raises
    ------
    ResultError
        A file is missing, cut short, or fits no other.
    """
    folder = plane_folder(path, plane)
    ops = read_object_array(folder / "ops.npy")
    stat = read_object_array(folder / "stat.npy")
    try:
        return _assemble(folder, ops, stat)
    except (
        KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError,
    ) as error:  # fmt: skip
        raise ResultError(
            f"{folder} is not laid out like a suite2p folder: {type(error).__name__} "
            f"{brief(error)}. Run suite2p again, or choose another folder."
        ) from error


def _assemble(folder: Path, ops: Mapping[str, Any], stat: NDArray[Any]) -> Imported:
    if not isinstance(ops, Mapping):
        raise TypeError("ops.npy holds no settings")
    ops = _flat(ops)
    F = _rows(folder, "F", None)
    n, n_frames = F.shape
    if len(stat) != n:
        raise ValueError(f"stat has {len(stat)} cells, F {n}")
    A, dims = footprints_of_stat(stat, ops)
    # the second name is that of suite2p 1
    neucoeff = float(ops.get("neucoeff", ops.get("neuropil_coefficient", _USUAL_NEUCOEFF)))
    Fneu = _rows(folder, "Fneu", (n, n_frames))
    spikes = _rows(folder, "spks", (n, n_frames))
    is_cell, probability = read_verdict(folder, n)
    scale = np.asarray(A.sum(axis=0)).ravel()[:, np.newaxis]
    raw = (F - neucoeff * Fneu) * scale
    S = spikes * scale
    fs, tau = (_positive(ops.get(name)) for name in ("fs", "tau"))
    C, bl = _denoised(raw, S, fs, tau or _USUAL_TAU_S)
    images = _images(ops, dims)
    b, f = _background(A, raw, images, n_frames)
    version = str(ops.get("suite2p_version", ops.get("version", "unknown")))
    settings = {name: _plain(ops[name]) for name in _KEPT if name in ops}
    components = Components(
        A=A,
        C=np.asarray(C, np.float32),
        dims=dims,
        S=np.asarray(S, np.float32),
        YrA=np.asarray(raw - C, np.float32),
        b=b,
        f=f,
        bl=bl.astype(np.float32),
        accepted=is_cell,
        frame_rate_hz=fs,
        params={"data": {k: v for k, v in (("fr", fs), ("decay_time", tau)) if v is not None}},
        images=images,
        attributes=provenance("suite2p", version, folder, settings),
    )
    if probability is not None:
        attributes = components.attributes | {"suite2p_probability": probability.tolist()}
        components = components.replace(attributes=attributes)
    return Imported(components, folder / "stat.npy")


def _positive(value: Any) -> float | None:
    """Setting that must be above 0 to mean something; ``None`` where it is not."""
    number = float(value) if isinstance(value, int | float | np.number) else math.nan
    return number if 0 < number < math.inf else None


def _denoised(
    raw: NDArray[np.float64], S: NDArray[np.float64], fs: float | None, tau: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Denoised traces ``(n, n_frames)`` from the spikes, and their baselines ``(n,)``.

    Without a frame rate the decay in frames is not known, and the raw traces stand for them.
    """
    n, n_frames = raw.shape
    if not n_frames:
        return S, np.zeros(n)
    if fs is None:
        return raw, np.median(raw, axis=1)
    # Whoever starts a run comes past this module, and scipy.signal costs half a second.
    from scipy.signal import lfilter

    C = lfilter([1.0], [1.0, -np.exp(-1.0 / (tau * fs))], S, axis=1)
    bl = np.median(raw - C, axis=1)
    return C + bl[:, np.newaxis], bl


def read_verdict(folder: Path, n: int) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
    """Read ``iscell.npy``: which of ``n`` cells count, and with what probability.

    Parameters
    ----------
    folder
        Of the plane. Without the file all cells count.
    n
        Number of cells.

    Returns
    -------
    is_cell
        Bool ``(n,)``.
    probability
        ``(n,)``; ``None`` where the file has none, as older versions and other programs write it.

    Raises
    ------
    ResultError
        The file cannot be read, or is of another number of cells.
    """
    path = folder / "iscell.npy"
    if not path.is_file():
        return np.ones(n, bool), None
    values = np.asarray(read_plain_array(path), np.float64)
    if values.ndim == 1:
        values = values[:, np.newaxis]
    elif values.ndim == 2 and values.shape[0] == 2 != n == values.shape[1]:
        values = values.T
    if values.ndim != 2 or values.shape[0] < n or (n and not values.shape[1]):
        raise ResultError(
            f"{path} must have a row for each of {n} cells, got shape {values.shape}. Save the "
            "cells again in suite2p, or remove the file: then all cells count."
        )
    unknown = np.flatnonzero(np.isnan(values[:n, 0]))
    if unknown.size:
        raise ResultError(
            f"{path} must hold 1 for each cell and 0 for all else, got NaN in row {unknown[0]}. "
            "Save the cells again in suite2p, or remove the file: then all cells count."
        )
    is_cell = values[:n, 0] > 0.5 if n else np.zeros(0, bool)
    return is_cell, values[:n, 1] if values.shape[1] > 1 else None


def _flat(ops: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name: newer versions keep groups of them inside; a name at the top wins."""
    inner: dict[str, Any] = {}
    for value in ops.values():
        if isinstance(value, Mapping):
            inner |= _flat(value)
    return inner | dict(ops)


def _plain(value: Any) -> Any:
    """A setting as JSON takes it; what is of another kind as text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _rows(folder: Path, name: str, shape: tuple[int, int] | None) -> NDArray[np.float64]:
    path = folder / f"{name}.npy"
    try:
        rows = np.asarray(read_plain_array(path), np.float64)
    except FileNotFoundError:
        if shape is None:
            raise ResultError(
                f"A suite2p folder must hold {name}.npy, {folder} does not."
            ) from None
        return np.zeros(shape)
    if rows.ndim != 2 or (shape is not None and rows.shape != shape):
        raise ResultError(f"{path} must have shape {shape or '(cells, frames)'}, got {rows.shape}.")
    return rows


def footprints_of_stat(
    stat: NDArray[Any], ops: Mapping[str, Any]
) -> tuple[sp.csc_matrix, tuple[int, ...]]:
    """Footprints ``(n_pixels, n)`` at unit norm, and dims; also of a volume laid out as tiles."""
    height, width = int(ops["Ly"]), int(ops["Lx"])
    dims = tuple(int(size) for size in ops.get("napari_cnmf_dims", (height, width)))
    n_pixels = math.prod(dims)
    if not 0 < n_pixels <= _MOST_PIXELS or min(height, width, *dims) < 1:
        raise ValueError(f"a field of {dims} pixels")
    columns, rows, values = [], [], []
    for k, cell in enumerate(stat):
        y, x = np.asarray(cell["ypix"], np.int64), np.asarray(cell["xpix"], np.int64)
        lam = np.asarray(cell["lam"], np.float64)
        if not y.shape == x.shape == lam.shape or y.ndim != 1:
            raise ValueError(f"cell {k} has {y.size} rows, {x.size} columns, {lam.size} weights")
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width) & (lam > 0)
        y, x, lam = y[inside], x[inside], lam[inside]
        norm = np.sqrt(lam @ lam)
        rows.append(_pixels(y, x, dims, width))
        values.append(lam / norm if norm else lam)
        columns.append(np.full(y.size, k))
    if not len(stat):
        return sp.csc_matrix((n_pixels, 0), dtype=np.float32), dims
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sp.csc_matrix(entries, shape=(n_pixels, len(stat)), dtype=np.float32), dims


def _pixels(
    y: NDArray[np.int64], x: NDArray[np.int64], dims: tuple[int, ...], width: int
) -> NDArray[np.int64]:
    if len(dims) == 2:
        return y * dims[1] + x
    plane = (y // dims[1]) * (width // dims[2]) + x // dims[2]
    return (plane * dims[1] + y % dims[1]) * dims[2] + x % dims[2]


def _images(ops: Mapping[str, Any], dims: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    """Mean, maximum and correlation on the whole field; suite2p crops some of them."""
    found = {}
    height, width = int(ops["Ly"]), int(ops["Lx"])
    rows, columns = (slice(*map(int, ops.get(k, (0, n)))) for k, n in
                     (("yrange", height), ("xrange", width)))  # fmt: skip
    for theirs, ours in _IMAGES.items():
        image = ops.get(theirs)
        if not isinstance(image, np.ndarray) or image.ndim != 2:
            continue
        whole = np.zeros((height, width), np.float32)
        if image.shape == whole.shape:
            whole[:] = image
        elif image.shape == whole[rows, columns].shape:
            whole[rows, columns] = image
        else:
            continue
        if len(dims) == 3:
            y, x = np.unravel_index(np.arange(whole.size), whole.shape)
            at = _pixels(y, x, dims, width)
            volume = np.zeros(int(np.prod(dims)), np.float32)
            inside = at < volume.size
            volume[at[inside]] = whole.ravel()[inside]
            whole = volume.reshape(dims)
        found[ours] = whole
    return found


def _background(
    A: sp.csc_matrix, raw: NDArray[np.float64], images: Mapping[str, Any], n_frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | tuple[None, None]:
    if "mean" not in images or not n_frames:
        return None, None
    left = images["mean"].ravel() - np.asarray(A @ raw.mean(axis=1)).ravel()
    return (
        np.maximum(left, 0)[:, np.newaxis].astype(np.float32),
        np.ones((1, n_frames), np.float32),
    )
