"""Compiled inner loops: nogil, single signatures, cached; called from a thread pool.

Import this module late: it compiles on first use of an installation.
"""

from __future__ import annotations

# One loop nest is one function: calls between kernels would break their fusion.
# ruff: noqa: PLR0917
import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@njit(
    "void(float32[:,:,::1], float32[:,:,::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "reassoc"},
)
def halve(planes: F32, out: F32) -> None:
    """Low-pass by [1 3 3 1] / 8 along y and x, keep every second; ``out (n, Y // 2, X // 2)``."""
    n, Y, X = planes.shape
    row = np.empty(X + 2, np.float32)
    outer, inner = np.float32(0.125), np.float32(0.375)
    for i in range(n):
        for y in range(Y // 2):
            a = planes[i, max(2 * y - 1, 0)]
            b = planes[i, 2 * y]
            c = planes[i, 2 * y + 1]
            d = planes[i, min(2 * y + 2, Y - 1)]
            middle = row[1 : X + 1]
            for x in range(X):
                middle[x] = outer * (a[x] + d[x]) + inner * (b[x] + c[x])
            row[0] = row[1]
            row[X + 1] = row[X]
            target = out[i, y]
            for x in range(X // 2):
                target[x] = outer * (row[2 * x] + row[2 * x + 3]) + inner * (
                    row[2 * x + 1] + row[2 * x + 2]
                )


@njit(
    "void(float32[:,:,::1], int64, int64, float32[::1], float32[::1], int64[:,::1],"
    " float32[:,:,::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "reassoc"},
)
def highpass_taper(
    planes: F32,
    half_y: int,
    half_x: int,
    taper_y: F32,
    taper_x: F32,
    offsets: NDArray[np.int64],
    out: F32,
) -> None:
    """Subtract the mean of a box of ``2 half + 1`` pixels, then taper; planes ``(n, Y, X)``.

    The taper of each plane is moved by ``offsets (n, 2)`` px: it goes with the content.

    Pixels that are not finite are set to the plane's mean, in ``planes`` too. The arrays must
    not overlap.
    """
    n, Y, X = planes.shape
    columns = np.empty(X, np.float64)
    # sums up to each column, its first and last value repeated where the box leaves the field
    prefix = np.zeros(X + 2 * half_x + 1, np.float64)
    inverse_width = np.empty(X, np.float64)
    moved_x = np.empty(X, np.float32)
    for x in range(X):
        inverse_width[x] = 1.0 / (min(x + half_x, X - 1) - max(x - half_x, 0) + 1)
    for i in range(n):
        fill = np.float32(0.0)
        total = 0.0
        for y in range(Y):
            part = np.float32(0.0)
            for x in range(X):
                part += planes[i, y, x]
            total += float(part)
        clean = np.isfinite(total)
        if clean:
            fill = np.float32(total / (Y * X))
        else:
            count = 0
            total = 0.0
            for y in range(Y):
                for x in range(X):
                    if np.isfinite(planes[i, y, x]):
                        total += planes[i, y, x]
                        count += 1
            if count > 0:
                fill = np.float32(total / count)
            for y in range(Y):
                for x in range(X):
                    if not np.isfinite(planes[i, y, x]):
                        planes[i, y, x] = fill
        columns[:] = 0.0
        for x in range(X):
            u = x - offsets[i, 1]
            moved_x[x] = taper_x[u] if 0 <= u < X else np.float32(0.0)
        for y in range(min(half_y, Y)):
            for x in range(X):
                columns[x] += planes[i, y, x]
        for y in range(Y):
            if y + half_y < Y:
                for x in range(X):
                    columns[x] += planes[i, y + half_y, x]
            if y - half_y - 1 >= 0:
                for x in range(X):
                    columns[x] -= planes[i, y - half_y - 1, x]
            height = min(y + half_y, Y - 1) - max(y - half_y, 0) + 1
            u = y - offsets[i, 0]
            edge = taper_y[u] if 0 <= u < Y else np.float32(0.0)
            running = 0.0
            for x in range(X):
                running += columns[x]
                prefix[x + half_x + 1] = running
            for x in range(half_x):
                prefix[X + half_x + 1 + x] = running
            for x in range(X):
                mean = (prefix[x + 2 * half_x + 1] - prefix[x]) * (inverse_width[x] / height)
                out[i, y, x] = (planes[i, y, x] - np.float32(mean)) * (edge * moved_x[x])


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
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
    """The whole lag ``d (3,)`` up to ``reach`` with the highest J, folded axis by axis."""
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


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
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
    """J at ``d``, its gradient ``g (3,)`` and minus its Hessian ``H (3, 3)``, upper triangle."""
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


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _newton_step(g: F64, H: F64, step: F64) -> float:
    """Step to the maximum, at most a pixel long, and the length of its largest part."""
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


@njit(
    "void(float32[:,:,:,:,::1], int64[::1], float32[:,:,:,::1], float32[:,:,::1],"
    " float32[::1], float32[::1], float32[::1], int64[::1], float64[:,::1], boolean,"
    " float64[:,::1], float64[:,::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "reassoc"},
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
        power = np.float64(0.0)
        at_zero = np.float64(0.0)
        for z in range(nz):
            for y in range(ny):
                part = np.float32(0.0)
                part_zero = np.float32(0.0)
                for x in range(nx):
                    a = spectra[f, 0, z, y, x]
                    b = spectra[f, 1, z, y, x]
                    u = template[0, z, y, x]
                    v = template[1, z, y, x]
                    re = u * a - v * b
                    p_re[z, y, x] = re
                    p_im[z, y, x] = u * b + v * a
                    part += weight[z, y, x] * (a * a + b * b)
                    part_zero += re
                power += part
                at_zero += part_zero
        scores[i, 1] = at_zero
        scores[i, 2] = power
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


@njit(
    "void(float32[:,:,:,:,::1], int64[::1], float64[:,::1], float64[::1],"
    " float32[::1], float32[::1], float32[::1], float64[:,:,:,::1], float64[:,:,::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "reassoc"},
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
