"""The energy map: where something lights up that the model does not explain yet.

The residual is smoothed as a matched filter would on a lattice of sites: in space by a
Gaussian of 0.5 gSig, in time by an event's first two bins, each of half a decay,

    F_t <- F_t + 0.6 F_{t+1},

standardised per site, and the squares of what exceeds 2.5 standard deviations are summed
over time:

    E+ = sum_t max(z_t - 2.5, 0)^2,    E- the same of -z.

Calcium only goes up; motion and flicker go both ways, so E- counts against a site.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import inline_kernel, kernel
from napari_cnmf.core._threads import Workers
from napari_cnmf.core.factors import Factors
from napari_cnmf.core.geometry import Field

SMOOTHING = 0.5
"""Standard deviation of the matched filter in gSig."""
DECAY = 0.6
"""What is left of an event after a bin, which lasts half a decay: exp(-1/2)."""
EXPLAINED = 0.03
"""Share of the energy explained at a site that says nothing for another component there."""
_SAMPLES = 128
_BOXES = 2
"""Components that a thread takes out of the map together."""
"""So many bins tell a site's noise to 14 %, which would double the energy of noise."""


@dataclass(frozen=True, eq=False)
class Lattice:
    """Sites on which the filtered residual is kept.

    Attributes
    ----------
    step
        Pixels between sites along (Z, Y, X).
    shape
        Number of sites along (Z, Y, X).
    taps
        Filter along each axis, ``(2 h + 1,)`` float32, sum of squares 1.
    """

    step: tuple[int, int, int]
    shape: tuple[int, int, int]
    taps: tuple[NDArray[np.float32], ...]

    @classmethod
    def over(cls, field: Field) -> Lattice:
        step, taps = [], []
        for g in field.g_sig:
            sigma = SMOOTHING * g
            step.append(max(1, math.floor(sigma)))
            half = math.ceil(2 * sigma) if sigma > 0 else 0
            tap = np.exp(-0.5 * (np.arange(-half, half + 1) / max(sigma, 1e-6)) ** 2)
            taps.append((tap / np.sqrt((tap**2).sum())).astype(np.float32))
        shape = [math.ceil(n / s) for n, s in zip(field.shape, step, strict=True)]
        return cls((step[0], step[1], step[2]), (shape[0], shape[1], shape[2]), tuple(taps))

    @property
    def half(self) -> tuple[int, int, int]:
        h = [len(tap) // 2 for tap in self.taps]
        return h[0], h[1], h[2]

    def to_pixels(
        self, values: NDArray[np.float32], shape: tuple[int, int, int]
    ) -> NDArray[np.float32]:
        """Values of the sites, repeated over the pixels of a field of ``shape``."""
        image = values.reshape(self.shape)
        for axis, step in enumerate(self.step):
            image = np.repeat(image, step, axis)
        return np.ascontiguousarray(image[: shape[0], : shape[1], : shape[2]])


@kernel(
    "void(float32[:, :, :, ::1], float32[:, :, :, ::1], int64, int64, int64, float32[::1], "
    "float32[::1], float32[::1], int64, int64)"
)
def _filter_rows(
    R: NDArray[np.float32],
    F: NDArray[np.float32],
    step_z: int,
    step_y: int,
    step_x: int,
    tap_z: NDArray[np.float32],
    tap_y: NDArray[np.float32],
    tap_x: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Rows ``start`` to ``stop`` (over site Y) of ``F``, all planes of sites.

    Each row of pixels is filtered along X once and added to the rows of sites
    around it: the residual is read once and no filtered copy of it is kept.
    """
    n_z, n_y, n_x, n_bins = R.shape
    s_z, _, s_x = F.shape[:3]
    hz, hy, hx = len(tap_z) // 2, len(tap_y) // 2, len(tap_x) // 2
    line = np.empty((s_x, n_bins), np.float32)
    F[:, start:stop] = 0.0
    for z in range(n_z):
        for y in range(max(0, start * step_y - hy), min(n_y, (stop - 1) * step_y + hy + 1)):
            line[:] = 0.0
            for i in range(s_x):
                centre = i * step_x
                target = line[i]
                for x in range(max(0, centre - hx), min(n_x, centre + hx + 1)):
                    weight = tap_x[x - centre + hx]
                    r = R[z, y, x]
                    for t in range(n_bins):
                        target[t] += weight * r[t]
            for k in range(s_z):
                dz = z - k * step_z
                if dz < -hz or dz > hz:
                    continue
                for j in range(start, stop):
                    dy = y - j * step_y
                    if dy < -hy or dy > hy:
                        continue
                    weight = tap_z[dz + hz] * tap_y[dy + hy]
                    for i in range(s_x):
                        target = F[k, j, i]
                        source = line[i]
                        for t in range(n_bins):
                            target[t] += weight * source[t]


def gather_decay(traces: NDArray[np.float32]) -> None:
    """``x_t + 0.6 x_{t+1}`` of traces ``(..., n_bins)``, in place: an event's first two bins."""
    traces[..., :-1] += np.float32(DECAY) * traces[..., 1:]


def filter_residual(
    R: NDArray[np.float32], lattice: Lattice, workers: Workers
) -> NDArray[np.float32]:
    """The residual smoothed in space at the sites of ``lattice``, ``(sz, sy, sx, n_bins)``."""
    F = np.empty((*lattice.shape, R.shape[-1]), np.float32)
    workers.ranges(
        lambda a, b: _filter_rows(R, F, *lattice.step, *lattice.taps, a, b),
        lattice.shape[1],
        max(8, lattice.shape[1] // 16),
    )
    return F


@inline_kernel()
def lower_side_scale(
    values: NDArray[np.float32], work: NDArray[np.float32]
) -> tuple[np.float32, np.float32]:
    """Centre and standard deviation of the noise, from the quantiles 0.1 and 0.4.

    Activity lifts the upper quantiles only. ``work`` is overwritten with a sample.
    """
    n = values.shape[0]
    m = work.shape[0]
    for i in range(m):
        work[i] = values[(i * n) // m]
    # Hoare's selection of the two order statistics, the lower one within the lower part;
    # numpy's sort would triple the time that every caller takes to compile.
    mid_at, low_at = int(0.4 * (m - 1) + 0.5), int(0.1 * (m - 1) + 0.5)
    right = m - 1
    for wanted in (mid_at, low_at):
        left = 0
        while left < right:
            pivot = work[wanted]
            i, j = left, right
            while i <= j:
                while work[i] < pivot:
                    i += 1
                while pivot < work[j]:
                    j -= 1
                if i <= j:
                    v = work[i]
                    work[i] = work[j]
                    work[j] = v
                    i += 1
                    j -= 1
            if j < wanted:
                left = i
            if wanted < i:
                right = j
        right = mid_at
    mid, low = work[mid_at], work[low_at]
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
    for _ in range(2):
        mid, low = centre - np.float32(0.2533) * sigma, centre - np.float32(1.2816) * sigma
        below_mid, below_low = 0, 0
        for t in range(n):
            below_mid += values[t] < mid
            below_low += values[t] < low
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


@inline_kernel()
def _energies(
    f: NDArray[np.float32], centre: np.float32, sigma: np.float32
) -> tuple[np.float32, np.float32]:
    """``E+`` and ``E-`` of one row."""
    high, low = np.float32(0.0), np.float32(0.0)
    if sigma > 0.0:
        inverse = np.float32(1.0) / sigma
        for t in range(len(f)):
            z = (f[t] - centre) * inverse
            over = max(z - np.float32(2.5), np.float32(0.0))
            under = max(-z - np.float32(2.5), np.float32(0.0))
            high += over * over
            low += under * under
    return high, low


@kernel("void(float32[:, ::1], float32[:, ::1], int64, int64)")
def _energy_sites(
    F: NDArray[np.float32], state: NDArray[np.float32], start: int, stop: int
) -> None:
    """``E+`` and ``E-`` of sites ``start`` to ``stop``; ``state`` as in ``EnergyMap``."""
    for s in range(start, stop):
        state[2, s], state[3, s] = _energies(F[s], state[0, s], state[1, s])


@inline_kernel()
def _filter_axis(
    a: NDArray[np.float32],
    first: int,
    n_sites: int,
    corner: int,
    step: int,
    taps: NDArray[np.float32],
) -> NDArray[np.float32]:
    """``a (n, box)`` seen by sites ``first`` to ``first + n_sites`` along its last axis; with the
    axes exchanged, ``(n_sites, n)``, ready for the next axis."""
    n, box = a.shape
    out = np.zeros((n_sites, n), np.float32)
    half = len(taps) // 2
    for i in range(n_sites):
        shift = corner + half - step * (first + i)
        for x in range(max(0, -shift), min(box, len(taps) - shift)):
            w = taps[x + shift]
            for k in range(n):
                out[i, k] += w * a[k, x]
    return out


_SIGNATURE = (
    "void(float32[:, ::1], float32[:, ::1], int64[:, ::1], float32[::1], float32[::1], "
    "float32[::1], int64[:, ::1], float32[:, :, :, ::1], float32[:, ::1], int64, int64)"
)


@kernel(_SIGNATURE)
def _take_out_boxes(
    F: NDArray[np.float32],
    state: NDArray[np.float32],
    grid: NDArray[np.int64],
    tap_z: NDArray[np.float32],
    tap_y: NDArray[np.float32],
    tap_x: NDArray[np.float32],
    corner: NDArray[np.int64],
    foot: NDArray[np.float32],
    seen: NDArray[np.float32],
    start: int,
    stop: int,
) -> None:
    """Components start to stop; ``grid``: number of sites and step along each axis ``(2, 3)``."""
    _, bz, by, bx = foot.shape
    box = (bz, by, bx)
    half = (len(tap_z) // 2, len(tap_y) // 2, len(tap_x) // 2)
    first, count = np.empty(3, np.int64), np.empty(3, np.int64)
    for k in range(start, stop):
        for axis in range(3):
            low, step = corner[k, axis], grid[1, axis]
            first[axis] = max(0, (low - half[axis]) // step)
            last = min(grid[0, axis], (low + box[axis] + half[axis]) // step + 1)
            count[axis] = max(0, last - first[axis])
        # Each pass moves its axis to the front: (z y, x), (x z, y), (y x, z), at last (z, y x).
        along = _filter_axis(
            foot[k].copy().reshape(bz * by, bx), first[2], count[2], corner[k, 2], grid[1, 2], tap_x
        ).reshape(count[2] * bz, by)
        along = _filter_axis(along, first[1], count[1], corner[k, 1], grid[1, 1], tap_y).reshape(
            count[1] * count[2], bz
        )
        along = _filter_axis(along, first[0], count[0], corner[k, 0], grid[1, 0], tap_z)
        c = seen[k]
        for z in range(count[0]):
            for y in range(count[1]):
                row = ((first[0] + z) * grid[0, 1] + first[1] + y) * grid[0, 2] + first[2]
                for x in range(count[2]):
                    w, s = along[z, y * count[2] + x], row + x
                    if w == 0.0 or not state[1, s] > 0.0:
                        continue
                    f, before = F[s], state[2, s]
                    for t in range(len(c)):
                        f[t] -= w * c[t]
                    state[2, s], state[3, s] = _energies(f, state[0, s], state[1, s])
                    state[4, s] += max(before - state[2, s], np.float32(0.0))


def trace_energies(
    C: NDArray[np.float32], least_sigma: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``E+`` and ``E-`` of traces ``(n, n_bins)``, their noise ``least_sigma (n,)`` at least."""
    state = np.zeros((5, len(C)), np.float32)
    _measure_sites(C, state[0], state[1], 0, len(C))
    state[1] = np.maximum(state[1], least_sigma)
    _energy_sites(C, state, 0, len(C))
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
    """

    lattice: Lattice
    F: NDArray[np.float32]
    state: NDArray[np.float32]

    @property
    def n_bins(self) -> int:
        return int(self.F.shape[1])

    @property
    def explained(self) -> NDArray[np.float32]:
        """Energy explained so far at each site ``(n_sites,)``."""
        return np.asarray(self.state[4], np.float32)

    def take_out(self, factors: Factors, workers: Workers) -> None:
        """Take components out of the map, no two of which are seen by one site.

        The filter is linear: a site sees the filtered footprint.
        """
        seen = factors.C.copy()
        gather_decay(seen)
        grid = np.array([self.lattice.shape, self.lattice.step])
        workers.ranges(
            lambda a, b: _take_out_boxes(
                self.F, self.state, grid, *self.lattice.taps, factors.corner, factors.foot, seen,
                a, b,
            ),
            len(factors), _BOXES,
        )  # fmt: skip

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
    """What ``E-`` counts against a site: ten times what exceeds that of noise."""
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
    explained: NDArray[np.float32] | None = None,
) -> EnergyMap:
    """Energy map of the whitened residual ``R (Z, Y, X, n_bins)``.

    ``explained (n_sites,)`` is what an earlier pass over the same movie explained.
    """
    n_bins = R.shape[-1]
    F = filter_residual(R, lattice, workers).reshape(-1, n_bins)
    n = len(F)
    state = np.zeros((5, n), np.float32)
    if explained is not None:
        state[4] = explained
    step = max(256, n // 64)
    workers.ranges(lambda a, b: gather_decay(F[a:b]), n, step)
    workers.ranges(lambda a, b: _measure_sites(F, state[0], state[1], a, b), n, step)
    state[1] = steady_sigma(state[1], lattice)
    workers.ranges(lambda a, b: _energy_sites(F, state, a, b), n, step)
    return EnergyMap(lattice, F, state)


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
