"""Simulates somata: where they sit and what they look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field, model_validator

from napari_cnmf.errors import ParameterError
from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._stage import Stage

FloatArray = NDArray[np.float64]
_MOST_MISSES = 5000


class CellKnobs(Knobs):
    """Knobs of the number, place, size and kind of the cells."""

    n_cells: int = Field(45, ge=0)
    """Cells in the field."""
    radius_px: float = Field(5.0, gt=0.5)
    """Mean radius of a soma."""
    radius_spread: float = Field(0.25, ge=0, lt=1)
    """Radii are uniform within +- this share of the mean."""
    radius_range_px: tuple[float, float] | None = None
    """Smallest and largest radius, log-uniform; replaces the two above."""
    elongation: float = Field(0.2, ge=0, lt=0.8)
    """Axes of the ellipse differ by up to +- this share."""
    nucleus_excluded_fraction: float = Field(0.5, ge=0, le=1)
    """Share of the cells with a dark nucleus; the others are filled."""
    nucleus_depth: float = Field(0.7, ge=0, le=1)
    """How dark the nucleus is: 1 is black."""
    min_distance_px: float = Field(5.5, ge=0)
    """Centres are at least this far apart."""
    border_margin_px: float = 6.0
    """Centres keep this distance from the border; negative lets cells be cut by it."""
    resting_cell_units: float = Field(0.28, ge=0)
    """Resting fluorescence of a cell above its surround."""

    @model_validator(mode="after")
    def _ordered(self) -> CellKnobs:
        if (
            self.radius_range_px is not None
            and not 0.5 < self.radius_range_px[0] <= (self.radius_range_px[1])
        ):
            raise ValueError("radius_range_px must be (smallest, largest), both above 0.5")
        return self

    @property
    def typical_radius_px(self) -> float:
        """Radius of the cells that a user would name, in pixels."""
        if self.radius_range_px is None:
            return self.radius_px
        return float(np.sqrt(self.radius_range_px[0] * self.radius_range_px[1]))


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells on a padded field.

    Attributes
    ----------
    A
        CSC ``(n_padded, K)`` float32, peak 1.
    centers
        ``(K, ndim)`` in px of the padded field.
    radius_px, kind
        ``(K,)``.
    """

    A: sp.csc_matrix
    centers: FloatArray
    radius_px: FloatArray
    kind: NDArray[np.str_]


@dataclass(frozen=True)
class SomaShape:
    """An ellipse with a soft edge and a nucleus; lengths in px, angle in radians."""

    radius_px: float
    elongation: float = 0.0
    angle: float = 0.0
    nucleus_depth: float = 0.0

    def brightness(self, rows: FloatArray, cols: FloatArray) -> FloatArray:
        """Brightness at offsets from the centre; the edge is about 1 px wide, the peak near 1."""
        along = rows * np.cos(self.angle) + cols * np.sin(self.angle)
        across = -rows * np.sin(self.angle) + cols * np.cos(self.angle)
        distance = np.hypot(along / (1 + self.elongation), across / (1 - self.elongation))
        body = soft_edge(distance, self.radius_px, 0.45)
        nucleus = soft_edge(distance, 0.5 * self.radius_px, 0.55)
        return body * (1.0 - self.nucleus_depth * nucleus)


def soft_edge(distance: FloatArray, radius: float | FloatArray, width: float) -> FloatArray:
    """Soft edge: 1 inside, 0 outside, logistic of this width between."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((distance - radius) / width, -50, 50))))


def place_centers(
    rng: np.random.Generator, n: int, box: FloatArray, min_distance_px: float | FloatArray
) -> FloatArray:
    """Place ``n`` points ``(n, ndim)`` in ``box`` ``(2, ndim)``, none nearer than the distance.

    Parameters
    ----------
    min_distance_px
        One for all axes, or one per axis: points then keep out of each other's ellipsoids.

    Raises
    ------
    ParameterError
        They do not fit.
    """
    low, high = box
    if n and np.any(high <= low):
        raise ParameterError(
            f"border_margin_px must leave room for cells, got {box.tolist()} as the box of their "
            "centres. Enlarge size or lower border_margin_px."
        )
    scale = np.maximum(min_distance_px, 1e-9)
    centers = np.empty((n, len(low)))
    found, misses = 0, 0
    while found < n and misses < _MOST_MISSES:
        candidate = rng.uniform(low, high)
        gaps = np.sum(((centers[:found] - candidate) / scale) ** 2, axis=1)
        if gaps.min(initial=np.inf) >= 1.0:
            centers[found] = candidate
            found, misses = found + 1, 0
        else:
            misses += 1
    if found < n:
        raise ParameterError(
            f"n_cells must fit into the field, got {n}: only {found} centres at least "
            f"{min_distance_px} px apart were found. Lower n_cells or min_distance_px."
        )
    return centers


def cell_box(stage: Stage, margin_px: float) -> FloatArray:
    """Box where centres may lie, in px of the padded field: ``(2, ndim)``."""
    pad = np.asarray(stage.pad, dtype=np.float64)
    return np.stack([pad + margin_px, pad + np.asarray(stage.dims) - 1 - margin_px])


def draw_radii(rng: np.random.Generator, knobs: CellKnobs) -> FloatArray:
    """Draw radii ``(n_cells,)`` in px."""
    shares = rng.uniform(-1, 1, knobs.n_cells)
    if knobs.radius_range_px is None:
        return np.asarray(knobs.radius_px * (1 + knobs.radius_spread * shares))
    low, high = np.log(knobs.radius_range_px)
    return np.asarray(np.exp(low + (shares + 1) / 2 * (high - low)))


def columns_to_sparse(
    columns: list[tuple[NDArray[np.intp], FloatArray]], n_pixels: int
) -> sp.csc_matrix:
    """Turn columns of (flat pixels, values) into a CSC matrix, float32, indices sorted."""
    starts = np.concatenate([[0], np.cumsum([len(pixels) for pixels, _ in columns])])
    pixels = np.concatenate([np.empty(0, np.intp), *(p for p, _ in columns)])
    values = np.concatenate([np.empty(0), *(v for _, v in columns)]).astype(np.float32)
    matrix = sp.csc_matrix((values, pixels, starts), shape=(n_pixels, len(columns)))
    matrix.sort_indices()
    return matrix


def local_grid(
    center: FloatArray, reach_px: FloatArray | float, dims: tuple[int, ...]
) -> tuple[NDArray[np.intp], FloatArray]:
    """Flat pixels in a box around a centre, and their offsets from it ``(ndim, n)``."""
    reach = np.broadcast_to(reach_px, len(dims))
    low = np.clip(np.floor(center - reach), 0, dims).astype(int)
    high = np.clip(np.ceil(center + reach) + 1, low, dims).astype(int)
    at = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    ).reshape(len(dims), -1)
    flat = np.ravel_multi_index(tuple(at), dims) if at.size else np.empty(0, np.intp)
    return np.asarray(flat, dtype=np.intp), at - np.asarray(center)[:, None]


def make_cells(knobs: CellKnobs, stage: Stage) -> Cells:
    """Lay out the cells of a two-dimensional field."""
    rng = stage.rng("cells")
    box = cell_box(stage, knobs.border_margin_px)
    centers = place_centers(rng, knobs.n_cells, box, knobs.min_distance_px)
    radii = draw_radii(rng, knobs)
    n_excluded = round(knobs.nucleus_excluded_fraction * knobs.n_cells)
    excluded = rng.permutation(knobs.n_cells) < n_excluded
    columns = []
    for center, radius, dark in zip(centers, radii, excluded, strict=True):
        shape = SomaShape(
            radius_px=radius,
            elongation=rng.uniform(-knobs.elongation, knobs.elongation),
            angle=rng.uniform(0, np.pi),
            nucleus_depth=knobs.nucleus_depth if dark else 0.0,
        )
        flat, offsets = local_grid(center, 1.9 * radius + 3, stage.padded)
        values = shape.brightness(*offsets)
        keep = values > 0.02
        columns.append((flat[keep], values[keep] / values.max(initial=1e-12)))
    kind = np.where(excluded, "nucleus-excluded", "filled")
    A = columns_to_sparse(columns, stage.n_padded)
    return Cells(A=A, centers=centers, radius_px=radii, kind=kind)
