"""Does the movie still move? Register first: no rule replaces registration.

Small motion is read from the gradients of the mean image: a shift of d pixels changes a frame by
``-d . grad(mean)``. Of large motion that tells only that there is some: then some bins of frames
are registered as motion correction registers frames, on a part of the field, and what would be
corrected is what still moves. In noisy movies the template follows the noise, and the gradients
count again.

Motion moves both halves of the field alike. Noise, cells that fire and light that changes do not:
shifts count only where those of the two halves agree.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

LIMIT_SD_PX = 0.25
LIMIT_MAX_PX = 1.0
MAX_TILES = 3
"""Tiles of a field that are looked at."""
_MAX_BINS = 48
_MAX_PIXELS = 4096
_MAX_SIDE = 128
_MIN_SIDE = 24
_MAX_SHIFT_PX = 12.0
_STILL_SD_PX = 0.18
_STILL_MAX_PX = 0.6
"""Below both nothing is registered: still movies, most of them, need not load (or compile) it."""
_TRUSTED_ERROR_PX = 0.15
_LARGE_SD_PX = 0.7
"""Registered motion counts if its error bars are small, or it is larger than noise makes it."""
_AGREEMENT_SD = 4.0
"""Correlation of the two halves' shifts from which on they agree, in standard deviations of what
independent halves give, ``1 / sqrt(n - 1)``: three tiles of two axes are looked at in each run, and
less than one still movie in a thousand shall be said to move."""
_ERROR_BAR_VARIANCE = 1.3
"""Shifts scatter more than Fisher's bound says: neurons that fire are no noise."""


def tiles_to_look_at(n_tiles: int) -> list[int]:
    """Choose some tiles spread over the field, to look for motion in."""
    n = min(MAX_TILES, n_tiles)
    return sorted({int((i + 0.5) * n_tiles / n) for i in range(n)})


def residual_shifts(X: NDArray[np.float32], sn: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shifts of some bins in the plane ``(n, 2)``, px, median 0; one 0 where none can be followed.

    Parameters
    ----------
    X
        Bin means of a tile ``(Z, Y, X, n_bins)``, units of the movie.
    sn
        Noise ``(Z, Y, X)``; pixels of infinite noise are left out.

    Notes
    -----
    Noise alone moves the estimates, in small or noisy movies by .3 px: they are shrunk by the share
    of their variance that their error bars explain.
    """
    frames, noise = _part_to_follow(X, sn)
    if len(frames) < 3 or min(frames.shape[2:]) < _MIN_SIDE:
        return np.zeros((1, 2))
    regressed = _regressed(frames[:, 0], noise)
    if regressed.std(axis=0).max() < _STILL_SD_PX and np.abs(regressed).max() < _STILL_MAX_PX:
        return regressed
    registered, seen, error_px = _registered(frames)
    if not seen.any():
        return np.zeros((1, 2))
    if error_px < _TRUSTED_ERROR_PX or registered.std(axis=0).max() > _LARGE_SD_PX:
        shifts, by_registration = registered[seen], True
    else:
        shifts, by_registration = regressed, False
    if stillness_warning(shifts) and not _halves_agree(frames, noise, by_registration):
        return np.zeros((1, 2))
    return shifts


def _halves_agree(
    frames: NDArray[np.float32], noise: NDArray[np.float32], by_registration: bool
) -> bool:
    """Whether two halves of the field, each looked at alone, show the same shifts over time.

    Parameters
    ----------
    frames
        Bins ``(n, 1, Y, X)``.
    noise
        Noise of the pixels ``(Y, X)``.
    by_registration
        Whether to register the halves, where they are large enough; else their gradients are used.
    """
    axis = int(np.argmax(noise.shape))
    middle = noise.shape[axis] // 2
    halves = []
    seen = np.ones(len(frames), np.bool_)
    for part in (slice(None, middle), slice(noise.shape[axis] - middle, None)):
        where = (part, slice(None)) if axis == 0 else (slice(None), part)
        half = np.ascontiguousarray(frames[:, :, *where])
        if by_registration and middle >= _MIN_SIDE:
            shifts, half_seen, _ = _registered(half)
            seen &= half_seen
        else:
            shifts = _regressed(half[:, 0], noise[where])
        halves.append(shifts)
    if np.count_nonzero(seen) < 4:
        return False
    one, other = (half[seen] - half[seen].mean(axis=0) for half in halves)
    size = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    correlation = (one * other).sum(axis=0) / np.maximum(size, 1e-12)
    return bool(correlation.max() * np.sqrt(np.count_nonzero(seen) - 1) > _AGREEMENT_SD)


def _registered(
    frames: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], float]:
    """Shifts of the bins ``(n, 1, Y, X)`` from registering them to each other.

    Returns
    -------
    shifts
        In px, ``(n, 2)``.
    seen
        Which bins showed something to follow ``(n,)``.
    error_px
        Mean error of the shifts of these bins in px.
    """
    # compiled kernels are loaded by those who run it, not by those who import this
    from napari_cnmf.core.motion.rigid import (
        build_template,
        is_lost,
        refine_template,
        shift_variance,
    )
    from napari_cnmf.core.motion.scratch import Scratch
    from napari_cnmf.core.motion.spectrum import HIGHPASS_PX, plan_band
    from napari_cnmf.core.motion.template import Workers

    n, _, height, width = frames.shape
    reach = (0.0, min(_MAX_SHIFT_PX, height // 4), min(_MAX_SHIFT_PX, width // 4))
    band = plan_band((1, height, width), reach, HIGHPASS_PX)
    scratch = Scratch()
    spectra = np.empty((n, 2, *band.shape), np.float32)
    band.transform(frames, spectra, scratch)
    with ThreadPoolExecutor(1) as pool:
        workers = Workers(pool, 1)
        lags = [int(r) for r in reach]
        template, found = build_template(band, spectra, lags, workers=workers, check=_go_on)
        limited = np.clip(found.shifts, -np.asarray(reach), reach)
        band.transform(frames, spectra, scratch, limited)
        template, found = refine_template(band, spectra, template, found, workers=workers)
    seen = ~is_lost(template, found)
    if np.count_nonzero(seen) < 3:
        return np.zeros((n, 2)), np.zeros(n, np.bool_), 0.0
    by_noise = _ERROR_BAR_VARIANCE * shift_variance(template, found)[seen, 1:].mean(axis=0)
    error_px = float(np.sqrt(by_noise.mean()))
    shifts = np.zeros((n, 2))
    shifts[seen] = _without_noise(found.shifts[seen, 1:], by_noise)
    return shifts, seen, error_px


def _regressed(frames: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shifts of bins ``(n, Y, X)`` from the gradients of their mean.

    Active cells brighten without moving; the robust part of the regression is that pixels
    whose bins deviate most (the top tenth by variance over noise) are left out.
    """
    nothing = np.zeros((len(frames), 2))
    gy, gx = np.gradient(frames.mean(axis=0))
    ids = np.flatnonzero((np.isfinite(noise) & (np.abs(gy) + np.abs(gx) > 0)).ravel())
    if len(ids) < 100:
        return nothing
    ids = ids[:: max(1, len(ids) // _MAX_PIXELS)]
    sd = noise.ravel()[ids]
    rows = frames.reshape(len(frames), -1).T[ids]
    rows = (rows - rows.mean(axis=1, keepdims=True)) / sd[:, None]
    spread = rows.var(axis=1)
    calm = spread <= np.quantile(spread, 0.9)
    G = -np.stack([gy.ravel()[ids], gx.ravel()[ids]], axis=1) / sd[:, None]
    G, rows = G[calm], rows[calm]
    normal = (G.T @ G).astype(np.float64)
    if np.linalg.cond(normal) > 1e6:
        return nothing
    shifts = np.linalg.solve(normal, G.T @ rows).T
    left = float(np.mean((rows - G @ shifts.T) ** 2))
    return _without_noise(shifts, left * np.diag(np.linalg.inv(normal)))


def _without_noise(
    shifts: NDArray[np.float64], by_noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shifts of median 0, shrunk by the share of their variance ``(2,)`` that is noise."""
    shifts = shifts - np.median(shifts, axis=0)
    share = np.clip(1 - by_noise / np.maximum(shifts.var(axis=0), 1e-12), 0, 1)
    return np.asarray(shifts * np.sqrt(share))


def _go_on() -> None:
    """Let it go on: it takes a few ms, and nobody needs to stop it."""


def _part_to_follow(
    X: NDArray[np.float32], sn: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bins ``(n, 1, Y, X)`` of the middle of the plane with most contrast, and their noise."""
    bins = np.linspace(0, X.shape[-1] - 1, min(_MAX_BINS, X.shape[-1])).astype(np.int64)
    known = np.isfinite(sn)
    z = 0
    if X.shape[0] > 1:
        sample = X[..., bins[:: max(1, bins.size // 8)]].mean(axis=-1)
        z = int(np.argmax(np.where(known, sample, 0).std(axis=(1, 2))))
    inside = []
    for axis in (0, 1):
        line = np.flatnonzero(known[z].any(axis=1 - axis))
        first, past = (int(line[0]), int(line[-1]) + 1) if line.size else (0, 0)
        cut = max(0, past - first - _MAX_SIDE) // 2
        inside.append(slice(first + cut, min(past, first + cut + _MAX_SIDE)))
    part = X[z, inside[0], inside[1]][..., bins]
    frames = np.ascontiguousarray(np.moveaxis(part, -1, 0))[:, None]
    hidden = ~known[z, inside[0], inside[1]]
    if hidden.any() and not hidden.all():
        for frame in frames[:, 0]:
            frame[hidden] = np.median(frame[~hidden])
    return frames, sn[z, inside[0], inside[1]]


def stillness_warning(shifts: NDArray[np.float64], frames_per_bin: int = 1) -> str | None:
    """A sentence for the user when the movie still moves; ``None`` when it does not."""
    sd = float(shifts.std(0).max(initial=0.0)) if len(shifts) else 0.0
    largest = float(np.abs(shifts).max(initial=0.0))
    if sd <= LIMIT_SD_PX and largest <= LIMIT_MAX_PX:
        return None
    # single frames may move further than their means
    means = f" in means of {frames_per_bin} frames" if frames_per_bin > 1 else ""
    return (
        f"The movie still moves: {sd:.1f} px (standard deviation), up to {largest:.1f} px{means}. "
        "Correct motion first; components found on a moving movie are often edges of cells."
    )
