"""Reads cells of suite2p's ``stat.npy``, without the rest of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from napari_cnmf.errors import ParameterError, ResultError, brief
from napari_cnmf.io.imports.suite2p import footprints_of_stat, read_verdict
from napari_cnmf.io.pickled import read_object_array


def read_stat(path: Path, dims: tuple[int, ...]) -> sp.csc_matrix:
    """Read footprints at unit norm: those that ``iscell.npy`` accepts, where it is there.

    Raises
    ------
    ResultError
        The file is missing, damaged, or not of suite2p.
    ParameterError
        A cell lies outside of the field, or ``ops.npy`` beside it tells another field.
    """
    folder = path if path.is_dir() else path.parent
    stat = read_object_array(folder / "stat.npy")
    ops: Mapping[str, object] = {}
    if (folder / "ops.npy").is_file():
        ops = read_object_array(folder / "ops.npy")
    try:
        theirs = _field(stat, ops)
        if "napari_cnmf_dims" not in ops:
            _require_same(theirs, dims, whole=bool(ops))
            ops = {"Ly": dims[-2], "Lx": dims[-1]}
        A, found_dims = footprints_of_stat(stat, ops)
    except (
        KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError,
    ) as error:  # fmt: skip
        raise ResultError(
            f"{folder / 'stat.npy'} is not laid out like suite2p's: {type(error).__name__} "
            f"{brief(error)}."
        ) from error
    if tuple(found_dims) != tuple(dims):
        _require_same(tuple(found_dims), dims, whole=True)
    is_cell, _ = read_verdict(folder, A.shape[1])
    return A[:, np.flatnonzero(is_cell)]


def _field(stat: object, ops: Mapping[str, object]) -> tuple[int, ...]:
    """Field that the cells need at least, or that ops names."""
    if "Ly" in ops:
        return int(ops["Ly"]), int(ops["Lx"])  # type: ignore[call-overload]
    cells = list(stat)  # type: ignore[call-overload]
    if not cells:
        return 0, 0
    return (
        max(int(np.max(cell["ypix"])) for cell in cells) + 1,
        max(int(np.max(cell["xpix"])) for cell in cells) + 1,
    )


def _require_same(theirs: tuple[int, ...], dims: tuple[int, ...], *, whole: bool) -> None:
    fits = len(dims) == 2 and all(a <= b for a, b in zip(theirs, dims, strict=False))
    if (tuple(theirs) != tuple(dims)) if whole else not fits:
        raise ParameterError(
            f"ain must be of the field {tuple(dims)}, got cells of suite2p on {tuple(theirs)}. "
            "Take those of the same recording."
        )
