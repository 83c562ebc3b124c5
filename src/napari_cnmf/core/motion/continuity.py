"""Finds the field when single frames do not tell where it is: a path that all agree on.

In a dark field with few cells, of which one or none fires, a frame shows nothing, or fits the
template wherever any of its cells lies. The frames before and after say which place it is: a
hidden Markov model over whole lags, whose transitions are small steps, with the likelihood of
every lag of every frame. Template and path are found in turns.

References
----------
Dombeck et al., Neuron 2007: a hidden Markov model of displacements.
Rabiner, Proc. IEEE 1989: forward and backward recursions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_cnmf.core.motion.rigid import SIGNIFICANT, average_centred, is_lost, significance
from napari_cnmf.core.motion.spectrum import Band
from napari_cnmf.core.motion.template import (
    Measurement,
    Template,
    Workers,
    measure,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MANY_LOST, MANY_DOUBTFUL = 0.05, 0.2
"""Shares of frames that show nothing, and of the others that show hardly more than nothing, beyond
which neighbours are asked. Dark frames alone between good ones need no neighbours."""
DOUBTFUL = 2 * SIGNIFICANT
ROUNDS = 10
TRUST, MOST_TRUST = 0.05, 4.0
"""Share of a frame's log-likelihood that counts, and how much at most: cells that fire are no
noise, and a single frame must not overrule its neighbours."""
STEP_PX = 0.35
"""Standard deviation of a step from frame to frame along each axis."""
JUMP = 1e-15
"""Probability of a step to anywhere."""
CERTAIN_PX = 1.0
"""Standard deviation of the lag below which a frame counts for the template."""
NEAR_PX = 1.5
"""A sub-pixel shift farther from the path than this is the path's again."""

N_PATTERNS = 20
"""Patterns that make up a sparse field: more than its cells that fire often."""
MOST_COMPARED = 400
"""Frames whose patterns are looked at."""


def needs_neighbours(template: Template, found: Measurement) -> bool:
    """Whether frames pass from showing the field to showing nothing by degrees."""
    lost = is_lost(template, found)
    if not MANY_LOST < lost.mean() < 1:
        return False
    doubtful = significance(template, found)[~lost] < DOUBTFUL
    return bool(doubtful.mean() > MANY_DOUBTFUL)


def follow_continuously(
    band: Band,
    spectra: F32,
    template: Template,
    reach: Sequence[int],
    *,
    workers: Workers,
    check: Callable[[], None],
) -> tuple[Template, Measurement]:
    """Template and shifts of consecutive frames of a plane, ``spectra (T, 2, 1, ny, nx)``."""
    every = np.arange(spectra.shape[0], dtype=np.int64)
    lags = [np.arange(-r, r + 1) for r in reach[1:]]
    for _ in range(ROUNDS):
        check()
        likelihood = _log_likelihood(band, template, spectra, lags)
        shifts, spread = _expected_path(likelihood, lags)
        found = measure(band, template, spectra, every, (0, 0, 0), workers=workers, initial=shifts)
        near = (np.abs(found.shifts - shifts) < NEAR_PX).all(axis=1)
        found.shifts[~near] = shifts[~near]
        weight = np.where(spread < CERTAIN_PX**2, np.maximum(found.gain, 0.0), 0.0)
        template = average_centred(band, spectra, every, found, weight, workers=workers)
    return template, measure(
        band, template, spectra, every, (0, 0, 0), workers=workers, initial=found.shifts
    )


def stands_still(band: Band, spectra: F32, template: Template, shifts: F64) -> bool:
    """Whether a few patterns explain the frames better as they are than with ``shifts`` taken out.

    Cells that fire in turn fit one place as well as any other: they can be put on top of each
    other, and every frame then looks like the template. But each of them always fires at its own
    place, and patterns in places explain a movie only if the field is where it was.
    """
    rows = np.arange(0, len(spectra), max(1, -(-len(spectra) // MOST_COMPARED)))
    frames = (spectra[rows, 0] + 1j * spectra[rows, 1]) * np.sqrt(template.weight)
    _, ky, kx = band.k
    phase = shifts[rows, 1, None, None] * ky[:, None] + shifts[rows, 2, None, None] * kx
    moved = frames * np.exp(1j * phase)[:, None].astype(np.complex64)

    def explained(of: NDArray[np.complexfloating]) -> float:
        flat = of.reshape(len(of), -1)
        values = np.linalg.eigvalsh((flat @ flat.conj().T).real.astype(np.float64))
        return float(values[-N_PATTERNS:].sum())

    return explained(frames) >= explained(moved)


def _log_likelihood(
    band: Band, template: Template, spectra: F32, lags: list[NDArray[np.int64]]
) -> F32:
    """Log-likelihood ``(T, n_y, n_x)`` of every whole lag, as far as it is trusted."""
    _, ky, kx = band.k
    matched = template.matched
    to_y = np.exp(1j * np.outer(lags[0], ky)).astype(np.complex64)
    to_x = np.exp(1j * np.outer(kx, lags[1])).astype(np.complex64)
    out = np.empty((len(spectra), lags[0].size, lags[1].size), np.float32)
    for frame, spectrum in zip(out, spectra, strict=True):
        product = (matched[0, 0] + 1j * matched[1, 0]) * (spectrum[0, 0] + 1j * spectrum[1, 0])
        J = (to_y @ product @ to_x).real
        # the gain is the likeliest one, and light only adds
        frame[:] = np.maximum(J, 0) ** 2 / max(template.information, 1e-30)
    return np.asarray(np.minimum(TRUST * out, MOST_TRUST))


def _expected_path(likelihood: F32, lags: list[NDArray[np.int64]]) -> tuple[F64, F64]:
    """Mean ``(T, 3)`` and variance ``(T,)`` of the lag, given all frames."""
    emitted = np.exp(likelihood.astype(np.float64))
    T, n_lags = len(emitted), emitted[0].size

    def step(p: F64) -> F64:
        moved = gaussian_filter(p, STEP_PX, mode="constant")
        return np.asarray((1 - JUMP) * moved + JUMP / n_lags * p.sum())

    forward = np.empty_like(emitted)
    for t in range(T):
        p = emitted[t] if t == 0 else step(forward[t - 1]) * emitted[t]
        forward[t] = p / p.sum()
    path, spread = np.zeros((T, 3)), np.empty(T)
    backward = np.ones_like(emitted[0])
    for t in range(T - 1, -1, -1):
        p = forward[t] * backward
        p /= p.sum()
        y, x = p.sum(axis=1), p.sum(axis=0)
        path[t, 1:] = y @ lags[0], x @ lags[1]
        spread[t] = y @ lags[0] ** 2 + x @ lags[1] ** 2 - path[t] @ path[t]
        backward = step(backward * emitted[t])
        backward /= backward.sum()
    return path, spread
