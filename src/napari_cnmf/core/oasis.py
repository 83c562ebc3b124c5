"""Non-negative deconvolution of one trace: OASIS for AR(1) and AR(2).

Minimises ``1/2 |y - bl - c|^2 + lam |s|_1`` with ``s_t = c_t - sum_i g_i c_{t-i} >= 0`` by
pooling adjacent violators (Friedrich, Zhou, Paninski 2017, algorithms 1 and 3). AR(1) is
exact; AR(2) pools greedily from the left, within a few percent of the optimum.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel


@kernel("void(float64[::1], float64, float64, float64, float64[::1], float64[::1])")
def oasis_ar1(
    y: NDArray[np.float64],
    g: float,
    lam: float,
    s_min: float,
    c: NDArray[np.float64],
    s: NDArray[np.float64],
) -> None:
    """Fill ``c`` and ``s`` (all ``(n_frames,)``) for ``c_t = g c_{t-1} + s_t``."""
    n = len(y)
    value = np.empty(n)
    weight = np.empty(n)
    first = np.empty(n, np.int64)
    length = np.empty(n, np.int64)
    top = -1
    for t in range(n):
        top += 1
        value[top] = y[t] - lam * (1 - g if t < n - 1 else 1.0)
        weight[top] = 1.0
        first[top] = t
        length[top] = 1
        while top > 0 and value[top] < value[top - 1] * g ** length[top - 1] + s_min:
            decay = g ** length[top - 1]
            total = weight[top - 1] + decay * decay * weight[top]
            value[top - 1] = (
                weight[top - 1] * value[top - 1] + decay * weight[top] * value[top]
            ) / total
            weight[top - 1] = total
            length[top - 1] += length[top]
            top -= 1
    s[:] = 0.0
    for i in range(top + 1):
        v = max(value[i], 0.0)
        for k in range(length[i]):
            c[first[i] + k] = v
            v *= g
    for i in range(1, top + 1):
        t = first[i]
        s[t] = max(c[t] - g * c[t - 1], 0.0)
    s[0] = c[0]


@kernel("void(float64[::1], float64, float64, float64, float64, float64[::1], float64[::1])")
def oasis_ar2(
    y: NDArray[np.float64],
    g1: float,
    g2: float,
    lam: float,
    s_min: float,
    c: NDArray[np.float64],
    s: NDArray[np.float64],
) -> None:
    """Fill ``c`` and ``s`` for ``c_t = g1 c_{t-1} + g2 c_{t-2} + s_t``."""
    n = len(y)
    # Response to a first value of 1, and to a value of 1 before the pool.
    own = np.empty(n + 1)
    past = np.empty(n + 1)
    own[0], past[0] = 1.0, 0.0
    own[1], past[1] = g1, g2
    for k in range(2, n + 1):
        own[k] = g1 * own[k - 1] + g2 * own[k - 2]
        past[k] = g2 * own[k - 1]
    square = np.empty(n + 1)
    square[0] = 0.0
    for k in range(n):
        square[k + 1] = square[k] + own[k] * own[k]
    value = np.empty(n)
    last = np.empty(n)
    first = np.empty(n, np.int64)
    length = np.empty(n, np.int64)
    top = -1
    for t in range(n):
        top += 1
        first[top] = t
        length[top] = 1
        value[top] = (
            max(y[t] - lam * (1 - g1 - g2), 0.0) if top == 0 else y[t] - lam * (1 - g1 - g2)
        )
        last[top] = value[top]
        while top > 0:
            before = top - 1
            m = length[before]
            two_back = 0.0
            if m > 1:
                prior = last[before - 1] if before > 0 else 0.0
                two_back = own[m - 2] * value[before] + past[m - 2] * prior
            elif before > 0:
                two_back = last[before - 1]
            if value[top] >= g1 * last[before] + g2 * two_back + s_min:
                break
            length[before] += length[top]
            top = before
            m = length[top]
            prior = last[top - 1] if top > 0 else 0.0
            dot = 0.0
            for k in range(m):
                dot += own[k] * (y[first[top] + k] - lam * (1 - g1 - g2) - past[k] * prior)
            value[top] = dot / square[m]
            if top == 0:
                value[top] = max(value[top], 0.0)
            last[top] = own[m - 1] * value[top] + past[m - 1] * prior
    for i in range(top + 1):
        prior = last[i - 1] if i > 0 else 0.0
        for k in range(length[i]):
            c[first[i] + k] = max(own[k] * value[i] + past[k] * prior, 0.0)
    s[:] = 0.0
    s[0] = c[0]
    for i in range(1, top + 1):
        t = first[i]
        older = c[t - 2] if t > 1 else 0.0
        s[t] = max(c[t] - g1 * c[t - 1] - g2 * older, 0.0)
