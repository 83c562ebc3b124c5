"""Places of the patches of CNMF and of motion correction on a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PatchGrid:
    """Boxes that cover a field, overlapping.

    Attributes
    ----------
    boxes
        ``(start, stop)`` along each axis, of each patch, in pixels.
    shape
        Number of patches along each axis.
    """

    boxes: tuple[tuple[tuple[int, int], ...], ...]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def size(self) -> tuple[int, ...]:
        """Size of the largest patch along each axis, in pixels."""
        n = len(self.shape)
        return tuple(max(box[i][1] - box[i][0] for box in self.boxes) for i in range(n))


def cnmf_patches(
    dims: Sequence[int],
    rf: int | Sequence[int],
    stride: int | Sequence[int] | None,
    border_pix: int = 0,
) -> PatchGrid:
    """Lay patches of ``2 rf + 1`` pixels that overlap by ``stride``, as CaImAn does.

    Parameters
    ----------
    dims
        Field ``([Z], Y, X)``.
    stride
        Overlap; ``None`` for a tenth of the patch.
    """
    radii = _per_axis(rf, len(dims))
    overlaps = [int(0.2 * r) for r in radii] if stride is None else _per_axis(stride, len(dims))
    along = []
    for size, radius, overlap in zip(dims, radii, overlaps, strict=True):
        inner = size - 2 * border_pix
        step = max(1, 2 * radius - overlap)
        centres = [*range(radius, inner - radius, step), inner - radius]
        spans = {
            (max(c - radius, 0) + border_pix, min(c + radius + 1, inner) + border_pix)
            for c in centres
        }
        along.append(sorted(spans))
    return _grid(along)


def motion_patches(
    dims: Sequence[int], strides: Sequence[int], overlaps: Sequence[int]
) -> PatchGrid:
    """Lay patches of ``strides + overlaps`` px every ``strides``; the last ends with the field."""
    along = []
    for size, step, overlap in zip(dims, strides, overlaps, strict=True):
        width = min(step + overlap, size)
        starts = [*range(0, size - width, step), size - width]
        along.append(sorted({(start, start + width) for start in starts}))
    return _grid(along)


def _per_axis(value: int | Sequence[int], n: int) -> list[int]:
    return [value] * n if isinstance(value, int) else list(value)


def _grid(along: list[list[tuple[int, int]]]) -> PatchGrid:
    boxes: list[tuple[tuple[int, int], ...]] = [()]
    for spans in along:
        boxes = [(*box, span) for box in boxes for span in spans]
    return PatchGrid(tuple(boxes), tuple(len(spans) for spans in along))
