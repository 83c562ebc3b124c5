"""Compiled inner loops of the non-rigid field: scores against a template, and warps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import SUMS, inline_kernel, kernel

# One loop nest is one function: calls between kernels would break their fusion.
# ruff: noqa: PLR0917

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

# an integer beside a float32 would turn the arithmetic into float64
ONE, TWO, THREE = np.float32(1), np.float32(2), np.float32(3)
FOUR, FIVE = np.float32(4), np.float32(5)


@inline_kernel(fastmath=SUMS)
def _sample_template(
    template: F32, v: F32, w: F32, first: int, past: int, value: F32, ty: F32, tx: F32
) -> None:
    """Bilinear samples of the template and its derivatives along a row of places."""
    for x in range(first, past):
        r, c = int(v[x]), int(w[x])
        a, b = v[x] - np.float32(r), w[x] - np.float32(c)
        w11 = a * b
        w10, w01 = a - w11, b - w11
        w00 = ONE - a - w01
        upper, lower = template[r], template[r + 1]
        value[x] = (
            w00 * upper[c, 0] + w01 * upper[c + 1, 0] + w10 * lower[c, 0] + w11 * lower[c + 1, 0]
        )
        ty[x] = (
            w00 * upper[c, 1] + w01 * upper[c + 1, 1] + w10 * lower[c, 1] + w11 * lower[c + 1, 1]
        )
        tx[x] = (
            w00 * upper[c, 2] + w01 * upper[c + 1, 2] + w10 * lower[c, 2] + w11 * lower[c + 1, 2]
        )


@inline_kernel(fastmath=SUMS)
def _between(field: F32, row: int, part: F32, line: F32) -> None:
    """The field ``(gy, gx, 2)`` between two rows of nodes, into ``line (2, gx)``."""
    above, below = field[row], field[row + 1]
    for g in range(line.shape[1]):
        for a in range(2):
            line[a, g] = (ONE - part) * above[g, a] + part * below[g, a]


@inline_kernel(fastmath=SUMS)
def _pull_row(
    frame: F32,
    value: F32,
    sharps: F32,
    v: F32,
    w: F32,
    inner: F32,
    span: tuple[int, int],
    clip: F32,
    ty: F32,
    tx: F32,
    residual: F32,
    sums: tuple[F32, F32],
) -> tuple[F32, F32]:
    """Sum a row's information on displacements, over its derivatives ``ty, tx``; and residuals.

    The derivatives become the row's scores of displacements, and ``value`` that of its brightness.

    Beyond ``inner``, first and last row and column of the template to use, nothing is compared:
    its rim is seen by few frames, and through their windows. Returns ``sums`` with the row's
    information that is not clipped, and all of it, added.
    """
    zero = np.float32(0.0)
    inside, total = sums
    for x in range(*span):
        difference = frame[x] - value[x]
        residual[x] = difference
        sharp = sharps[x]
        outside = v[x] < inner[0] or v[x] > inner[1]
        if outside or w[x] < inner[2] or w[x] > inner[3]:
            sharp = zero
            residual[x] = zero
        pull = difference * sharp
        energy = (ty[x] * ty[x] + tx[x] * tx[x]) * sharp * sharp
        total += energy
        inside += energy if abs(pull) <= clip else zero
        push = -min(max(pull, -clip), clip) * sharp
        ty[x] *= push
        tx[x] *= push
        value[x] *= -push
    return inside, total


@kernel(
    "void(float32[:,:,::1], float32[:,:,::1], float32, float32[:,::1], int64[::1],"
    " float32[::1], int64[::1], float32[::1], float32[:,:,:,::1], int64[:,::1], float32,"
    " float32, float32[:,:,:,::1], float32[::1], float32[:,:,::1])",
    fastmath=SUMS,
)
def field_scores(
    frames: F32,
    template: F32,
    spacing_px: float,
    precision: F32,
    node_y: I64,
    part_y: F32,
    node_x: I64,
    part_x: F32,
    field: F32,
    bounds: I64,
    margin: float,
    clip: float,
    scores: F32,
    kept: F32,
    residuals: F32,
) -> None:
    """Gradient of the clipped likelihood for displacements and brightness at the nodes.

    ``frames (n, Y, X)`` aligned and whitened, a sample every ``spacing_px``; ``template
    (Yt, Xt, 3)`` the template and its derivatives along y and x, a sample per px;
    ``precision (Y, X)`` 1 / sd; ``field (n, gy, gx, 2)`` px; ``bounds (n, 4)`` first and past the
    last row and column to use; ``margin`` rim of the template not to use, px;
    ``scores (n, gy, gx, 3)`` of displacements along y and x, and of the template's brightness;
    ``kept`` share of the information that is not clipped; ``residuals`` as
    the frames, in their units, 0 where nothing is compared.
    """
    n, X = frames.shape[0], frames.shape[2]
    gx = field.shape[2]
    line = np.empty((2, gx), np.float32)
    line_scores = np.empty((3, gx), np.float32)
    v, w = np.empty(X, np.float32), np.empty(X, np.float32)
    value, ty, tx = np.empty(X, np.float32), np.empty(X, np.float32), np.empty(X, np.float32)
    zero = np.float32(0.0)
    last_row = np.float32(template.shape[0] - 1.001)
    last_column = np.float32(template.shape[1] - 1.001)
    inner = np.array([margin, last_row - margin, margin, last_column - margin], np.float32)
    ramp = np.empty(X, np.float32)
    for x in range(X):
        ramp[x] = spacing_px * np.float32(x)
    for i in range(n):
        scores[i] = 0.0
        residuals[i] = 0.0
        inside = np.float32(0.0)
        total = np.float32(0.0)
        first, past = bounds[i, 2], bounds[i, 3]
        for y in range(bounds[i, 0], bounds[i, 1]):
            ny, py = node_y[y], part_y[y]
            _between(field[i], ny, py, line)
            line_scores[:] = 0.0
            at = spacing_px * np.float32(y)
            for x in range(first, past):
                nx, px = node_x[x], part_x[x]
                v[x] = at - ((ONE - px) * line[0, nx] + px * line[0, nx + 1])
                w[x] = ramp[x] - ((ONE - px) * line[1, nx] + px * line[1, nx + 1])
            for x in range(first, past):
                v[x] = min(max(v[x], zero), last_row)
                w[x] = min(max(w[x], zero), last_column)
            _sample_template(template, v, w, first, past, value, ty, tx)
            inside, total = _pull_row(
                frames[i, y], value, precision[y], v, w, inner, (first, past), clip, ty, tx,
                residuals[i, y], (inside, total),
            )  # fmt: skip
            for x in range(first, past):
                nx, px = node_x[x], part_x[x]
                line_scores[0, nx] += (ONE - px) * ty[x]
                line_scores[0, nx + 1] += px * ty[x]
                line_scores[1, nx] += (ONE - px) * tx[x]
                line_scores[1, nx + 1] += px * tx[x]
                line_scores[2, nx] += (ONE - px) * value[x]
                line_scores[2, nx + 1] += px * value[x]
            for g in range(gx):
                for a in range(3):
                    scores[i, ny, g, a] += (ONE - py) * line_scores[a, g]
                    scores[i, ny + 1, g, a] += py * line_scores[a, g]
        kept[i] = inside / total if total > 0 else ONE


@inline_kernel(fastmath=SUMS)
def _keys(v: Any) -> Any:
    """Keys' cubic weights of the samples at -1 to 2, for the value at ``v`` in [0, 1]."""
    half = np.float32(0.5)
    return (
        half * v * (v * (TWO - v) - ONE),
        half * (v * v * (THREE * v - FIVE) + TWO),
        half * v * (v * (FOUR - THREE * v) + ONE),
        half * v * v * (v - ONE),
    )


@kernel(
    "void(float32[:,:,::1], int64[::1], float32[::1], int64[::1], float32[::1],"
    " float32[:,:,:,::1], float32[::1], float32, float32, boolean, float32[:,:,::1])",
    fastmath=SUMS,
)
def warp_frames(
    frames: F32,
    node_y: I64,
    part_y: F32,
    node_x: I64,
    part_x: F32,
    field: F32,
    fill: F32,
    low: float,
    high: float,
    invent: bool,
    out: F32,
) -> None:
    """``out(x) = frame(x + field(x))`` by cubic convolution (Keys); ``frames (n, Y, X)``.

    Beyond the field of view the rim is repeated, or with ``invent`` false ``fill[i]`` is written.
    """
    n, Y, X = frames.shape
    gx = field.shape[2]
    line = np.empty((2, gx), np.float32)
    for i in range(n):
        image = frames[i]
        for y in range(Y):
            ny, py = node_y[y], part_y[y]
            _between(field[i], ny, py, line)
            for x in range(X):
                nx, px = node_x[x], part_x[x]
                v = np.float32(y) + (ONE - px) * line[0, nx] + px * line[0, nx + 1]
                w = np.float32(x) + (ONE - px) * line[1, nx] + px * line[1, nx + 1]
                if not invent and (v < 0 or v > Y - 1 or w < 0 or w > X - 1):
                    out[i, y, x] = fill[i]
                    continue
                v = min(max(v, np.float32(0.0)), np.float32(Y - 1))
                w = min(max(w, np.float32(0.0)), np.float32(X - 1))
                r, c = int(v), int(w)
                v -= np.float32(r)
                w -= np.float32(c)
                a0, a1, a2, a3 = _keys(v)
                b0, b1, b2, b3 = _keys(w)
                r0, r2, r3 = max(r - 1, 0), min(r + 1, Y - 1), min(r + 2, Y - 1)
                c0, c2, c3 = max(c - 1, 0), min(c + 1, X - 1), min(c + 2, X - 1)
                s0 = b0 * image[r0, c0] + b1 * image[r0, c]
                s0 += b2 * image[r0, c2] + b3 * image[r0, c3]
                s1 = b0 * image[r, c0] + b1 * image[r, c]
                s1 += b2 * image[r, c2] + b3 * image[r, c3]
                s2 = b0 * image[r2, c0] + b1 * image[r2, c]
                s2 += b2 * image[r2, c2] + b3 * image[r2, c3]
                s3 = b0 * image[r3, c0] + b1 * image[r3, c]
                s3 += b2 * image[r3, c2] + b3 * image[r3, c3]
                value = a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3
                out[i, y, x] = min(max(value, low), high)


@kernel(
    "void(float32[:,:,::1], float32[:,::1], float32, int64[::1], float32[::1], int64[::1],"
    " float32[::1], float32[:,:,:,::1], int64[:,::1], float32, float32[:,::1],"
    " float32[:,::1], float64[:,:,::1])",
    fastmath=SUMS,
)
def pull_back(
    residuals: F32,
    precision: F32,
    spacing_px: float,
    node_y: I64,
    part_y: F32,
    node_x: I64,
    part_x: F32,
    field: F32,
    bounds: I64,
    clip: float,
    update: F32,
    count: F32,
    power: NDArray[np.float64],
) -> None:
    """Clipped residuals where the template sees them, summed into ``update (Y, X)``.

    ``count`` gets the number of frames that see a sample, ``power (2, Y, X)`` the sum of squares
    and the number of residuals in the frames' own places.
    """
    n, Y, X = residuals.shape
    for i in range(n):
        top, bottom, left, right = bounds[i]
        for y in range(Y):
            ny, py = node_y[y], part_y[y]
            for x in range(X):
                if top <= y < bottom and left <= x < right and residuals[i, y, x] != 0.0:
                    power[0, y, x] += residuals[i, y, x] * residuals[i, y, x]
                    power[1, y, x] += 1.0
                nx, px = node_x[x], part_x[x]
                uy = (ONE - py) * (ONE - px) * field[i, ny, nx, 0] + (ONE - py) * px * field[
                    i, ny, nx + 1, 0
                ]
                uy += (
                    py * (ONE - px) * field[i, ny + 1, nx, 0]
                    + py * px * field[i, ny + 1, nx + 1, 0]
                )
                ux = (ONE - py) * (ONE - px) * field[i, ny, nx, 1] + (ONE - py) * px * field[
                    i, ny, nx + 1, 1
                ]
                ux += (
                    py * (ONE - px) * field[i, ny + 1, nx, 1]
                    + py * px * field[i, ny + 1, nx + 1, 1]
                )
                v = np.float32(y) + uy / spacing_px
                w = np.float32(x) + ux / spacing_px
                if v < top or v >= bottom - 1 or w < left or w >= right - 1:
                    continue
                r, c = int(v), int(w)
                v -= np.float32(r)
                w -= np.float32(c)
                value = np.float32(0.0)
                for j in range(2):
                    for k in range(2):
                        share = (v if j else ONE - v) * (w if k else ONE - w)
                        limit = clip / max(precision[r + j, c + k], np.float32(1e-6))
                        value += share * min(max(residuals[i, r + j, c + k], -limit), limit)
                update[y, x] += value
                count[y, x] += np.float32(1.0)
