"""A pattern that stands still on the sensor while the field moves behind it.

Dust, fixed-pattern noise, a vignette, blocks of a compressed movie: where they are stronger than
the tissue, every frame fits a template best when it is not moved at all. So a second explanation
is tried: a frame is the field, moved, plus a pattern that is the same in all frames. The pattern
is not in what a frame has beyond the mean over time, and that moves with the field. Shifts that it
gives are believed where both layers together explain the movie better than one template does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from scipy.signal import fftconvolve

from napari_cnmf.core.motion.rigid import is_lost
from napari_cnmf.core.motion.template import average_aligned, measure, sum_aligned

if TYPE_CHECKING:
    from napari_cnmf.core.motion.estimate import Estimator
    from napari_cnmf.core.motion.spectrum import Band
    from napari_cnmf.core.motion.template import Measurement, Template, Workers

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MAX_FRAMES, SAMPLE_BYTES = 200, 40e6
"""Frames that the two layers are told apart by, and the most that their spectra may take."""
TRIAL_RUNS, RUN, TRIAL_SEEDS = 6, 8, 3
"""Runs of consecutive frames that are looked at in every movie, and how many start a template."""
LIKELIER = 15.0
"""Log-likelihood per frame that other shifts must gain: the best of some hundred places in noise
gains 6."""
CHANCE = 12.0
"""Log-likelihood per frequency that a pattern must gain. Chance gives 1 where frames are
independent, and as many as the frames that a cell stays lit where they are not."""
WORTH_FREEING = 0.04
"""Share of a displacement by which a pattern must hold frames back. Less is no worse than noise;
and what a window leaves of a field that enters and leaves it looks like a pattern of 1 or 2 %. It
is what the error bars hold of a pattern that was taken out, too: less of it is not told apart."""
LEAST_TOLD_PX2 = 0.25
"""The same share, times the variance of the motion: a pattern is told from the field by what motion
blurs, which grows with the square of it. Taken out of fields that move by 1 px rms, a pattern that
held them by .05 and .16 left errors of .13 and .12 px, where .03 and .06 px were there before."""
LEAST_APART = 0.05
"""Share of a frequency's power that motion must blur for its layers to be told apart."""
DIVISIONS, LAYER_ROUNDS = 2, 10
"""Times that the pattern is divided out, and rounds between the layers for each. What motion hardly
blurs settles slowly, and stays with the field."""
LEAST_LIGHT = 0.1
"""Share of the mean brightness below which a pixel's pattern is left as it is."""
PASSES = (0.2, 5.0)
"""Range of what a pattern may change in one round."""
SHIFT_ROUNDS, SETTLED_PX = 8, 0.015
STEP = 1.5
"""Over-relaxation: shifts that are a little wrong leave some of the pattern, which makes the next
ones wrong the same way. Each round takes off a fixed share of the error, so longer steps converge
faster, and any below 2 converge."""


@dataclass(frozen=True, eq=False)
class _Layers:
    """Means of spectra over frames, aligned and not, which tell apart what moves from what stays.

    Attributes
    ----------
    moved, still
        Mean spectrum at the shifts, and without them.
    power
        Mean power.
    blur
        Share of the field that is left in the mean over time, per frequency.
    n_frames
        Number of frames.
    """

    moved: NDArray[np.complex128]
    still: NDArray[np.complex128]
    power: F64
    blur: NDArray[np.complex128]
    n_frames: int

    @classmethod
    def of(cls, band: Band, spectra: F32, rows: I64, shifts: F64, *, workers: Workers) -> _Layers:
        """Sum the frames ``spectra[rows]`` with and without their ``shifts (n, 3)``."""
        alike = np.ones(rows.size)
        moved, power = sum_aligned(band, spectra, rows, shifts, alike, workers=workers)
        still, _ = sum_aligned(band, spectra, rows, 0 * shifts, alike, workers=workers)
        z, y, x = (np.exp(-1j * np.outer(d, k)) for d, k in zip(shifts.T, band.k, strict=True))
        blur = np.einsum("tz,ty,tx->zyx", z, y, x, optimize=True)
        n = rows.size
        return cls(
            (moved[0] + 1j * moved[1]) / n, (still[0] + 1j * still[1]) / n, power / n, blur / n, n
        )

    @property
    def apart(self) -> F64:
        """Share of each frequency's power that motion blurs; 0 where it is too little to tell."""
        apart = 1 - np.abs(self.blur) ** 2
        return np.where(apart > LEAST_APART, apart, 0.0)

    def _left(self) -> tuple[F64, F64]:
        """Power that the field leaves alone, and together with a pattern before it."""
        alone = self.power - np.abs(self.moved) ** 2
        # least squares on two regressors: the mean, and what the moving field adds to it
        more = np.abs(self.moved - self.blur.conj() * self.still) ** 2
        both = self.power - np.abs(self.still) ** 2 - more / np.maximum(self.apart, LEAST_APART)
        floor = 1e-6 * float(self.power.mean())
        both = np.where(self.apart > 0, both, alone)
        return np.maximum(alone, floor), np.maximum(both, floor)

    def log_likelihoods(self, band: Band) -> tuple[float, float]:
        """Log-likelihood of the field alone, and of the field with a pattern before it."""
        alone, both = (-float((band.multiplicity * np.log(p)).sum()) for p in self._left())
        return self.n_frames * alone, self.n_frames * both

    def hold(self, band: Band) -> float:
        """Share of a displacement by which the pattern holds a frame back.

        That is the pattern's share of the information about shifts, by least squares.
        """
        _, left = self._left()
        field = (self.moved - self.blur.conj() * self.still) / np.maximum(self.apart, LEAST_APART)
        field = np.where(self.apart > 0, field, self.moved)
        pattern = np.where(self.apart > 0, self.still - self.blur * field, 0)
        noise = left / self.n_frames / np.maximum(self.apart, LEAST_APART)
        _, ky, kx = band.k
        weight = band.multiplicity / left * (ky[:, None] ** 2 + kx**2)
        moves = float((weight * (np.abs(field) ** 2 - noise)).sum())
        stays = float((weight * np.where(self.apart > 0, np.abs(pattern) ** 2 - noise, 0)).sum())
        return max(stays, 0.0) / max(moves + stays, 1e-30)


def find_shade(
    estimator: Estimator, rows: I64, spectra: F32, template: Template, found: Measurement
) -> tuple[F32 | None, float]:
    """Find what stands still before the field of a plane ``(Y, X)``, if that holds the shifts.

    Besides, the share of a displacement by which it holds them; 0 where there is none.

    Parameters
    ----------
    rows, spectra
        Frames of the movie ``(n,)`` and their spectra ``(n, 2, nz, ny, nx)``.
    template, found
        Where these frames are if there is no pattern.
    """
    band, workers = estimator.band, estimator.workers
    seen = np.flatnonzero(~is_lost(template, found)).astype(np.int64)
    if estimator.settings.dims[0] > 1 or seen.size < TRIAL_RUNS * RUN or found.power.max() <= 0:
        return None, 0.0
    most = int(np.clip(SAMPLE_BYTES // band.bytes_per_frame, TRIAL_RUNS * RUN, MAX_FRAMES))
    sample = np.ascontiguousarray(seen[:: max(1, -(-seen.size // most))])
    shifts = found.shifts[sample]
    layers = _Layers.of(band, spectra, sample, shifts, workers=workers)
    alone, best = layers.log_likelihoods(band)
    other = _shifts_beyond_the_mean(estimator, spectra, seen, sample, found.shifts)
    if other is not None:
        freed = _Layers.of(band, spectra, sample, other, workers=workers)
        if (likelier := freed.log_likelihoods(band)[1]) > best:
            layers, best, shifts = freed, likelier, other
    is_clear = best - alone > CHANCE * float(band.multiplicity.sum())
    if not is_clear:
        return None, 0.0
    held = layers.hold(band)
    if held < max(WORTH_FREEING, LEAST_TOLD_PX2 / max(shifts[:, 1:].var(axis=0).mean(), 1e-6)):
        return None, held
    return _settle(estimator, rows[sample], shifts), held


def _shifts_beyond_the_mean(
    estimator: Estimator, spectra: F32, seen: I64, sample: I64, shifts: F64
) -> F64 | None:
    """Shifts of the frames ``sample`` by what they have beyond the mean, if these are likelier.

    A few runs of frames are tried before all of the sample is.
    """
    band, workers, reach = estimator.band, estimator.workers, estimator.settings.reach
    still, _ = sum_aligned(
        band, spectra, sample, np.zeros((sample.size, 3)), np.ones(sample.size), workers=workers
    )
    mean = (still / sample.size).astype(np.float32)
    starts = np.linspace(0, seen.size - RUN, TRIAL_RUNS).astype(np.int64)
    trial = seen[starts[:, None] + np.arange(RUN)].ravel()
    rest = spectra[trial] - mean
    every = np.arange(trial.size, dtype=np.int64)
    nowhere, alike = np.zeros((trial.size, 3)), np.ones(trial.size)
    whole = average_aligned(band, rest, every, nowhere, alike, workers=workers)
    best_score, template = -np.inf, whole
    for own in np.split(every, TRIAL_RUNS)[:: TRIAL_RUNS // TRIAL_SEEDS]:
        seed = average_aligned(band, rest, own, nowhere[own], alike[own], workers=workers)
        # noise is measured on all runs: one is too short to tell it per frequency
        seed = replace(whole, spectrum=seed.spectrum)
        found = measure(band, seed, rest, every, reach, workers=workers)
        aligned = average_aligned(band, rest, every, found.shifts, alike, workers=workers)
        score = float((whole.weight * (aligned.spectrum**2).sum(axis=0)).sum())
        if score > best_score:
            best_score, template = score, aligned
    found = measure(band, template, rest, every, reach, workers=workers)
    held, freed = (
        _Layers.of(band, spectra, trial, d, workers=workers).log_likelihoods(band)[1]
        for d in (shifts[trial], found.shifts)
    )
    if freed - held < LIKELIER * trial.size:
        return None
    return _follow(estimator, spectra[sample] - mean, template).shifts


def _follow(estimator: Estimator, spectra: F32, template: Template) -> Measurement:
    """Shifts of all ``spectra``, measured against the template and once more against their mean."""
    band, workers, reach = estimator.band, estimator.workers, estimator.settings.reach
    every = np.arange(len(spectra), dtype=np.int64)
    found = measure(band, template, spectra, every, reach, workers=workers)
    template = average_aligned(
        band, spectra, every, found.shifts, np.ones(every.size), workers=workers
    )
    return measure(
        band, template, spectra, every, reach, workers=workers, initial=found.shifts.copy()
    )


def _settle(estimator: Estimator, frames: I64, shifts: F64) -> F32:
    """Find the pattern and shifts in turns, from ``frames (n,)`` of the movie."""
    dims, workers = estimator.settings.dims, estimator.workers
    for _ in range(SHIFT_ROUNDS):
        estimator.check()
        # Always from nothing: what motion hardly blurs may be pattern or field, and comes last.
        shade = np.ones(dims[1:], np.float32)
        for _ in range(DIVISIONS):
            shade = _improve(shade, estimator.frames(frames), shifts)
            # what is wider is taken out of frames by the high-pass
            shade /= uniform_filter(shade, estimator.settings.highpass_px, mode="nearest")
        behind = replace(estimator, band=replace(estimator.band, shade=shade))
        spectra = behind.spectra_of(frames, shifts)
        every = np.arange(frames.size, dtype=np.int64)
        template = average_aligned(
            behind.band, spectra, every, shifts, np.ones(every.size), workers=workers
        )
        step = _follow(behind, spectra, template).shifts - shifts
        step -= np.median(step, axis=0)
        if np.sqrt(np.mean(step**2)) < SETTLED_PX:
            break
        shifts = shifts + STEP * step
    return shade


def _improve(shade: F32, frames: Iterable[NDArray[Any]], shifts: F64) -> F32:
    """The pattern before ``frames (1, Y, X)``, given about what it is, and the ``shifts (n, 3)``.

    In turns, the field is the mean of what the pattern leaves of the frames, each moved back by
    whole pixels, and the pattern is the mean of what the field leaves of them where they are.
    What is left of a pattern that was divided out is small, and adds to the field.
    """
    lags = np.rint(shifts[:, 1:] - np.median(shifts[:, 1:], axis=0)).astype(np.int64)
    margin = np.abs(lags).max(axis=0)
    Y, X = shade.shape
    moved, counts = np.zeros((Y, X) + 2 * margin), np.zeros(2 * margin + 1)
    still, n = np.zeros((Y, X)), len(shifts)
    for frame, lag in zip(frames, lags, strict=True):
        known = np.isfinite(frame[0])
        own = np.where(known, frame[0], frame[0].mean(where=known)) / shade
        y, x = margin - lag
        moved[y : y + Y, x : x + X] += own
        counts[y, x] += 1
        still += own / n
    shown = np.maximum(np.rint(fftconvolve(np.ones((Y, X)), counts)), 1)
    left = np.zeros((Y, X))
    for _ in range(LAYER_ROUNDS):
        field = (moved - fftconvolve(left, counts)) / shown
        left = still - fftconvolve(field, counts[::-1, ::-1], mode="valid") / n
    light = still - left
    # where there is hardly any light, nothing tells what is let through
    lit = light > LEAST_LIGHT * abs(float(still.mean()))
    passes = np.where(lit, 1 + left / np.where(lit, light, 1), 1)
    better = shade * np.clip(passes, *PASSES)
    return np.asarray(better / better.mean(), np.float32)
