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
within a few percent of the optimum, which :func:`polish` comes closer to.
"""

# ruff: noqa: PLR0917 (kernels take arrays by position, steps their inputs)

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import kernel

_NOTHING = 1e-12
"""Response below which it is taken as over."""
_FAINT = 1e-3
"""The same as a share of its peak, where costs are compared."""


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
    own, one_over = np.empty(n + 1), np.empty(n + 1)
    for k in range(n + 1):
        own[k] = 0.0
    own[0], own[1] = 1.0, g1
    reach = 2
    while reach <= n and abs(own[reach - 1]) >= _NOTHING:
        own[reach] = g1 * own[reach - 1] + g2 * own[reach - 2]
        reach += 1
    square = 0.0
    for k in range(1, n + 1):
        square += own[k - 1] * own[k - 1]
        one_over[k] = 1.0 / square
    # Per pool: its first value, the last one before it, the numerator above, its first frame, its
    # length.
    value, before, dot = np.empty(n), np.empty(n + 1), np.empty(n)
    first, length = np.empty(n, np.int64), np.empty(n, np.int64)
    before[0] = 0.0
    # |s|_1 counts each c_t less the spikes that it makes unnecessary one and two frames later.
    for t in range(n):
        s[t] = y[t] - lam * (1.0 - g1 - g2)
    s[n - 1] = y[n - 1] - lam
    if n > 1:
        s[n - 2] = y[n - 2] - lam * (1.0 - g1)
    top = -1
    for t in range(n):
        top += 1
        # The last pool's figures, until it is known that no other takes it.
        start, size, numerator = t, 1, s[t]
        v = numerator
        if top == 0 and v < 0.0:
            v = 0.0
        end = v
        while top > 0:
            b = top - 1
            m, prior = length[b], before[b]
            two_back = prior
            if m > 1:
                two_back = own[m - 2] * value[b]
            if m > 2:
                two_back += g2 * own[m - 3] * prior
            if v >= g1 * before[top] + g2 * two_back + s_min:
                break
            start, numerator = first[b], dot[b]
            if size == 1 and m < reach:
                # Most of what is appended is one frame: a loop would cost more to begin.
                numerator += own[m] * (s[start + m] - g2 * own[m - 1] * prior)
            else:
                for k in range(m, min(m + size, reach)):
                    numerator += own[k] * (s[start + k] - g2 * own[k - 1] * prior)
            size += m
            top = b
            v = numerator * one_over[size]
            if b == 0 and v < 0.0:
                v = 0.0
            end = own[size - 1] * v + g2 * own[size - 2] * prior
        first[top], length[top] = start, size
        dot[top], value[top], before[top + 1] = numerator, v, end
    for i in range(top + 1):
        start, v, prior = first[i], value[i], before[i]
        c[start] = max(v, 0.0)
        for k in range(1, length[i]):
            c[start + k] = max(own[k] * v + g2 * own[k - 1] * prior, 0.0)
    s[:] = 0.0
    s[0] = c[0]
    for i in range(1, top + 1):
        t = first[i]
        v = c[t] - g1 * c[t - 1]
        if t > 1:
            v -= g2 * c[t - 2]
        s[t] = max(v, 0.0)


@kernel("float64(float64[::1], float64, float64, float64, float64[::1], int64)")
def polish(
    y: NDArray[np.float64],
    g1: float,
    g2: float,
    lam: float,
    s: NDArray[np.float64],
    sweeps: int,
) -> float:
    """Lower the cost of spikes ``s (n_frames,)`` by coordinate descent, in place; the cost then."""
    n = len(y)
    h, square, rest = np.empty(n), np.empty(n), np.empty(n)
    reach, peak, total, one, two = 0, 0.0, 0.0, 1.0, 0.0
    while reach < n and one >= _FAINT * peak:
        h[reach] = one
        peak = max(peak, one)
        total += one * one
        square[reach] = total
        one, two = g1 * one + g2 * two, one
        reach += 1
    one, two = 0.0, 0.0
    for t in range(n):
        one, two = s[t] + g1 * one + g2 * two, one
        rest[t] = y[t] - one
    for _ in range(sweeps):
        for t in range(n):
            stop = min(reach, n - t)
            dot = -lam
            for k in range(stop):
                dot += h[k] * rest[t + k]
            step = max(s[t] + dot / square[stop - 1], 0.0) - s[t]
            if step != 0.0:
                s[t] += step
                for k in range(stop):
                    rest[t + k] -= step * h[k]
    cost = 0.0
    for t in range(n):
        cost += 0.5 * rest[t] * rest[t] + lam * s[t]
    return cost
