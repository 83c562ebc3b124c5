"""Places copies of the field side by side, and finds the field's pixel at a point of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GAP = 0.02
"""Between two copies, as a share of the field's longer side."""
_MOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Tiles:
    """A grid of copies of one field.

    Attributes
    ----------
    dims
        Field ``([Z], Y, X)`` in pixels.
    count
        How many copies; 1 is the field alone.
    """

    dims: tuple[int, ...]
    count: int = 1

    @property
    def columns(self) -> int:
        """Number of copies in a row."""
        return self.count if self.count <= _MOST_IN_A_ROW else -(-self.count // 2)

    @property
    def pitch(self) -> tuple[int, int]:
        """Distance from one copy to the next, (y, x) in whole field pixels."""
        gap = max(1, round(_GAP * max(self.dims[-2:])))
        return self.dims[-2] + gap, self.dims[-1] + gap

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Offset of each copy, (y, x) in field pixels; the first is ``(0, 0)``."""
        y, x = self.pitch
        return [(i // self.columns * y, i % self.columns * x) for i in range(self.count)]

    def repeat(
        self,
        labels: NDArray[np.uint16],
        oversampling: int,
        kept: Sequence[NDArray[np.bool_]] = (),
    ) -> NDArray[np.uint16]:
        """Repeat a label image over all copies, background between them.

        Parameters
        ----------
        kept
            For each copy, which labels it shows, ``(n_labels + 1,)``; all of them where empty.
        """
        if self.count == 1:
            return labels
        last_y, last_x = (max(o[axis] for o in self.offsets) for axis in (0, 1))
        height, width = labels.shape[-2:]
        wide = (last_y * oversampling + height, last_x * oversampling + width)
        out = np.zeros((*labels.shape[:-2], *wide), labels.dtype)
        for number, (dy, dx) in enumerate(self.offsets):
            y, x = dy * oversampling, dx * oversampling
            seen = labels if not kept else np.where(kept[number][labels], labels, 0)
            out[..., y : y + height, x : x + width] = seen
        return out

    def spread(self, vertices: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Move points ``(n, 2)`` or ``(n, 3)`` of the field to every copy."""
        moved = []
        for offset in self.offsets:
            copy = vertices.copy()
            copy[:, -2:] += offset
            moved.append(copy)
        return moved

    def copy_at(self, point: Any) -> int:
        """Number of the copy that a point ``(2 or 3,)`` lies on, or is next to."""
        nearest = [max(abs(point[-2] - y - self.dims[-2] / 2) / self.dims[-2],
                       abs(point[-1] - x - self.dims[-1] / 2) / self.dims[-1])
                   for y, x in self.offsets]  # fmt: skip
        return int(np.argmin(nearest))

    def fold(self, points: Any) -> NDArray[np.float64]:
        """Move points ``(..., 2 or 3)`` on any copy to the field.

        All move together, by the offset of the copy that their middle lies on: an outline that
        reaches out of its copy stays one.
        """
        points = np.array(points, np.float64)
        middle = points.reshape(-1, points.shape[-1])[:, -2:].mean(axis=0)
        tops = [max(o[axis] for o in self.offsets) for axis in (0, 1)]
        for axis, (position, step) in enumerate(zip(middle, self.pitch, strict=True)):
            copy = np.clip(np.floor((position + 0.5) / step) * step, 0, tops[axis])
            points[..., axis - 2] -= copy
        return np.asarray(points, np.float64)
