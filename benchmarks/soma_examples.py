"""Footprints with labels, for training and judging the soma score: found by the engine, and drawn.

Found: components of the engine on simulated recordings; somata are those whose cosine with a cell
is at least 0.6, one to one, others those below 0.45; what lies between is left out. Drawn: the
simulators' own footprints, noisy, cut, joined; tubes and puncta.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.verdict.soma_score import footprint_patches
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams
from napari_cnmf.testing import (
    Recording,
    knob_regime,
    other_regime,
    score,
    simulate,
    simulate_other,
)
from napari_cnmf.testing.processes import draw_tube, wandering_path
from napari_cnmf.testing.regimes import KNOBS, OTHER
from napari_cnmf.testing.scoring import footprint_cosines

SCALES = (0.75, 0.9, 1.0, 1.15, 1.35)
"""What gSig is wrong by in training: the cell's true half-width over it."""
_LEFT_OUT = (
    "20,000 frames",
    "60 Hz",
    "lost frames",
    "flicker",
    "slow drift",
    "bidirectional offset",
)


@dataclass(frozen=True, eq=False)
class Found:
    """Components of one recording.

    Attributes
    ----------
    label
        1 soma, 0 none, -1 neither ``(n,)``.
    n_cells
        Cells of the truth.
    """

    name: str
    components: Components
    g_sig: tuple[int, ...]
    label: NDArray[np.int64]
    n_cells: int


def find(name: str, recording: Recording) -> Found:
    """Run the engine and compare with the truth."""
    params = CNMFParams.preset("two-photon somata").replace(
        init={"gSig": recording.gSig}, data={"decay_time": recording.decay_time_s}
    )
    components = run_cnmf(
        ArraySource(recording.array()),
        params,
        frame_rate_hz=recording.frame_rate_hz,
        on_warning=lambda sentence: None,
    ).components
    nearest = footprint_cosines(components.A, recording.truth.A).max(1, initial=0)
    label = np.where(nearest < 0.45, 0, -1)
    label[score(components, recording.truth).matches[:, 0]] = 1
    return Found(name, components, recording.gSig, label, recording.truth.n_cells)


def first_simulator(seeds: range) -> Iterator[Found]:
    """Every knob of the first simulator and, of each seed, noisy and crowded movies."""
    for seed in seeds:
        for name in (n for n in KNOBS if n not in _LEFT_OUT):
            yield find(name, simulate(knob_regime(name, seed=seed, n_frames=1200)))
        for noise in (1.5, 2.5):
            knobs = {"noise": noise, "n_cells": 80, "n_frames": 1200}
            yield find(f"noise {noise}", simulate(knob_regime("puncta", seed=seed, **knobs)))


def second_simulator(seeds: range) -> Iterator[Found]:
    """Every recording of the second simulator."""
    for seed in seeds:
        for name in OTHER:
            yield find(name, simulate_other(other_regime(name, seed=seed)))


def patches_of(found: Found, scales: tuple[float, ...]) -> tuple[NDArray[np.float32], NDArray]:
    """Patches and labels of what is labelled, at several sizes of gSig."""
    sure = np.flatnonzero(found.label >= 0)
    A = found.components.A[:, sure]
    size = np.array(found.g_sig, float)
    seen = [footprint_patches(A, found.components.dims, size / scale) for scale in scales]
    return np.concatenate(seen), np.tile(found.label[sure], len(scales))


def draw_examples(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float32], NDArray]:
    """``n`` drawn footprints and their labels: half of them whole cells."""
    dims = (64, 64)
    patches, labels = [], []
    for i in range(n):
        soma = i % 2 == 0
        g_sig = rng.uniform(3, 8)
        image = _whole_cell(rng, g_sig, dims) if soma else _no_cell(rng, g_sig, dims)
        image = gaussian_filter(image, 0.5)
        image += rng.uniform(0, 0.25) * image.max() * rng.standard_normal(dims) * (image > 0)
        image[image < 0.1 * image.max()] = 0
        A = sp.csc_matrix(np.maximum(image, 0).reshape(-1, 1).astype(np.float32))
        patches.append(footprint_patches(A, dims, (g_sig, g_sig))[0])
        labels.append(int(soma))
    return np.stack(patches), np.array(labels)


def _disc(
    rng: np.random.Generator, radius: float, dims: tuple[int, int], at: tuple[float, float]
) -> NDArray[np.float64]:
    """A filled or hollow ellipse."""
    yy, xx = np.mgrid[: dims[0], : dims[1]] - np.array(at)[:, None, None]
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0, 0.25)
    along = yy * np.cos(angle) + xx * np.sin(angle)
    across = -yy * np.sin(angle) + xx * np.cos(angle)
    r = np.hypot(along / (1 + stretch), across / (1 - stretch)) / radius
    inside = 1 / (1 + np.exp(np.clip((r - 1) * radius / 0.5, -50, 50)))
    nucleus = rng.uniform(0, 0.9) * (rng.random() < 0.5)
    return np.asarray(inside * (1 - nucleus * np.exp(-((r / 0.5) ** 4))))


def _whole_cell(
    rng: np.random.Generator, g_sig: float, dims: tuple[int, int]
) -> NDArray[np.float64]:
    return _disc(rng, g_sig * rng.uniform(0.7, 1.5), dims, (32, 32))


def _no_cell(rng: np.random.Generator, g_sig: float, dims: tuple[int, int]) -> NDArray[np.float64]:
    """A punctum, a piece of a process, a part of a cell, two cells, or a halo."""
    kind = rng.integers(5)
    middle = np.array([32.0, 32.0])
    if kind == 0:
        width = g_sig * rng.uniform(0.2, 0.4)
        flat, values = draw_tube(middle[None, :], width, dims)
    elif kind == 1:
        length, width = g_sig * rng.uniform(2.5, 7), g_sig * rng.uniform(0.15, 0.35)
        path = wandering_path(rng, middle, rng.uniform(0, 2 * np.pi), length, 0.4)
        flat, values = draw_tube(path - path.mean(0) + middle, width, dims)
    else:
        return _altered_cell(rng, g_sig, dims, int(kind))
    image = np.zeros(dims)
    image.ravel()[flat] = values
    return image


def _altered_cell(
    rng: np.random.Generator, g_sig: float, dims: tuple[int, int], kind: int
) -> NDArray[np.float64]:
    radius = g_sig * rng.uniform(0.8, 1.3)
    cell = _disc(rng, radius, dims, (32, 32))
    yy, xx = np.mgrid[: dims[0], : dims[1]] - 32.0
    angle = rng.uniform(0, 2 * np.pi)
    if kind == 2:
        return cell * (yy * np.sin(angle) + xx * np.cos(angle) > rng.uniform(0, 0.5) * radius)
    if kind == 3:
        apart = radius * rng.uniform(1.6, 2.2)
        beside = (32 + apart * np.sin(angle), 32 + apart * np.cos(angle))
        return cell + rng.uniform(0.5, 1) * _disc(rng, radius, dims, beside)
    ring = np.exp(-(((np.hypot(yy, xx) - 1.3 * radius) / (0.35 * radius)) ** 2))
    return np.asarray(ring * gaussian_filter(rng.random(dims) > 0.5, 2.0, output=np.float64))
