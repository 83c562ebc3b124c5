"""Scores a registration: residual shifts and displacements against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import ResultError
from napari_cnmf.testing.truth import Truth


def score_shifts(shifts: NDArray[Any], truth: Truth, *, sound_frames_only: bool = True) -> float:
    """Root mean square error of rigid shifts over frames and axes, in px.

    The mean over frames is removed per axis: where the template stands is anybody's choice.

    Parameters
    ----------
    shifts
        Where the tissue stands in each frame ``(T, ndim)`` in px, as ``Truth.shifts``. What a
        registration applies (CaImAn's ``shifts_rig``, suite2p's offsets) is the negative of it.
    sound_frames_only
        Leave out black, flash, noise and saturated frames, whose shift nobody can know.

    Raises
    ------
    ResultError
        Another number of frames or axes than the truth.
    """
    estimate = np.asarray(shifts, dtype=np.float64)
    if estimate.shape != truth.shifts.shape:
        raise ResultError(
            f"shifts must have shape {truth.shifts.shape} (frames, axes), got {estimate.shape}."
        )
    frames = truth.frame_fault == "" if sound_frames_only else np.ones(truth.n_frames, dtype=bool)
    error = (estimate - truth.shifts)[frames]
    return float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)))


def score_displacements(
    displacements: NDArray[Any],
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    truth: Truth,
) -> float:
    """Root mean square error of a non-rigid registration over frames, places and axes, in px.

    The mean over frames is removed at each place: a template may be warped as it likes, as long
    as every frame is brought to it. Lost frames do not count.

    Parameters
    ----------
    displacements
        Shift and warp together, ``(T, n_rows, n_cols, 2)`` in px, pointing as ``Truth.shifts``.
    rows, cols
        Where they were estimated, in px of the field.

    Raises
    ------
    ResultError
        The shape does not fit the places or the number of frames.
    """
    estimate = np.asarray(displacements, dtype=np.float64)
    expected = (truth.n_frames, len(rows), len(cols), 2)
    if estimate.shape != expected:
        raise ResultError(f"displacements must have shape {expected}, got {estimate.shape}.")
    error = (estimate - truth.displacements(rows, cols))[truth.frame_fault == ""]
    return float(np.sqrt(np.mean((error - error.mean(axis=0)) ** 2)))
