"""Traces of all components as a picture that is as large as the screen needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_COLUMNS = 1600
"""Columns of the picture that is kept, about what a screen has; longer recordings are pooled."""


def picture_of_traces(
    C: NDArray[np.floating], most_columns: int = MOST_COLUMNS
) -> NDArray[np.uint8]:
    """Scale each trace from its lowest (0) to its highest value (255), ``(n, <= most_columns)``.

    Several frames become one column by their maximum, so that no event is lost. NaN counts as
    the lowest. Takes a moment for thousands of traces: not on the GUI thread.
    """
    n, n_frames = C.shape
    starts = column_starts(n_frames, most_columns)
    out = np.zeros((n, len(starts)), np.uint8)
    for first in range(0, n if n_frames else 0, 256):
        part = np.array(C[first : first + 256], np.float32)
        known = np.isfinite(part)
        low = part.min(axis=1, keepdims=True, where=known, initial=np.inf)
        low[~np.isfinite(low)] = 0
        part = np.where(known, part, low) - low
        top = part.max(axis=1, keepdims=True)
        part *= 255 / np.where(top > 0, top, 1)
        out[first : first + 256] = np.maximum.reduceat(part, starts, axis=1).astype(np.uint8)
    return out


def column_starts(n_frames: int, most_columns: int = MOST_COLUMNS) -> NDArray[np.intp]:
    """First frame of each column, for at most ``most_columns`` of about equal width."""
    n = min(n_frames, most_columns)
    return (np.arange(n) * n_frames // max(n, 1)).astype(np.intp)


def pooled(
    picture: NDArray[np.uint8], rows: NDArray[np.intp], most: tuple[int, int]
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Pool rows in an order to at most ``most`` rows and columns, by the maximum.

    Returns
    -------
    tuple
        The picture, and how many rows and columns became one; the last ones may be fewer.
    """
    chosen = picture[rows]
    n, n_columns = chosen.shape
    tall, wide = (max(-(-size // limit), 1) for size, limit in zip(chosen.shape, most, strict=True))
    # of blocks of one size it is ten times as fast as of blocks that differ by one
    if tall > 1:
        chosen = np.pad(chosen, ((0, -n % tall), (0, 0)))
        chosen = chosen.reshape(-1, tall, n_columns).max(axis=1)
    if wide > 1:
        chosen = np.pad(chosen, ((0, 0), (0, -n_columns % wide)))
        chosen = chosen.reshape(len(chosen), -1, wide).max(axis=2)
    return chosen, (tall, wide)
