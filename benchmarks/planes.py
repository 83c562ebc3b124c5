"""Cells of volumes in 3D and plane by plane, where each plane has neuropil of its own.

    python benchmarks/planes.py --seeds 200 214

Five planes of 56 x 56 pixels, 16 cells of 1 to 3 planes' height, photon noise; everything else is
drawn from its seed. The neuropil of a plane says nothing about that of the next.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.signal import lfilter

from napari_cnmf.core.movie.source import ArraySource
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.core.volumes.planes import run_plane_by_plane
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

DIMS = (5, 56, 56)
N_CELLS = 16
_SAME = 0.6
"""Cosine of footprints from which on a component is a cell's."""


def simulate(seed: int) -> tuple[NDArray[np.uint16], NDArray[np.float64], CNMFParams, float]:
    """A movie ``(T, Z, Y, X)``, true footprints ``(n, Z, Y, X)``, parameters and frame rate."""
    rng = np.random.default_rng([seed, 70])
    rate, radius, decay_s = float(rng.choice([4, 8])), rng.uniform(3.5, 5), rng.uniform(0.5, 1.5)
    height = radius / rng.uniform(1.5, 5)
    n_frames, size = int(100 * rate), np.array([height, radius, radius])
    places: list[NDArray[np.float64]] = []
    low, high = [0, radius, radius], [DIMS[0] - 1, DIMS[1] - radius, DIMS[2] - radius]
    while len(places) < N_CELLS:
        place = rng.uniform(low, high)
        if all(np.linalg.norm((place - other) / size) > 2.0 for other in places):
            places.append(place)
    grid = np.indices(DIMS).reshape(3, -1).T
    distance = np.stack([np.linalg.norm((grid - p) / size, axis=1) for p in places])
    footprints = 1 / (1 + np.exp((distance - 1) / 0.12))
    footprints = (footprints / footprints.max(1, keepdims=True)).reshape(-1, *DIMS)
    light = rng.uniform(10, 60)
    events = rng.poisson(0.1 / rate, (N_CELLS, n_frames)) * rng.lognormal(
        0, 0.3, (N_CELLS, n_frames)
    )
    traces = lfilter([1], [1, -np.exp(-1 / (decay_s * rate))], events, axis=1)
    traces *= (np.sqrt(light) * rng.uniform(1.2, 4, N_CELLS))[:, None]
    rest = light * np.maximum(1 + 0.2 * _texture(rng, (DIMS[0],), 6), 0.3)
    courses = gaussian_filter1d(rng.normal(size=(DIMS[0], 6, n_frames)), 0.4 * rate, axis=2)
    courses = np.maximum(courses / courses.std(2, keepdims=True) + 0.5, 0)
    maps = np.abs(_texture(rng, (DIMS[0], 6), 14)) * 0.05 / np.sqrt(6)
    neuropil = np.einsum("zkt,zkyx->tzyx", courses, maps)
    cover = np.clip(footprints.sum(0), 0, 1)
    seen = rest * (1 - 0.5 * cover) * (1 + neuropil) + 0.5 * rest * cover
    seen += np.tensordot(traces.T, footprints, 1)
    g_sig = tuple(max(1, round(0.8 * s)) for s in size)
    params = CNMFParams().replace(init={"gSig": g_sig}, data={"decay_time": decay_s})
    return (5 * rng.poisson(seen) + 100).astype(np.uint16), footprints, params, rate


def _texture(
    rng: np.random.Generator, shape: tuple[int, ...], width_px: float
) -> NDArray[np.float64]:
    noise = rng.normal(size=(*shape, *DIMS[1:]))
    smooth = gaussian_filter(noise, (*(0,) * len(shape), width_px, width_px), mode="wrap")
    return np.asarray(smooth / smooth.std((-1, -2), keepdims=True))


def f1(true: NDArray[np.float64], components: Components) -> float:
    """F1 of the accepted components."""
    A = components.A.toarray().T[np.asarray(components.accepted)]
    flat = true.reshape(len(true), -1)
    norms = np.linalg.norm(flat, axis=1)[:, None] * np.linalg.norm(A, axis=1)
    cosine = flat @ A.T / norms
    n_right = int((cosine[linear_sum_assignment(-cosine)] > _SAME).sum())
    return 2 * n_right / (len(true) + len(A))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 14))
    rows = []
    for seed in range(*parser.parse_args().seeds):
        movie, true, params, rate = simulate(seed)
        results = [
            run(ArraySource(movie), params, frame_rate_hz=rate, on_warning=lambda said: None)
            for run in (run_cnmf, run_plane_by_plane)
        ]
        rows.append([f1(true, result.components) for result in results])
        print(f"| {seed} | {rows[-1][0]:.3f} | {rows[-1][1]:.3f} |", flush=True)
    for name, figure in (("median", np.median(rows, 0)), ("least", np.min(rows, 0))):
        print(f"| {name} | {figure[0]:.3f} | {figure[1]:.3f} |")


if __name__ == "__main__":
    main()
