"""Rigid shifts by maximum likelihood against a template built and refined from the movie.

References
----------
Pnevmatikakis & Giovannucci, NoRMCorre, J. Neurosci. Methods 2017: template matching online.
Guizar-Sicairos et al., Opt. Lett. 2008: sub-pixel registration on the spectrum.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.spectrum import Band
from napari_cnmf.core.motion.template import (
    Measurement,
    Template,
    Workers,
    average_aligned,
    measure,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

MAX_TEMPLATE_FRAMES = 300
MAX_ROUNDS = 5
N_SEEDS = 6
SEED_RUN = 8
SEED_SAMPLE = 64
SIGNIFICANT = 6.0
"""Amplitude of the template in units of its noise below which a frame shows nothing."""


def build_template(
    band: Band,
    spectra: F32,
    reach: Sequence[int],
    *,
    workers: Workers,
    check: Callable[[], None],
) -> tuple[Template, Measurement]:
    """Build a template, and find shifts of all ``spectra (n, 2, nz, ny, nx)`` against it.

    At most `MAX_TEMPLATE_FRAMES` frames spread over the movie make the first template, in
    rounds.
    """
    every = np.arange(spectra.shape[0], dtype=np.int64)
    plausible = plausible_power(spectra)
    candidates = every[plausible] if plausible.any() else every
    step = max(1, -(-candidates.size // MAX_TEMPLATE_FRAMES))
    rows = np.ascontiguousarray(candidates[::step])
    template = _seed(band, spectra, candidates, reach, workers=workers)
    found = measure(band, template, spectra, rows, reach, workers=workers)
    for _ in range(MAX_ROUNDS):
        check()
        template = _average(band, spectra, rows, template, found, workers=workers)
        start = found.shifts.copy()
        found = measure(band, template, spectra, rows, reach, workers=workers, initial=start)
        if np.abs(found.shifts - start).max(initial=0.0) < 0.05:
            break
    template = _average(band, spectra, rows, template, found, workers=workers)
    return template, measure(band, template, spectra, every, reach, workers=workers)


def refine_template(
    band: Band,
    spectra: F32,
    template: Template,
    found: Measurement,
    *,
    workers: Workers,
) -> tuple[Template, Measurement]:
    """A template from all frames where they are now, and their shifts against it."""
    every = np.arange(spectra.shape[0], dtype=np.int64)
    template = _average(band, spectra, every, template, found, workers=workers)
    start = found.shifts
    return template, measure(
        band, template, spectra, every, (0, 0, 0), workers=workers, initial=start
    )


def _seed(
    band: Band,
    spectra: F32,
    candidates: NDArray[np.int64],
    reach: Sequence[int],
    *,
    workers: Workers,
) -> Template:
    """Find a first template that is not doubled.

    The mean of a movie that stood in two places shows everything twice, and every frame fits it
    without moving. Short runs of frames are sharp but noisy; the one around which a sample of
    frames agrees best is taken, or the mean if that is better.
    """
    sample = np.ascontiguousarray(candidates[:: max(1, candidates.size // SEED_SAMPLE)])
    whole = average_aligned(
        band, spectra, sample, np.zeros((sample.size, 3)), np.ones(sample.size), workers=workers
    )
    runs = [candidates[:: max(1, candidates.size // MAX_TEMPLATE_FRAMES)]]
    starts = np.linspace(0, max(candidates.size - SEED_RUN, 0), N_SEEDS).astype(int)
    runs.extend(candidates[start : start + SEED_RUN] for start in starts)
    best, best_score = whole, -np.inf
    for run in runs:
        rows = np.ascontiguousarray(run)
        seed = average_aligned(
            band, spectra, rows, np.zeros((rows.size, 3)), np.ones(rows.size), workers=workers
        )
        # noise is measured on the sample: a run is too short to tell it per frequency
        seed = dataclasses.replace(whole, spectrum=seed.spectrum)
        found = measure(band, seed, spectra, sample, reach, workers=workers)
        aligned = average_aligned(
            band, spectra, sample, found.shifts, np.ones(sample.size), workers=workers
        )
        score = float((whole.weight * (aligned.spectrum**2).sum(axis=0)).sum())
        if score > best_score:
            best, best_score = aligned, score
    return best


def _average(
    band: Band,
    spectra: F32,
    rows: NDArray[np.int64],
    template: Template,
    found: Measurement,
    *,
    workers: Workers,
) -> Template:
    """A new template from the frames that agree with the old one."""
    weight = np.where(is_lost(template, found), 0.0, 1.0)
    return average_centred(band, spectra, rows, found, weight, workers=workers)


def average_centred(
    band: Band,
    spectra: F32,
    rows: NDArray[np.int64],
    found: Measurement,
    weight: F64,
    *,
    workers: Workers,
) -> Template:
    """Average frames of some ``weight (n,)`` to a template, or all alike where that is 0.

    ``found.shifts`` are moved so that their median, over the frames that count, is 0.
    """
    if not weight.any():
        weight[:] = 1.0
    found.shifts[:] -= np.median(found.shifts[weight > 0], axis=0)
    return average_aligned(band, spectra, rows, found.shifts, weight, workers=workers)


def plausible_power(spectra: F32) -> NDArray[np.bool_]:
    """Whether each frame's band power is plausible: not black, saturated, or noise alone."""
    power = np.array([float(np.vdot(s, s)) for s in spectra])
    lit = power > 0
    if not lit.any():
        return lit
    log_power = np.log(np.where(lit, power, 1.0))
    centre = np.median(log_power[lit])
    spread = 1.4826 * float(np.median(np.abs(log_power[lit] - centre)))
    return np.asarray(lit & (np.abs(log_power - centre) <= max(6 * spread, 0.5)))


def significance(template: Template, found: Measurement) -> F64:
    """Amplitude of the template in each frame over the amplitude's own noise."""
    noise = np.where(found.noise > 0, found.noise, np.inf)
    own = template.own_share * found.noise / max(template.information, 1e-30)
    return (found.gain - own) * np.sqrt(2 * template.information / noise)


def is_lost(template: Template, found: Measurement) -> NDArray[np.bool_]:
    """Frames in which the template is not there: dark, saturated or noise."""
    clear = significance(template, found)
    if np.median(clear) < SIGNIFICANT:
        return np.ones(clear.size, np.bool_)
    typical = float(np.median(found.gain))
    return np.asarray((clear < SIGNIFICANT) | (found.gain < 0.25 * typical))


def shift_variance(template: Template, found: Measurement) -> F64:
    """``(n, 3)`` variance of each shift in px^2: Fisher's bound at the frame's own noise."""
    variance = np.full((found.gain.size, 3), np.inf)
    axes = np.flatnonzero(np.diag(template.fisher) > 0)
    if axes.size:
        bound = np.diag(np.linalg.inv(template.fisher[np.ix_(axes, axes)]))
        scale = found.noise / np.maximum(found.gain, 1e-3) ** 2
        variance[:, axes] = bound * scale[:, None]
    return variance
