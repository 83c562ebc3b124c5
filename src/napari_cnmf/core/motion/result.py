"""Result of motion correction."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class MotionResult:
    """Shifts, their error bars, and how well the movie stands now.

    Attributes
    ----------
    shifts
        ``(T, ndim)`` float32, px, axes ``([z], y, x)``: by how much the content of a frame is
        displaced against the template. The corrected frame is the frame moved by minus this;
        CaImAn's ``shifts_rig`` (see `shifts_rig`) is minus this.
    error_px
        ``(T,)`` float32: standard error of a shift, root mean square over axes; infinite where
        nothing could be measured.
    lost
        ``(T,)`` bool: frames that do not show the field (dark, saturated, noise); their shift
        comes from their neighbours.
    correlations
        ``(T, 2)`` float32: correlation of each frame with the template in the band that is
        compared, as it was and corrected rigidly; NaN for lost frames.
    template
        ``dims`` float32: mean of the corrected frames, in the movie's units.
    border_px
        Width of the rim that holds invented pixels in some frame; in more than one frame in a
        hundred where they are copied from the nearest pixel (``border_nan="copy"``).
    field
        ``(T, gy, gx, 2)`` or ``(T, gz, gy, gx, 3)`` float32: displacement at the nodes of the
        non-rigid grid, the rigid shift included; ``None`` for rigid correction.
    nodes
        Node coordinates in px along each axis; ``None`` for rigid correction.
    figures
        Plain numbers worth showing.
    dtype
        Of the frames that were written.
    """

    shifts: NDArray[np.float32]
    error_px: NDArray[np.float32]
    lost: NDArray[np.bool_]
    correlations: NDArray[np.float32]
    template: NDArray[np.float32]
    border_px: int
    dtype: np.dtype[Any]
    field: NDArray[np.float32] | None = None
    nodes: tuple[NDArray[np.float32], ...] | None = None
    figures: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def shifts_rig(self) -> NDArray[np.float32]:
        """``(T, ndim)`` px: by how much each frame was moved, CaImAn's sign."""
        return -self.shifts
