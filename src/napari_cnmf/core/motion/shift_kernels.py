"""Compiled search for the shift of a frame against a template, and sums of aligned spectra."""

from __future__ import annotations

# One loop nest is one function: calls between kernels would break their fusion.
# ruff: noqa: PLR0917
import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import SUMS, inline_kernel, kernel

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@inline_kernel(fastmath=SUMS)
def _compare(
    spectrum: F32, template: F32, weight: F32, p_re: F32, p_im: F32
) -> tuple[float, float]:
    """Products with the template into ``p_re, p_im``; J at zero, and the whitened power."""
    nz, ny, nx = weight.shape
    power = 0.0
    at_zero = 0.0
    for z in range(nz):
        for y in range(ny):
            part = np.float32(0.0)
            part_zero = np.float32(0.0)
            for x in range(nx):
                a = spectrum[0, z, y, x]
                b = spectrum[1, z, y, x]
                u = template[0, z, y, x]
                v = template[1, z, y, x]
                re = u * a - v * b
                p_re[z, y, x] = re
                p_im[z, y, x] = u * b + v * a
                part += weight[z, y, x] * (a * a + b * b)
                part_zero += re
            power += float(part)
            at_zero += float(part_zero)
    return at_zero, power


@inline_kernel(fastmath=SUMS)
def _search_lags(
    p_re: F32,
    p_im: F32,
    kz: F32,
    ky: F32,
    reach: NDArray[np.int64],
    lag_x_re: F32,
    lag_x_im: F32,
    d: F64,
) -> None:
    """Find the whole lag ``d (3,)`` up to ``reach`` with the highest J, folded axis by axis."""
    nz, ny, nx = p_re.shape
    fold_re = np.empty((nz, nx), np.float32)
    fold_im = np.empty((nz, nx), np.float32)
    line_re = np.empty(nx, np.float32)
    line_im = np.empty(nx, np.float32)
    best = np.float32(-np.inf)
    for ly in range(-reach[1], reach[1] + 1):
        for z in range(nz):
            for x in range(nx):
                fold_re[z, x] = 0.0
                fold_im[z, x] = 0.0
            for y in range(ny):
                c = np.float32(np.cos(ky[y] * ly))
                s = np.float32(np.sin(ky[y] * ly))
                for x in range(nx):
                    fold_re[z, x] += p_re[z, y, x] * c - p_im[z, y, x] * s
                    fold_im[z, x] += p_re[z, y, x] * s + p_im[z, y, x] * c
        for lz in range(-reach[0], reach[0] + 1):
            for x in range(nx):
                line_re[x] = 0.0
                line_im[x] = 0.0
            for z in range(nz):
                c = np.float32(np.cos(kz[z] * lz))
                s = np.float32(np.sin(kz[z] * lz))
                for x in range(nx):
                    line_re[x] += fold_re[z, x] * c - fold_im[z, x] * s
                    line_im[x] += fold_re[z, x] * s + fold_im[z, x] * c
            for lx in range(-reach[2], reach[2] + 1):
                value = np.float32(0.0)
                for x in range(nx):
                    value += line_re[x] * lag_x_re[lx + reach[2], x]
                    value -= line_im[x] * lag_x_im[lx + reach[2], x]
                if value > best:
                    best = value
                    d[0] = lz
                    d[1] = ly
                    d[2] = lx


@inline_kernel(fastmath=SUMS)
def _derivatives(
    p_re: F32,
    p_im: F32,
    kz: F32,
    ky: F32,
    kx: F32,
    d: F64,
    g: F64,
    H: F64,
) -> float:
    """Compute J at ``d``, gradient ``g (3,)``, minus the Hessian ``H (3, 3)``, upper triangle."""
    nz, ny, nx = p_re.shape
    ex_re = np.empty(nx, np.float32)
    ex_im = np.empty(nx, np.float32)
    gain = 0.0
    g[:] = 0.0
    H[:] = 0.0
    for x in range(nx):
        ex_re[x] = np.cos(kx[x] * d[2])
        ex_im[x] = np.sin(kx[x] * d[2])
    for z in range(nz):
        for y in range(ny):
            phase = kz[z] * d[0] + ky[y] * d[1]
            c = np.float32(np.cos(phase))
            s = np.float32(np.sin(phase))
            r0 = np.float32(0.0)
            i0 = np.float32(0.0)
            r1 = np.float32(0.0)
            i1 = np.float32(0.0)
            r2 = np.float32(0.0)
            for x in range(nx):
                er = ex_re[x] * c - ex_im[x] * s
                ei = ex_re[x] * s + ex_im[x] * c
                re = p_re[z, y, x] * er - p_im[z, y, x] * ei
                im = p_re[z, y, x] * ei + p_im[z, y, x] * er
                r0 += re
                i0 += im
                r1 += kx[x] * re
                i1 += kx[x] * im
                r2 += kx[x] * kx[x] * re
            gain += float(r0)
            g[0] -= kz[z] * i0
            g[1] -= ky[y] * i0
            g[2] -= i1
            H[0, 0] += kz[z] * kz[z] * r0
            H[1, 1] += ky[y] * ky[y] * r0
            H[0, 1] += kz[z] * ky[y] * r0
            H[0, 2] += kz[z] * r1
            H[1, 2] += ky[y] * r1
            H[2, 2] += r2
    return gain


@inline_kernel(fastmath=SUMS)
def _newton_step(g: F64, H: F64, step: F64) -> float:
    """Find the step to the maximum, at most a pixel long, and the length of its largest part."""
    det = (
        H[0, 0] * (H[1, 1] * H[2, 2] - H[1, 2] * H[1, 2])
        - H[0, 1] * (H[0, 1] * H[2, 2] - H[1, 2] * H[0, 2])
        + H[0, 2] * (H[0, 1] * H[1, 2] - H[1, 1] * H[0, 2])
    )
    minor = H[1, 1] * H[2, 2] - H[1, 2] * H[1, 2]
    if H[2, 2] <= 0.0 or minor <= 0.0 or det <= 0.0:
        # not near a maximum: a gradient step of half a pixel
        size = np.sqrt(g[0] ** 2 + g[1] ** 2 + g[2] ** 2)
        if size == 0.0:
            step[:] = 0.0
            return 0.0
        for axis in range(3):
            step[axis] = 0.5 * g[axis] / size
    else:
        step[0] = (
            g[0] * minor
            - g[1] * (H[0, 1] * H[2, 2] - H[0, 2] * H[1, 2])
            + g[2] * (H[0, 1] * H[1, 2] - H[0, 2] * H[1, 1])
        ) / det
        step[1] = (
            -g[0] * (H[0, 1] * H[2, 2] - H[0, 2] * H[1, 2])
            + g[1] * (H[0, 0] * H[2, 2] - H[0, 2] * H[0, 2])
            - g[2] * (H[0, 0] * H[1, 2] - H[0, 2] * H[0, 1])
        ) / det
        step[2] = (
            g[0] * (H[0, 1] * H[1, 2] - H[0, 2] * H[1, 1])
            - g[1] * (H[0, 0] * H[1, 2] - H[0, 1] * H[0, 2])
            + g[2] * (H[0, 0] * H[1, 1] - H[0, 1] * H[0, 1])
        ) / det
    largest = max(abs(step[0]), abs(step[1]), abs(step[2]))
    if largest > 1.0:
        for axis in range(3):
            step[axis] /= largest
    return float(largest)


@kernel(
    "void(float32[:,:,:,:,::1], int64[::1], float32[:,:,:,::1], float32[:,:,::1],"
    " float32[::1], float32[::1], float32[::1], int64[::1], float64[:,::1], boolean,"
    " float64[:,::1], float64[:,::1])",
    fastmath=SUMS,
)
def measure_shifts(
    spectra: F32,
    rows: NDArray[np.int64],
    template: F32,
    weight: F32,
    kz: F32,
    ky: F32,
    kx: F32,
    reach: NDArray[np.int64],
    initial: F64,
    search: bool,
    shifts: F64,
    scores: F64,
) -> None:
    """Maximise the likelihood of a displacement for some frames.

    ``spectra (n, 2, nz, ny, nx)`` real and imaginary part; ``template (2, nz, ny, nx)`` is
    weight times the conjugate template; k in radians per pixel. The objective is
    ``J(d) = Re sum(template * spectrum * exp(i k d))``. With ``search`` the start is the argmax
    on integer lags up to ``reach``, else ``initial``. ``scores``: J at the end, J at zero, whitened
    power, 1 where the coarse peak lies on the edge of the search.
    """
    nz, ny, nx = kz.size, ky.size, kx.size
    p_re = np.empty((nz, ny, nx), np.float32)
    p_im = np.empty((nz, ny, nx), np.float32)
    # tables of the phases on integer lags: cos and sin would cost more than the sums
    lag_x_re = np.empty((2 * reach[2] + 1, nx), np.float32)
    lag_x_im = np.empty((2 * reach[2] + 1, nx), np.float32)
    for lx in range(-reach[2], reach[2] + 1):
        for x in range(nx):
            lag_x_re[lx + reach[2], x] = np.cos(kx[x] * lx)
            lag_x_im[lx + reach[2], x] = np.sin(kx[x] * lx)
    H = np.empty((3, 3), np.float64)
    g = np.empty(3, np.float64)
    step = np.empty(3, np.float64)
    d = np.empty(3, np.float64)
    for i in range(rows.size):
        f = rows[i]
        scores[i, 1], scores[i, 2] = _compare(spectra[f], template, weight, p_re, p_im)
        scores[i, 3] = 0.0
        if search:
            _search_lags(p_re, p_im, kz, ky, reach, lag_x_re, lag_x_im, d)
            for axis in range(3):
                if reach[axis] > 0 and abs(d[axis]) >= reach[axis]:
                    scores[i, 3] = 1.0
        else:
            for axis in range(3):
                d[axis] = initial[i, axis]
        gain = 0.0
        for _ in range(8):
            gain = _derivatives(p_re, p_im, kz, ky, kx, d, g, H)
            if nz == 1:
                H[0, 0] = 1.0
                g[0] = 0.0
            largest = _newton_step(g, H, step)
            for axis in range(3):
                d[axis] += step[axis]
            if largest < 2e-3:
                # J is flat here: its value does not change with the last step
                break
        for axis in range(3):
            shifts[i, axis] = d[axis]
        scores[i, 0] = gain


@kernel(
    "void(float32[:,:,:,:,::1], int64[::1], float64[:,::1], float64[::1],"
    " float32[::1], float32[::1], float32[::1], float64[:,:,:,::1], float64[:,:,::1])",
    fastmath=SUMS,
)
def accumulate_aligned(
    spectra: F32,
    rows: NDArray[np.int64],
    shifts: F64,
    frame_weight: F64,
    kz: F32,
    ky: F32,
    kx: F32,
    total: F64,
    power: F64,
) -> None:
    """Add ``w * spectrum * exp(i k d)`` to ``total (2, nz, ny, nx)`` and ``w |spectrum|^2``."""
    nz, ny, nx = kz.size, ky.size, kx.size
    ex_re = np.empty(nx, np.float32)
    ex_im = np.empty(nx, np.float32)
    for i in range(rows.size):
        f = rows[i]
        w = np.float32(frame_weight[i])
        if w == 0.0:
            continue
        for x in range(nx):
            ex_re[x] = w * np.cos(kx[x] * shifts[i, 2])
            ex_im[x] = w * np.sin(kx[x] * shifts[i, 2])
        for z in range(nz):
            for y in range(ny):
                phase = kz[z] * shifts[i, 0] + ky[y] * shifts[i, 1]
                c = np.float32(np.cos(phase))
                s = np.float32(np.sin(phase))
                for x in range(nx):
                    er = ex_re[x] * c - ex_im[x] * s
                    ei = ex_re[x] * s + ex_im[x] * c
                    a = spectra[f, 0, z, y, x]
                    b = spectra[f, 1, z, y, x]
                    total[0, z, y, x] += a * er - b * ei
                    total[1, z, y, x] += a * ei + b * er
                    power[z, y, x] += w * (a * a + b * b)
