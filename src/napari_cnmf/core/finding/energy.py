"""The energy map: where something lights up that the model does not explain yet.

The residual is smoothed as a matched filter would on a lattice of sites: in space by a
Gaussian of 0.5 gSig, in time by an event's first two bins, each of half a decay,

    F_t <- F_t + 0.6 F_{t+1},

standardised per site, and the squares of what exceeds 2.5 standard deviations are summed
over time:

    E+ = sum_t max(z_t - 2.5, 0)^2,    E- the same of -z.

Calcium only goes up; motion and flicker go both ways, so E- counts against a site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from napari_cnmf.core.base.compiling import inline_kernel, kernel
from napari_cnmf.core.base.factors import Factors
from napari_cnmf.core.base.lattice import Lattice, filter_residual
from napari_cnmf.core.base.rows import take_columns
from napari_cnmf.core.base.threads import Workers

DECAY = 0.6
"""What is left of an event after a bin, which lasts half a decay: exp(-1/2)."""
EXPLAINED = 0.03
"""Share of the energy explained at a site that says nothing for another component there."""
_SAMPLES = 128
"""So many bins tell a site's noise to 14 %, which would double the energy of noise."""
_HALVINGS = 28
"""Of the range of the sample: what is left is the last bit of a value."""


BUSY_RATIO = 1.5
"""Spread of a site's trace over that of the sites around it from which on its own activity is
suspected in it. Noise and neuropil change little over the few gSig between."""
RING_GSIG = (2.5, 5.0)
"""Inner and outer radius of what counts as around a site: a cell and its blur reach to 2 gSig."""
_SKEWNESS_SD = 2.0
"""Skewness of a trace's changes from which on they are those of calcium, in standard deviations
``sqrt(6 / n)`` of what symmetric changes give: calcium rises in a bin and falls over several."""
_LOWEST, _LOWEST_SD = 0.02, 1.3
"""Quantile of a busy trace that is quiet, and its depth below the baseline in standard deviations:
in the middle of -2.05 (hardly ever busy) and -.25 (busy for 95 % of the time)."""
_SITES = 256
"""Sites that a thread measures in one go."""


def gather_decay(traces: NDArray[np.float32]) -> None:
    """``x_t + 0.6 x_{t+1}`` of traces ``(..., n_bins)``, in place: an event's first two bins."""
    traces[..., :-1] += np.float32(DECAY) * traces[..., 1:]


@inline_kernel()
def lower_side_scale(
    values: NDArray[np.float32], work: NDArray[np.float32]
) -> tuple[np.float32, np.float32]:
    """Centre and standard deviation of the noise, from the quantiles 0.1 and 0.4.

    Activity lifts the upper quantiles only. ``work`` is overwritten with a sample, of which the
    values of two ranks are closed in on by halves: to count is made of vectors, while of the
    branches of a selection a processor guesses every other one wrong.
    """
    n, m = len(values), len(work)
    low_below = low_above = values[0]
    for i in range(m):
        v = values[(i * n) // m]
        work[i] = v
        low_below = min(low_below, v)
        low_above = max(low_above, v)
    mid_below, mid_above = low_below, low_above
    half, one, zero = np.float32(0.5), np.float32(1.0), np.float32(0.0)
    low_rank, mid_rank = 0.1 * (m - 1) + 0.5, 0.4 * (m - 1) + 0.5  # a count is above its floor
    for _ in range(_HALVINGS):
        low, mid = half * (low_below + low_above), half * (mid_below + mid_above)
        # Counted in float32, as wide as the values are.
        below_low = below_mid = zero
        for i in range(m):
            below_low += one if work[i] < low else zero
            below_mid += one if work[i] < mid else zero
        if below_low > low_rank:
            low_above = low
        else:
            low_below = low
        if below_mid > mid_rank:
            mid_above = mid
        else:
            mid_below = mid
    low, mid = half * (low_below + low_above), half * (mid_below + mid_above)
    # Normal quantiles: z(.1) = -1.2816, z(.4) = -.2533.
    sigma = (mid - low) / np.float32(1.0283)
    return mid + np.float32(0.2533) * sigma, sigma


@inline_kernel()
def _refine_scale(
    values: NDArray[np.float32], centre: np.float32, sigma: np.float32
) -> tuple[np.float32, np.float32]:
    """Centre and standard deviation from all values, given those of a few.

    A quantile q of probability p moves by (p - F(q)) / f(q), with F counted and f normal
    (Bahadur 1966, Ann Math Stat 37, 577): two rounds come close to sorting all of them.
    """
    n = values.shape[0]
    one, zero = np.float32(1.0), np.float32(0.0)
    for _ in range(2):
        mid, low = centre - np.float32(0.2533) * sigma, centre - np.float32(1.2816) * sigma
        below_mid = below_low = zero
        for t in range(n):
            below_mid += one if values[t] < mid else zero
            below_low += one if values[t] < low else zero
        # Normal densities: f(-.2533) = .3863, f(-1.2816) = .1755.
        mid += sigma * np.float32((0.4 - below_mid / n) / 0.3863)
        low += sigma * np.float32((0.1 - below_low / n) / 0.1755)
        sigma = max((mid - low) / np.float32(1.0283), np.float32(0.5) * sigma)
        centre = mid + np.float32(0.2533) * sigma
    return centre, sigma


@kernel("void(float32[:, ::1], float32[::1], float32[::1], int64, int64)")
def _measure_sites(
    F: NDArray[np.float32],
    centre: NDArray[np.float32],
    sigma: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    work = np.empty(min(_SAMPLES, F.shape[1]), np.float32)
    for s in range(start, stop):
        few = lower_side_scale(F[s], work)
        centre[s], sigma[s] = _refine_scale(F[s], few[0], few[1])


@kernel("void(float32[:, ::1], float32[:, ::1], int32[::1], int64, int64)")
def _energy_sites(
    F: NDArray[np.float32],
    state: NDArray[np.float32],
    sites: NDArray[np.int32],
    start: int,
    stop: int,
) -> None:
    """``E+`` and ``E-`` of the ``sites`` start to stop; ``state`` as in ``EnergyMap``.

    What E+ loses is added to the energy explained.
    """
    for i in range(start, stop):
        s = sites[i]
        f, centre, sigma = F[s], state[0, s], state[1, s]
        high, low = np.float32(0.0), np.float32(0.0)
        if sigma > 0.0:
            inverse = np.float32(1.0) / sigma
            for t in range(len(f)):
                z = (f[t] - centre) * inverse
                over = max(z - np.float32(2.5), np.float32(0.0))
                under = max(-z - np.float32(2.5), np.float32(0.0))
                high += over * over
                low += under * under
        state[4, s] += max(state[2, s] - high, np.float32(0.0))
        state[2, s], state[3, s] = high, low


def trace_energies(
    C: NDArray[np.float32], least_sigma: NDArray[np.float32], most_sigma: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return ``E+`` and ``E-`` of traces.

    Parameters
    ----------
    C
        Traces of bins ``(n, n_bins)``.
    least_sigma, most_sigma
        Bounds of their noise ``(n,)``, in units of the traces.
    """
    state = np.zeros((5, len(C)), np.float32)
    _measure_sites(C, state[0], state[1], 0, len(C))
    busy = np.flatnonzero(state[1] > most_sigma)
    state[1] = np.clip(state[1], least_sigma, most_sigma)
    state[0, busy] = quiet_level(C[busy], state[1, busy])
    _energy_sites(C, state, np.arange(len(C), dtype=np.int32), 0, len(C))
    return state[2], state[3]


@dataclass(frozen=True, eq=False)
class EnergyMap:
    """The energies of all sites, kept up to date while components are taken out.

    Attributes
    ----------
    F
        Residual ``(n_sites, n_bins)``, filtered in space and time.
    state
        ``(5, n_sites)``: centre and standard deviation of each site's noise, ``E+``, ``E-``, and
        the energy explained so far.
    busy
        Sites whose noise is that of the sites around them, ``(n_busy,)``.
    """

    lattice: Lattice
    F: NDArray[np.float32]
    state: NDArray[np.float32]
    busy: NDArray[np.int64]

    @property
    def n_bins(self) -> int:
        """Number of temporal bins of the residual."""
        return int(self.F.shape[1])

    @property
    def explained(self) -> NDArray[np.float32]:
        """Energy explained so far at each site ``(n_sites,)``."""
        return np.asarray(self.state[4], np.float32)

    def noise_ratio(self, sites: NDArray[np.int64]) -> NDArray[np.float32]:
        """Most noise of a component at each site ``(n,)``, over that of white noise alone.

        Infinite but at busy sites, where a component's own activity would be taken for noise.
        """
        white = math.sqrt(1 + DECAY**2)
        ratio = BUSY_RATIO * self.state[1, sites] / np.float32(white)
        return np.where(np.isin(sites, self.busy), ratio, np.inf).astype(np.float32)

    def take_out(self, factors: Factors, workers: Workers) -> None:
        """Take components out of the map, no two of which are seen by one site.

        The filter is linear: a site sees the filtered footprint.
        """
        courses = factors.C.copy()
        gather_decay(courses)
        columns = self.lattice.seen(factors).columns(self.lattice.shape)
        take_columns(self.F, columns, courses, workers)
        sites = columns.rows
        self._measure_busy(sites[np.isin(sites, self.busy)])
        workers.ranges(
            lambda a, b: _energy_sites(self.F, self.state, sites, a, b), len(sites), _SITES
        )

    def _measure_busy(self, sites: NDArray[np.integer]) -> None:
        """Renew the baseline of busy sites: activity that was taken out no longer hides it."""
        if len(sites) == 0:
            return
        F, centre, sigma = self.F[sites], *np.zeros((2, len(sites)), np.float32)
        _measure_sites(F, centre, sigma, 0, len(sites))
        noise = self.state[1, sites]
        still = sigma > BUSY_RATIO * noise
        centre[still] = quiet_level(F[still], noise[still])
        self.state[0, sites] = centre

    def score(self) -> NDArray[np.float32]:
        """Energy in favour of a component at each site ``(n_sites,)``.

        ``E+ - 10 max(0, E- - 1 - .003 n_bins) - .03 explained``: what goes down as far as up
        is an artefact; a few hundredths of what is explained already may be left by a footprint
        that is not exactly separable.
        """
        _, _, up, down, explained = self.state
        score = up - both_ways(down, self.n_bins) - np.float32(EXPLAINED) * explained
        return np.asarray(score, np.float32)


def both_ways(down: NDArray[np.float32], n_bins: int) -> NDArray[np.float32]:
    """Count ``E-`` against a site: ten times the part that exceeds that of noise."""
    return np.asarray(10 * np.maximum(down - np.float32(1 + 0.003 * n_bins), 0), np.float32)


def energy_threshold(n_bins: int) -> float:
    """Least energy of a component: grows with the spread and the mean of noise's energy.

    The mean is that of noise and of what is left of smooth neuropil. Of 22 movies without cells,
    of 300 to 15,000 frames and eleven kinds, one gave components: neuropil on all scales.
    """
    return 16.0 + 0.15 * math.sqrt(n_bins) + 0.004 * n_bins


def map_energy(
    R: NDArray[np.float32],
    lattice: Lattice,
    workers: Workers,
    earlier: EnergyMap | None = None,
) -> EnergyMap:
    """Energy map of the whitened residual ``R (Z, Y, X, n_bins)``.

    What an ``earlier`` one of the same movie explained counts; it is over, this one takes its
    memory.
    """
    n_bins = R.shape[-1]
    F = filter_residual(R, lattice, workers, None if earlier is None else earlier.F)
    F = F.reshape(-1, n_bins)
    n = len(F)
    state = np.zeros((5, n), np.float32)
    if earlier is not None:
        state[4] = earlier.explained
    step = max(256, n // 64)

    def measure(start: int, stop: int) -> None:
        gather_decay(F[start:stop])
        _measure_sites(F, state[0], state[1], start, stop)

    workers.ranges(measure, n, _SITES)
    state[1] = steady_sigma(state[1], lattice)
    noise, busy = noise_of_busy_sites(F, state[1], lattice)
    state[1, busy] = noise
    state[0, busy] = quiet_level(F[busy], noise)
    sites = np.arange(n, dtype=np.int32)
    workers.ranges(lambda a, b: _energy_sites(F, state, sites, a, b), n, step)
    return EnergyMap(lattice, F, state, busy)


def noise_of_busy_sites(
    F: NDArray[np.float32], sigma: NDArray[np.float32], lattice: Lattice
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the sites whose spread is their own activity, and the noise around them.

    The lower quantiles of a cell that is active for most of the time are activity themselves: its
    noise would be taken for ten times what it is, and the cell for silent. A site counts as busy
    where its spread stands out of what is around it, and its trace changes as calcium does, with
    fast rises and slow falls; what pulsates or flickers rises and falls alike.

    Parameters
    ----------
    F
        Filtered residual ``(n_sites, n_bins)``.
    sigma
        Spread of each site's lower side ``(n_sites,)``; 0 where nothing is seen.

    Returns
    -------
    noise
        Noise of the busy sites ``(n_busy,)``.
    busy
        Their indices ``(n_busy,)``.
    """
    around = _median_around(sigma.reshape(lattice.shape), lattice).ravel()
    busy = np.flatnonzero((sigma > BUSY_RATIO * around) & (around > 0))
    changes = np.diff(F[busy], axis=1).astype(np.float64)
    changes -= changes.mean(axis=1, keepdims=True)
    variance = np.maximum((changes**2).mean(axis=1), 1e-30)
    skewness = (changes**3).mean(axis=1) / variance**1.5
    busy = busy[skewness > _SKEWNESS_SD * math.sqrt(6 / max(changes.shape[1], 1))]
    return around[busy].astype(np.float32), busy


def quiet_level(traces: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Baseline of traces ``(n, n_bins)`` that are active for most of the time, ``(n,)``."""
    if len(traces) == 0:
        return np.zeros(0, np.float32)
    return np.asarray(np.quantile(traces, _LOWEST, axis=1) + _LOWEST_SD * noise, np.float32)


def _median_around(sigma: NDArray[np.float32], lattice: Lattice) -> NDArray[np.float32]:
    """Median of sigma over the sites on a ring around each, in its plane; NaN-free, 0 outside."""
    inner, outer = (
        [r * lattice.g_sig[axis] / lattice.step[axis] for axis in (1, 2)] for r in RING_GSIG
    )
    reach = [min(math.ceil(o), (n - 1)) for o, n in zip(outer, sigma.shape[1:], strict=True)]
    y, x = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    ring = ((y / outer[0]) ** 2 + (x / outer[1]) ** 2 <= 1) & (
        (y / inner[0]) ** 2 + (x / inner[1]) ** 2 >= 1
    )
    if not ring.any():
        return sigma
    return median_filter(sigma, footprint=ring[None], mode="nearest")


def steady_sigma(sigma: NDArray[np.float32], lattice: Lattice) -> NDArray[np.float32]:
    """Sigma averaged over 3 x 3 neighbouring sites, never far below the field's.

    A few hundred bins leave 5 to 10 % of scatter, which the threshold would turn into energy.
    Sites without noise (outside the mask) stay at 0.
    """
    s = sigma.reshape(lattice.shape)
    alive = (s > 0).astype(np.float32)
    total, count = s * alive, alive
    for axis in (1, 2):
        total, count = (_box3(v, axis) for v in (total, count))
    mean = np.where(alive > 0, total / np.maximum(count, 1e-6), 0)
    present = mean[alive > 0]
    floor = 0.9 * float(np.median(present)) if present.size else 0.0
    return np.where(alive > 0, np.maximum(mean, floor), 0).astype(np.float32).ravel()


def _box3(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Sum over three neighbours along an axis, edges repeated."""
    n = values.shape[axis]
    before = np.take(values, [0, *range(n - 1)], axis)
    after = np.take(values, [*range(1, n), n - 1], axis)
    return values + before + after
