"""Somata: where they sit and what they look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field, model_validator

from napari_cnmf.errors import ParameterError
from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import stream


class CellKnobs(Knobs):
    """Number, place, size and kind of the cells."""

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
    resting_cell_brightness: float = Field(0.35, ge=0)
    """Resting fluorescence of a cell above its surround, in units."""

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
        """What a user would call the radius of the cells."""
        if self.radius_range_px is None:
            return self.radius_px
        return float(np.sqrt(self.radius_range_px[0] * self.radius_range_px[1]))


CellKind = Literal["filled", "nucleus-excluded"]


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a field ``dims`` (padded): ``A`` CSC ``(n_pixels, K)`` with peak 1, and their data.

    ``centers`` are ``(K, ndim)`` in pixels of that field.
    """

    A: sp.csc_matrix
    centers: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    kind: NDArray[np.str_]


def place_centers(
    rng: np.random.Generator,
    n: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    min_distance_px: float,
    step_px: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """``n`` points ``(n, ndim)`` in a box, no two nearer than ``min_distance_px``.

    Parameters
    ----------
    step_px
        Size of a pixel along each axis in units of the distance, for anisotropic volumes.

    Raises
    ------
    ParameterError
        They do not fit.
    """
    if n and np.any(high <= low):
        raise ParameterError(
            "The border margin must leave room for cells: the field is too small. "
            "Enlarge size or lower border_margin_px."
        )
    step = np.ones(len(low)) if step_px is None else step_px
    centers = np.empty((n, len(low)))
    found = 0
    for _ in range(2000 * max(n, 1)):
        if found == n:
            break
        candidate = rng.uniform(low, high)
        gaps = np.sum(((centers[:found] - candidate) * step) ** 2, axis=1)
        if found == 0 or gaps.min() >= min_distance_px**2:
            centers[found] = candidate
            found += 1
    if found < n:
        raise ParameterError(
            f"n_cells must fit into the field, got {n}: only {found} centres at least "
            f"{min_distance_px} px apart were found. Lower n_cells or min_distance_px."
        )
    return centers


def draw_radii(rng: np.random.Generator, knobs: CellKnobs) -> NDArray[np.float64]:
    """Radii in px, ``(n_cells,)``."""
    shares = rng.uniform(-1, 1, knobs.n_cells)
    if knobs.radius_range_px is None:
        return knobs.radius_px * (1 + knobs.radius_spread * shares)
    low, high = np.log(knobs.radius_range_px)
    return np.asarray(np.exp(low + (shares + 1) / 2 * (high - low)))


def soma(
    rows: NDArray[np.float64],
    cols: NDArray[np.float64],
    radius_px: float,
    elongation: float,
    angle: float,
    nucleus_depth: float,
) -> NDArray[np.float64]:
    """Brightness at offsets ``rows, cols`` from the centre; soft edge of about 1 px, peak near 1."""
    along = rows * np.cos(angle) + cols * np.sin(angle)
    across = -rows * np.sin(angle) + cols * np.cos(angle)
    distance = np.hypot(along / (1 + elongation), across / (1 - elongation)) / radius_px
    body = 1.0 / (1.0 + np.exp((distance - 1.0) * radius_px / 0.45))
    nucleus = 1.0 / (1.0 + np.exp((distance - 0.5) * radius_px / 0.55))
    return np.asarray(body * (1.0 - nucleus_depth * nucleus))


def sparse_columns(
    columns: list[tuple[NDArray[np.intp], NDArray[np.float64]]], n_pixels: int
) -> sp.csc_matrix:
    """Columns given as (flat pixels, values) to a CSC matrix, float32, indices sorted."""
    starts = np.concatenate([[0], np.cumsum([len(pixels) for pixels, _ in columns])])
    none: list[NDArray[np.intp]] = [np.empty(0, np.intp)]
    pixels = np.concatenate([p for p, _ in columns] or none)
    values = np.concatenate([v for _, v in columns] or none).astype(np.float32)
    matrix = sp.csc_matrix((values, pixels, starts), shape=(n_pixels, len(columns)))
    matrix.sort_indices()
    return matrix


def patch(
    center: NDArray[np.float64], reach_px: float, dims: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Flat pixels within reach of a centre, and their offsets from it in rows and columns."""
    bounds = [
        (max(0, int(c - reach_px)), min(n, int(c + reach_px) + 2))
        for c, n in zip(center, dims, strict=True)
    ]
    (top, bottom), (left, right) = bounds
    rows, cols = np.mgrid[top : max(top, bottom), left : max(left, right)]
    flat = np.asarray(rows * dims[1] + cols, dtype=np.intp).ravel()
    return flat, (rows - center[0]).ravel(), (cols - center[1]).ravel()


def make_cells(knobs: CellKnobs, dims: tuple[int, int], pad_px: int, seed: int) -> Cells:
    """Lay out the cells of a field of ``dims``, padded by ``pad_px`` on every side."""
    rng = stream(seed, "cells")
    low = np.full(2, knobs.border_margin_px)
    high = np.asarray(dims) - 1 - knobs.border_margin_px
    centers = place_centers(rng, knobs.n_cells, low, high, knobs.min_distance_px) + pad_px
    radii = draw_radii(rng, knobs)
    excluded = rng.permutation(knobs.n_cells) < round(
        knobs.nucleus_excluded_fraction * knobs.n_cells
    )
    padded = (dims[0] + 2 * pad_px, dims[1] + 2 * pad_px)
    columns = []
    for center, radius, dark in zip(centers, radii, excluded, strict=True):
        flat, rows, cols = patch(center, 1.9 * radius + 3, padded)
        depth = knobs.nucleus_depth if dark else 0.0
        elongation = rng.uniform(-knobs.elongation, knobs.elongation)
        values = soma(rows, cols, radius, elongation, rng.uniform(0, np.pi), depth)
        keep = values > 0.02
        columns.append((flat[keep], values[keep] / max(values.max(initial=0.0), 1e-12)))
    kind = np.where(excluded, "nucleus-excluded", "filled")
    A = sparse_columns(columns, padded[0] * padded[1])
    return Cells(A=A, centers=centers, radius_px=radii, kind=kind)
