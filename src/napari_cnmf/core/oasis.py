"""Non-negative deconvolution of one trace: OASIS for AR(1) and AR(2) in one kernel.

Minimises ``1/2 |y - c|^2 + lam |s|_1`` with ``s_t = c_t - g1 c_{t-1} - g2 c_{t-2} >= 0`` by
pooling adjacent violators (Friedrich, Zhou, Paninski 2017, algorithms 1 and 3). Inside a pool
without spikes the calcium is known from its first value v and the value p before it,

    c_k = own_k v + past_k p,      own_0 = 1, own_1 = g1, own_k = g1 own_{k-1} + g2 own_{k-2},
                                   past_k = g2 own_{k-1},

so that least squares gives ``v = sum_k own_k (y_k - mu_k - past_k p) / sum_k own_k^2`` with
mu the gradient of the penalty. p changes only when a pool is itself merged, so that the
numerator grows by what is appended, as far as the response reaches: a trace costs its length,
whatever its pauses. AR(1) is the case g2 = 0, and exact; AR(2) pools greedily from the left,
within a few percent of the optimum.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core._jit import kernel

_NOTHING = 1e-12
"""Response below which it is taken as over."""


@kernel("void(float64[::1], float64, float64, float64, float64, float64[::1], float64[::1])")
def oasis(
    y: NDArray[np.float64],
    g1: float,
    g2: float,
    lam: float,
    s_min: float,
    c: NDArray[np.float64],
    s: NDArray[np.float64],
) -> None:
    """Fill ``c`` and ``s`` (all ``(n_frames,)``); a spike must exceed ``s_min``."""
    n = len(y)
    own = np.empty(n + 1)
    square = np.empty(n + 1)
    own[0], own[1] = 1.0, g1
    square[0], square[1] = 0.0, 1.0
    reach = n + 1
    for k in range(2, n + 1):
        v = g1 * own[k - 1] + g2 * own[k - 2]
        if abs(v) < _NOTHING and reach > n:
            reach = k + 1
        own[k] = v if k < reach else 0.0
        square[k] = square[k - 1] + own[k - 1] * own[k - 1]
    # Per pool: its first value, its last one, the numerator above, its first frame, its length.
    value, last, dot = np.empty(n), np.empty(n), np.empty(n)
    first, length = np.empty(n, np.int64), np.empty(n, np.int64)
    top = -1
    for t in range(n):
        # |s|_1 counts each c_t less the spikes that it makes unnecessary one and two frames later.
        mu = lam * (1.0 - (g1 if t < n - 1 else 0.0) - (g2 if t < n - 2 else 0.0))
        s[t] = y[t] - mu
        top += 1
        first[top], length[top], dot[top] = t, 1, s[t]
        value[top] = s[t] if top > 0 else max(s[t], 0.0)
        last[top] = value[top]
        while top > 0:
            b = top - 1
            m = length[b]
            prior = last[b - 1] if b > 0 else 0.0
            two_back = prior
            if m > 1:
                two_back = own[m - 2] * value[b]
                two_back += g2 * own[m - 3] * prior if m > 2 else 0.0
            if value[top] >= g1 * last[b] + g2 * two_back + s_min:
                break
            for k in range(m, min(m + length[top], reach)):
                dot[b] += own[k] * (s[first[b] + k] - g2 * own[k - 1] * prior)
            length[b] = m + length[top]
            top = b
            m = length[b]
            value[b] = dot[b] / square[m]
            if b == 0:
                value[b] = max(value[b], 0.0)
            last[b] = own[m - 1] * value[b] + g2 * own[m - 2] * prior
    for i in range(top + 1):
        prior = last[i - 1] if i > 0 else 0.0
        c[first[i]] = max(value[i], 0.0)
        for k in range(1, length[i]):
            c[first[i] + k] = max(own[k] * value[i] + g2 * own[k - 1] * prior, 0.0)
    s[:] = 0.0
    s[0] = c[0]
    for i in range(1, top + 1):
        t = first[i]
        s[t] = max(c[t] - g1 * c[t - 1] - (g2 * c[t - 2] if t > 1 else 0.0), 0.0)
