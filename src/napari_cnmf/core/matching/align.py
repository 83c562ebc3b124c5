"""Aligns one field with another: turned and shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import affine_transform, gaussian_filter, map_coordinates

Float = NDArray[np.floating[Any]]

_LARGEST_ANGLE_DEG = 8.0
_STEPS_DEG = (1.0, 0.25)
_INVERSIONS = 12
_LARGEST_SHIFT = 0.4
"""Of the field's side."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Alignment of a session: where a place of the reference is found in it.

    ``p_session = matrix (p - middle) + middle + shift + warp(p)``, in pixels, axes as the field's.

    Attributes
    ----------
    matrix
        ``(n_axes, n_axes)``; a rotation at first, any linear map once cells have refined it.
    shift
        ``(n_axes,)``.
    dims
        The field ``([Z], Y, X)``.
    correlation
        Correlation of the two fields as aligned, at most 1.
    warp
        Smooth displacement ``(n_axes, *nodes)`` in pixels, at nodes that are spread evenly over
        the field from its first to its last pixel; ``None`` for none.
    """

    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]
    dims: tuple[int, ...]
    correlation: float = 1.0
    warp: NDArray[np.float64] | None = None

    @classmethod
    def none(cls, dims: tuple[int, ...]) -> Alignment:
        """Return the alignment of the reference with itself: nothing moves."""
        return cls(np.eye(len(dims)), np.zeros(len(dims)), dims)

    @property
    def middle(self) -> NDArray[np.float64]:
        """Middle of the reference's field, in pixels ``(n_axes,)``."""
        return (np.asarray(self.dims, float) - 1) / 2

    def to_session(self, places: Float) -> NDArray[np.float64]:
        """Move places ``(n, n_axes)`` of the reference to where they are in the session."""
        moved = (places - self.middle) @ self.matrix.T + self.middle + self.shift
        return np.asarray(moved + self._displacement(places), np.float64)

    def to_reference(self, places: Float) -> NDArray[np.float64]:
        """Move places of the session to the reference; the inverse of `to_session`."""
        inverse = np.linalg.inv(self.matrix)
        found = (places - self.middle - self.shift) @ inverse.T + self.middle
        if self.warp is None:
            return np.asarray(found, np.float64)
        # a displacement is smooth: where it is taken from matters less and less
        for _ in range(_INVERSIONS):
            left = places - self._displacement(found) - self.middle - self.shift
            found = left @ inverse.T + self.middle
        return np.asarray(found, np.float64)

    def _displacement(self, places: Float) -> NDArray[np.float64] | float:
        """Displacement by the warp at places ``(n, n_axes)``; beyond the field as at its border."""
        if self.warp is None:
            return 0.0
        nodes = np.asarray(self.warp.shape[1:])
        at = (
            np.asarray(places).T * ((nodes - 1) / np.maximum(np.asarray(self.dims) - 1, 1))[:, None]
        )
        found = [map_coordinates(part, at, order=1, mode="nearest") for part in self.warp]
        return np.stack(found, axis=-1)

    def image(self, image: Float) -> NDArray[np.float32]:
        """An image of the session as it lies on the reference; 0 where it has no pixel."""
        if self.warp is not None:
            grid = np.indices(self.dims).reshape(len(self.dims), -1).T.astype(np.float64)
            at = self.to_session(grid).T
            found = map_coordinates(np.asarray(image, np.float32), at, order=1)
            return np.asarray(found.reshape(self.dims), np.float32)
        offset = self.middle + self.shift - self.matrix @ self.middle
        moved = affine_transform(np.asarray(image, np.float32), self.matrix, offset, order=1)
        return np.asarray(moved, np.float32)

    def footprints(self, A: sp.csc_matrix) -> sp.csc_matrix:
        """Footprints of the session on the reference, ``(n_pixels, n)``, linearly interpolated."""
        return sp.csc_matrix(self._means_at(self.to_session(self._grid())) @ A)

    def footprints_in_session(self, A: sp.csc_matrix) -> sp.csc_matrix:
        """Footprints of the reference in the session, the inverse of `footprints`."""
        return sp.csc_matrix(self._means_at(self.to_reference(self._grid())) @ A)

    def _grid(self) -> NDArray[np.float64]:
        """Place of every pixel of the field, ``(n_pixels, n_axes)``."""
        return np.indices(self.dims).reshape(len(self.dims), -1).T.astype(np.float64)

    def _means_at(self, at: NDArray[np.float64]) -> sp.csr_matrix:
        """Matrix that takes the mean of the 4 (8) pixels around each place of ``at``."""
        low = np.floor(at).astype(np.int64)
        part = at - low
        n_pixels = len(at)
        rows, columns, weights = [], [], []
        for corner in np.ndindex(*(2,) * len(self.dims)):
            place = low + corner
            weight = np.prod(np.where(corner, part, 1 - part), axis=1)
            inside = np.all((place >= 0) & (place < self.dims), axis=1) & (weight > 0)
            rows.append(np.flatnonzero(inside))
            columns.append(np.ravel_multi_index(tuple(place[inside].T), self.dims))
            weights.append(weight[inside])
        entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_matrix(entries, shape=(n_pixels, n_pixels), dtype=np.float32)


def align_fields(
    reference: Sequence[Float], session: Sequence[Float], *, smooth_px: float = 1.5
) -> Alignment:
    """Turn and shift a session so that its images correlate best with the reference's.

    Parameters
    ----------
    reference, session
        The same kinds of images of both, each of shape ``dims``: footprints, and mean or
        correlation images where both have them. Each has equal weight.
    smooth_px
        Images are blurred by this much, so that neighbouring angles see each other.

    Returns
    -------
    Alignment
        To a quarter of a degree and a pixel's tenth; rotations up to 8 degrees about z and shifts
        up to two fifths of the field are tried. A volume is shifted and not turned about x and y.
    """
    dims = tuple(reference[0].shape)
    fixed = [_prepare(image, smooth_px) for image in reference]
    moving = [_prepare(image, smooth_px) for image in session]
    spectra = [fft.rfftn(image, _padded(dims)) for image in fixed]
    measure = partial(_try_angle, moving, spectra, dims)
    best, angle = measure(0.0), 0.0
    for step in _STEPS_DEG:
        reach = _LARGEST_ANGLE_DEG if step == _STEPS_DEG[0] else _STEPS_DEG[0] - step
        for turned in np.arange(angle - reach, angle + reach + step / 2, step):
            found = measure(float(turned))
            if found[0] > best[0]:
                best, angle = found, float(turned)
    correlation, shift = best
    matrix = _rotation(angle, len(dims))
    # found between the reference and the turned session: p_turned = p + shift
    return Alignment(matrix, matrix @ shift, dims, min(correlation / len(fixed), 1.0))


def refined(
    alignment: Alignment, reference: NDArray[np.float64], session: NDArray[np.float64]
) -> Alignment:
    """The linear map that fits pairs of cells best, least squares with outliers left out.

    Parameters
    ----------
    reference, session
        Places ``(n, n_axes)`` of the same cells in both.

    Returns
    -------
    Alignment
        A shift alone for fewer than 4 cells per unknown of a row; as it was for fewer than 4.
    """
    n_axes = len(alignment.dims)
    kept = np.ones(len(reference), bool)
    result = alignment
    for _ in range(3):
        if kept.sum() < 4:
            return result
        places = reference[kept] - alignment.middle
        seen = session[kept] - alignment.middle
        # axes along which cells lie in a plane or two tell nothing of a slope
        spread = places.std(axis=0) > 2.0
        if kept.sum() >= 4 * (n_axes + 1) and spread.all():
            design = np.column_stack([places, np.ones(len(places))])
            solution = np.linalg.lstsq(design, seen, rcond=None)[0]
            matrix = np.asarray(solution[:-1].T, np.float64)
            shift = np.asarray(solution[-1], np.float64)
        else:
            matrix = alignment.matrix
            shift = np.asarray(np.median(seen - places @ matrix.T, axis=0), np.float64)
        result = Alignment(matrix, shift, alignment.dims, alignment.correlation)
        error = np.linalg.norm(result.to_session(reference) - session, axis=1)
        limit = 3 * max(float(np.median(error[kept])), 0.3)
        kept = error < limit
    return result


def _prepare(image: Float, smooth_px: float) -> NDArray[np.float32]:
    blurred = gaussian_filter(np.nan_to_num(np.asarray(image, np.float32)), smooth_px)
    # slow changes of brightness belong to the microscope, not to the tissue
    sides = [max(4.0, size / 8) for size in image.shape]
    flat = blurred - gaussian_filter(blurred, sides)
    spread = float(np.linalg.norm(flat))
    return flat / spread if spread > 0 else flat


def _padded(dims: tuple[int, ...]) -> list[int]:
    return [fft.next_fast_len(2 * size - 1, real=True) for size in dims]


def _rotation(angle_deg: float, n_axes: int) -> NDArray[np.float64]:
    """Matrix of a rotation about z, which acts on (y, x)."""
    a = np.deg2rad(angle_deg)
    matrix = np.eye(n_axes)
    matrix[-2:, -2:] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return matrix


def _try_angle(
    moving: Sequence[NDArray[np.float32]],
    spectra: Sequence[NDArray[np.complexfloating[Any, Any]]],
    dims: tuple[int, ...],
    angle_deg: float,
) -> tuple[float, NDArray[np.float64]]:
    """Find the highest correlation at an angle, and the shift where it is."""
    turn = Alignment(_rotation(angle_deg, len(dims)), np.zeros(len(dims)), dims)
    shape = _padded(dims)
    total: Any = 0.0
    for image, spectrum in zip(moving, spectra, strict=True):
        turned = turn.image(image) if angle_deg else image
        total = total + fft.rfftn(turned, shape) * np.conj(spectrum)
    surface = fft.irfftn(total, shape)
    reach = [max(1, int(_LARGEST_SHIFT * size)) for size in dims]
    near = surface[np.ix_(*(np.r_[0 : r + 1, -r:0] for r in reach))]
    at = np.unravel_index(int(near.argmax()), near.shape)
    shift = [int(i) if i <= r else int(i) - (2 * r + 1) for i, r in zip(at, reach, strict=True)]
    exact = [s + _vertex(surface, shift, axis) for axis, s in enumerate(shift)]
    return float(near.max()), np.asarray(exact, np.float64)


def _vertex(surface: Float, at: Sequence[int], axis: int) -> float:
    """Find the vertex of the parabola through a maximum and its neighbours, within ±0.5."""
    if surface.shape[axis] < 3:
        return 0.0
    values = []
    for step in (-1, 0, 1):
        index = [int(i) for i in at]
        index[axis] += step
        values.append(float(surface[tuple(index)]))
    below, here, above = values
    curvature = below - 2 * here + above
    return float(np.clip(0.5 * (below - above) / curvature, -0.5, 0.5)) if curvature < 0 else 0.0
