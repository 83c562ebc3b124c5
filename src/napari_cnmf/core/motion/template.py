"""The template and the weight of each frequency, from frames aligned at their current shifts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.motion.shift_kernels import accumulate_aligned, measure_shifts
from napari_cnmf.core.motion.spectrum import Band

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Workers:
    """A thread pool and its size."""

    pool: Executor
    n_threads: int


@dataclass(frozen=True, eq=False)
class Template:
    """Image that all frames share, and how much each of its frequencies says about a shift.

    Attributes
    ----------
    spectrum
        ``(2, nz, ny, nx)`` real and imaginary part of the mean aligned spectrum.
    weight
        ``(nz, ny, nx)`` 1 / (power that the moving template does not explain), 0 outside the
        independent half plane.
    information
        ``sum(weight |spectrum|^2)``: the matched filter's signal-to-noise ratio, squared.
    fisher
        ``(3, 3)`` information about a shift of one frame, px^-2; the taper's effect included.
    own_share
        What a frame of pure noise that is part of the average adds to its own ``J``.
    """

    spectrum: F64
    weight: F32
    information: float
    fisher: F64
    own_share: float

    @property
    def matched(self) -> F32:
        """``weight * conj(spectrum)``, real and imaginary part."""
        return np.stack([self.weight * self.spectrum[0], -self.weight * self.spectrum[1]]).astype(
            np.float32
        )


@dataclass(frozen=True, eq=False)
class Measurement:
    """Shifts of some frames against a template.

    Attributes
    ----------
    shifts
        ``(n, 3)`` displacement of the content along z, y, x in px.
    gain
        ``(n,)`` amplitude of the template in the frame; about 1.
    noise
        ``(n,)`` whitened residual power per frequency; about 1.
    gain_at_zero
        ``(n,)`` the amplitude when nothing is moved.
    power
        ``(n,)`` whitened power of the frame.
    on_edge
        ``(n,)`` the best integer lag lies on the edge of the search.
    """

    shifts: F64
    gain: F64
    noise: F64
    gain_at_zero: F64
    power: F64
    on_edge: NDArray[np.bool_]


def split_rows(rows: NDArray[np.int64], n_parts: int) -> list[NDArray[np.int64]]:
    """Contiguous parts of ``rows``, none empty."""
    return [part for part in np.array_split(rows, max(1, n_parts)) if part.size]


def average_aligned(
    band: Band,
    spectra: F32,
    rows: NDArray[np.int64],
    shifts: F64,
    frame_weight: F64,
    *,
    workers: Workers,
) -> Template:
    """Weighted mean of aligned spectra, and the frequencies' weights from what it leaves."""
    n = float(frame_weight.sum())
    if n <= 0:
        return _empty_template(band)
    spectrum, power = sum_aligned(band, spectra, rows, shifts, frame_weight, workers=workers)
    return weigh(band, spectrum / n, power / n, n)


def sum_aligned(
    band: Band,
    spectra: F32,
    rows: NDArray[np.int64],
    shifts: F64,
    frame_weight: F64,
    *,
    workers: Workers,
) -> tuple[F64, F64]:
    """Weighted sums ``(2, nz, ny, nx)`` of aligned spectra, and ``(nz, ny, nx)`` of their power.

    Parts are summed in a fixed order, so that the result does not depend on threads' timing.
    """
    # a fixed number of parts: the rounding must not depend on the machine's cores
    parts = split_rows(np.arange(rows.size), 4)

    def add(part: NDArray[np.int64]) -> tuple[F64, F64]:
        total = np.zeros((2, *band.shape))
        power = np.zeros(band.shape)
        accumulate_aligned(
            spectra, rows[part], shifts[part], frame_weight[part], *band.k, total, power
        )
        return total, power

    sums = list(workers.pool.map(add, parts))
    return np.sum([s[0] for s in sums], axis=0), np.sum([s[1] for s in sums], axis=0)


def weigh(band: Band, spectrum: F64, power: F64, n: float) -> Template:
    """Find maximum-likelihood weights: 1 / power not explained, per frequency."""
    coherent = spectrum[0] ** 2 + spectrum[1] ** 2
    residual = (power - coherent) * (n / max(n - 1, 1))
    floor = 1e-6 * float(residual.mean())
    if not floor > 0:
        return _empty_template(band)
    weight = band.multiplicity / np.maximum(residual, floor)
    # the noise left in the average is no signal: shrink each frequency by what is expected of it
    shrink = np.maximum(0.0, 1 - np.maximum(residual, floor) / (n * np.maximum(coherent, floor)))
    spectrum = spectrum * shrink
    coherent = coherent * shrink**2
    energy = weight * coherent
    kz, ky, kx = (k.astype(np.float64) for k in band.k)
    plane = energy.sum(0)
    fisher = np.zeros((3, 3))
    fisher[0, 0] = np.einsum("zyx,z->", energy, kz**2)
    fisher[1, 1] = np.einsum("yx,y->", plane, ky**2)
    fisher[2, 2] = np.einsum("yx,x->", plane, kx**2)
    fisher[1, 2] = fisher[2, 1] = np.einsum("yx,y,x->", plane, ky, kx)
    fisher[0, 1] = fisher[1, 0] = np.einsum("zyx,z,y->", energy, kz, ky)
    fisher[0, 2] = fisher[2, 0] = np.einsum("zyx,z,x->", energy, kz, kx)
    fisher *= 2 / band.noise_inflation
    own_share = float((band.multiplicity * shrink).sum()) / n
    return Template(spectrum, weight.astype(np.float32), float(energy.sum()), fisher, own_share)


def _empty_template(band: Band) -> Template:
    return Template(
        np.zeros((2, *band.shape)), np.zeros(band.shape, np.float32), 0.0, np.zeros((3, 3)), 0.0
    )


def measure(
    band: Band,
    template: Template,
    spectra: F32,
    rows: NDArray[np.int64],
    reach: Sequence[int],
    *,
    workers: Workers | None = None,
    initial: F64 | None = None,
) -> Measurement:
    """Measure shifts of the frames ``spectra[rows]``, refined from ``initial`` where given."""
    n = rows.size
    rows = np.ascontiguousarray(rows)
    shifts = np.zeros((n, 3))
    scores = np.zeros((n, 4))
    start = np.zeros((n, 3)) if initial is None else np.ascontiguousarray(initial)
    matched = template.matched
    lags = np.asarray(reach, np.int64)

    def run(part: NDArray[np.int64]) -> None:
        sl = slice(int(part[0]), int(part[-1]) + 1)
        measure_shifts(
            spectra, rows[sl], matched, template.weight, *band.k, lags, start[sl],
            initial is None, shifts[sl], scores[sl],
        )  # fmt: skip

    if workers is None:
        run(np.arange(n))
    else:
        list(workers.pool.map(run, split_rows(np.arange(n), 4 * workers.n_threads)))
    information = max(template.information, 1e-30)
    gain = scores[:, 0] / information
    residual = np.maximum(scores[:, 2] - gain**2 * information, 0.0)
    return Measurement(
        shifts=shifts,
        gain=gain,
        noise=residual / float(band.multiplicity.sum()),
        gain_at_zero=scores[:, 1] / information,
        power=scores[:, 2],
        on_edge=scores[:, 3] > 0,
    )
