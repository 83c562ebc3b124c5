"""Simulated days of one field, with the identity of every cell known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.model.components import Components
from session_simulator import Sessions, simulate_sessions


@pytest.fixture(scope="session")
def days() -> Sessions:
    """Three days on a field that is not square, shifted, turned, some cells gone."""
    return simulate_sessions(
        n_frames=40, n_sessions=3, seed=3, size=(128, 160), n_cells=60,
        session_shift_px=6.0, session_rotation_deg=2.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def results(days: Sessions, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What a perfect engine would find, as files; every tenth component is rejected."""
    folder = tmp_path_factory.mktemp("täglich")
    paths = []
    for number, recording in enumerate(days.recordings):
        truth = recording.truth
        components = Components(
            A=truth.A,
            C=truth.C,
            dims=truth.dims,
            accepted=np.arange(truth.A.shape[1]) % 10 != 9,
            frame_rate_hz=10.0,
            images={"mean": recording.truth.background.reshape(truth.dims)},
        )
        paths.append(write_caiman(components, folder / f"day {number + 1}.hdf5"))
    return paths


@dataclass(frozen=True, eq=False)
class Days:
    """Sessions of one field.

    Attributes
    ----------
    footprints
        ``(n_pixels, n)`` of each session.
    identities
        Number of the true cell of each component; ``-1`` for one that is none.
    dims
        The field ``(Y, X)``.
    """

    footprints: list[sp.csc_matrix]
    identities: list[NDArray[np.intp]]
    dims: tuple[int, int]


def make_days(
    seed: int,
    *,
    n_days: int = 3,
    n_cells: int = 250,
    dims: tuple[int, int] = (220, 260),
    warp_px: float = 0.0,
    present: float = 0.8,
    noise: float = 0.35,
    jitter_px: float = 0.5,
    false_share: float = 0.05,
    shift_px: float = 4.0,
) -> Days:
    """Cells as blobs of irregular shape, seen anew each day.

    Parameters
    ----------
    seed
        Of everything random.
    n_days, n_cells, dims
        Number of sessions, cells in the field, and its pixels.
    warp_px
        Largest smooth displacement of a day.
    present
        Probability that a cell is found on a day.
    noise
        Relative noise of each pixel of a footprint, smooth over a pixel or two.
    jitter_px
        Sd of a cell's own displacement.
    false_share
        Components that are no cell, as a share of the cells.
    shift_px
        Sd of the shift of the whole field; the field turns by as many thirds of a degree.
    """
    rng = np.random.default_rng(seed)
    places = _spread(rng, n_cells, dims, 5.5)
    shapes = [_shape(rng) for _ in range(len(places))]
    footprints, identities = [], []
    for day in range(n_days):
        kept = np.flatnonzero(rng.random(len(places)) < present)
        at = places[kept]
        if day:
            at = _turned(at, dims, np.deg2rad(shift_px / 3 * rng.standard_normal()))
            at = at + shift_px * rng.standard_normal(2) + _warp(rng, places[kept], dims, warp_px)
        at = at + jitter_px * rng.standard_normal(at.shape)
        n_false = rng.poisson(false_share * n_cells)
        wrong = rng.uniform(0, 1, (n_false, 2)) * dims
        blobs = [shapes[k] for k in kept] + [_shape(rng) for _ in range(n_false)]
        A = _drawn(rng, np.vstack([at, wrong]), blobs, dims, noise)
        ids = np.concatenate([kept, np.full(n_false, -1)])
        order = rng.permutation(len(ids))
        seen = np.asarray(A.sum(axis=0)).ravel() > 0
        order = order[seen[order]]
        footprints.append(A[:, order].tocsc())
        identities.append(ids[order])
    return Days(footprints, identities, dims)


def _spread(
    rng: np.random.Generator, n: int, dims: tuple[int, int], apart_px: float
) -> NDArray[np.float64]:
    """Places at least so far apart, as many as fit."""
    found: list[NDArray[np.float64]] = []
    for place in rng.random((60 * n, 2)) * dims:
        if len(found) == n:
            break
        if not found or np.linalg.norm(np.asarray(found) - place, axis=1).min() >= apart_px:
            found.append(place)
    return np.asarray(found)


def _shape(rng: np.random.Generator) -> tuple[float, float, float, NDArray[np.float64]]:
    """Two radii, an angle, and bumps of the rim."""
    return (*rng.uniform(2.6, 4.2, 2), rng.uniform(0, np.pi), rng.normal(0, 0.12, 3))


def _turned(places: NDArray[np.float64], dims: tuple[int, int], a: float) -> NDArray[np.float64]:
    middle = (np.asarray(dims) - 1) / 2
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (places - middle) @ matrix.T + middle


def _warp(
    rng: np.random.Generator, places: NDArray[np.float64], dims: tuple[int, int], largest_px: float
) -> NDArray[np.float64]:
    """A smooth displacement whose largest value is given, at places."""
    fields = gaussian_filter(rng.standard_normal((2, *dims)), (0, 45, 45))
    fields *= largest_px / np.linalg.norm(fields, axis=0).max()
    at = np.clip(np.rint(places).astype(int), 0, np.asarray(dims) - 1)
    return fields[:, at[:, 0], at[:, 1]].T


def _drawn(
    rng: np.random.Generator,
    places: NDArray[np.float64],
    shapes: list[tuple[float, float, float, NDArray[np.float64]]],
    dims: tuple[int, int],
    noise: float,
) -> sp.csc_matrix:
    columns = []
    window = np.arange(-10, 11)
    for place, (a, b, angle, bumps) in zip(places, shapes, strict=True):
        corner = np.rint(place).astype(int)
        y, x = np.meshgrid(corner[0] + window, corner[1] + window, indexing="ij")
        dy, dx = y - place[0], x - place[1]
        u, v = dy * np.cos(angle) + dx * np.sin(angle), dx * np.cos(angle) - dy * np.sin(angle)
        theta = np.arctan2(v, u)
        rim = 1 + sum(bump * np.cos((k + 2) * theta) for k, bump in enumerate(bumps))
        values = np.exp(-0.5 * ((u / a) ** 2 + (v / b) ** 2) / rim**2 * 1.4)
        values *= np.exp(noise * gaussian_filter(rng.standard_normal(values.shape), 1) * 3)
        values[values < rng.uniform(0.1, 0.3) * values.max()] = 0
        inside = (y >= 0) & (y < dims[0]) & (x >= 0) & (x < dims[1]) & (values > 0)
        column = np.zeros(dims[0] * dims[1])
        column[y[inside] * dims[1] + x[inside]] = values[inside]
        columns.append(sp.csc_matrix(column[:, None]))
    return sp.hstack(columns).tocsc()


@pytest.fixture(scope="session")
def simulate_days() -> Callable[..., Days]:
    """`make_days`."""
    return make_days
