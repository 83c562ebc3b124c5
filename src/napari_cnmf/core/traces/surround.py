"""Gains of the neuropil: how much of what surrounds a component is also in it.

Demixing takes out of a component what is around it. A soma displaces neuropil, so that less is in
it; a bright patch has more. What was taken out too much or too little is in its trace as a
multiple of its surround u,

    raw_t = bl + beta u_t + calcium_t + noise_t,

and beta is told from frames without calcium. The noise of u has been taken out of the trace
together with it, so that plain regression would find part of -1: u of the time after, whose noise
is another, is the instrument,

    beta = sum_t raw_t u_{t+1} / sum_t u_t u_{t+1}.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.traces.deconvolve import estimate_level, lower_quantiles

LEAST, MOST = -1.0, 1.0
"""Gains less one that tissue can have: no neuropil at all, and twice what is around."""
SPREAD = 0.25
"""Spread of the gains of a recording's components, to whose middle those are held that say little:
somata of a plane are cut at different heights, and displace .3 to .8 of the neuropil."""
_QUIET = 1.0
"""Standard deviations above its level up to which a frame counts as quiet."""
_ROUNDS = 4
_FEWEST = 20
"""Bins that must be quiet."""
_AT_ONCE = 16


def surround_gains(
    raw: NDArray[np.float32],
    surround: NDArray[np.float32],
    frames_per_bin: int,
    workers: Workers,
) -> NDArray[np.float32]:
    """Multiples of the surrounds that are left in traces ``(n,)``; 0 where they cannot be told.

    Parameters
    ----------
    raw, surround
        Demixed traces and what was taken out of each for its background ``(n, n_frames)``.
    frames_per_bin
        Frames over which calcium and neuropil hardly change.
    """
    n, n_frames = raw.shape
    n_bins = n_frames // frames_per_bin
    found, error = np.zeros(n), np.full(n, np.inf)
    if n == 0 or n_bins < 3 * _FEWEST:
        return found.astype(np.float32)

    def fit(start: int, stop: int) -> None:
        some = slice(start, stop)
        y, u = (
            rows[some, : n_bins * frames_per_bin].reshape(stop - start, n_bins, -1).mean(2)
            for rows in (raw, surround)
        )
        for i in range(stop - start):
            found[start + i], error[start + i] = fit_gain(y[i], u[i])

    workers.ranges(fit, n, _AT_ONCE)
    sure = error < SPREAD
    if not sure.any():
        return np.zeros(n, np.float32)
    middle = float(np.median(found[sure]))
    # An estimate with an error, and a prior around the middle: their precision weighs them.
    weight = np.where(np.isfinite(error), SPREAD**2 / (SPREAD**2 + error**2), 0.0)
    held = weight * np.where(np.isfinite(error), found, 0.0) + (1 - weight) * middle
    return np.clip(held, LEAST, MOST).astype(np.float32)


def fit_gain(y: NDArray[np.float32], u: NDArray[np.float32]) -> tuple[float, float]:
    """Multiple of ``u`` in the quiet part of ``y``, both ``(n_bins,)``, and its standard error."""
    u = (u - u.mean()).astype(np.float64)
    beta, error = 0.0, np.inf
    for _ in range(_ROUNDS):
        rest = y - beta * u
        level = float(estimate_level(rest[None].astype(np.float32))[0])
        low, mid = lower_quantiles(rest[None].astype(np.float32))
        sigma = float(mid[0] - low[0]) / 1.0283
        quiet = rest <= level + _QUIET * sigma
        pairs = np.flatnonzero(quiet[:-1])
        if len(pairs) < _FEWEST:
            return 0.0, np.inf
        after = u[pairs + 1]
        after = after - after.mean()
        own = float(after @ u[pairs])
        if own <= 0:
            return 0.0, np.inf
        new = float(np.clip(after @ y[pairs] / own, LEAST, MOST))
        left = y[pairs] - new * u[pairs]
        error = float(left.std() * np.sqrt(after @ after) / own)
        done, beta = abs(new - beta) < 0.01, new
        if done:
            break
    return beta, error
