"""A two-state Kalman filter and smoother: paths, and modes of the field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.compiling import EXACT, kernel

# A filter and its smoother share their arrays.
# ruff: noqa: PLR0917

F64 = NDArray[np.float64]


@kernel(
    "float64(float64[::1], float64[::1], float64[:,::1], float64[:,::1], float64[:,::1], int64,"
    " boolean, float64[::1], float64[::1])",
    fastmath=EXACT,
)
def smooth_series(
    z: F64,
    r: F64,
    F: F64,
    Q: F64,
    P: F64,
    n_diffuse: int,
    smooth: bool,
    out: F64,
    out_var: F64,
) -> float:
    """Log-likelihood of ``z (T,)`` and, with ``smooth``, the smoothed first state.

    Measurements of the first state with variance ``r (T,)``, infinite where there is none;
    transition ``F``, process noise ``Q`` and first covariance ``P``, each (2, 2). The first
    ``n_diffuse`` measurements set the state and do not count.
    """
    T = z.size
    x0, x1 = 0.0, 0.0
    p00, p01, p11 = P[0, 0], P[0, 1], P[1, 1]
    f00, f01, f10, f11 = F[0, 0], F[0, 1], F[1, 0], F[1, 1]
    states = np.empty((T, 5))
    predicted = np.empty((T, 5))
    loglik = 0.0
    seen = 0
    for t in range(T):
        if t > 0:
            x0, x1 = f00 * x0 + f01 * x1, f10 * x0 + f11 * x1
            a00, a01 = f00 * p00 + f01 * p01, f00 * p01 + f01 * p11
            a10, a11 = f10 * p00 + f11 * p01, f10 * p01 + f11 * p11
            p00 = a00 * f00 + a01 * f01 + Q[0, 0]
            p01 = a00 * f10 + a01 * f11 + Q[0, 1]
            p11 = a10 * f10 + a11 * f11 + Q[1, 1]
        predicted[t, 0], predicted[t, 1] = x0, x1
        predicted[t, 2], predicted[t, 3], predicted[t, 4] = p00, p01, p11
        if np.isfinite(r[t]):
            s = p00 + r[t]
            v = z[t] - x0
            if seen >= n_diffuse:
                loglik -= 0.5 * (np.log(s) + v * v / s)
            seen += 1
            k0, k1 = p00 / s, p01 / s
            x0 += k0 * v
            x1 += k1 * v
            p11 -= k1 * p01
            p01 -= k0 * p01
            p00 -= k0 * p00
        states[t, 0], states[t, 1] = x0, x1
        states[t, 2], states[t, 3], states[t, 4] = p00, p01, p11
    if not smooth:
        return loglik
    s0, s1 = x0, x1
    v00, v01, v11 = p00, p01, p11
    out[T - 1], out_var[T - 1] = s0, max(v00, 0.0)
    for t in range(T - 2, -1, -1):
        c00, c01, c11 = states[t, 2], states[t, 3], states[t, 4]
        m00, m01 = c00 * f00 + c01 * f01, c00 * f10 + c01 * f11
        m10, m11 = c01 * f00 + c11 * f01, c01 * f10 + c11 * f11
        a00, a01, a11 = predicted[t + 1, 2], predicted[t + 1, 3], predicted[t + 1, 4]
        det = a00 * a11 - a01 * a01
        if a11 > 0 and det > 0:
            g00, g01 = (m00 * a11 - m01 * a01) / det, (m01 * a00 - m00 * a01) / det
            g10, g11 = (m10 * a11 - m11 * a01) / det, (m11 * a00 - m10 * a01) / det
        else:
            g00, g01, g10, g11 = m00 / a00, 0.0, m10 / a00, 0.0
        e0, e1 = s0 - predicted[t + 1, 0], s1 - predicted[t + 1, 1]
        s0 = states[t, 0] + g00 * e0 + g01 * e1
        s1 = states[t, 1] + g10 * e0 + g11 * e1
        b00, b01, b11 = v00 - a00, v01 - a01, v11 - a11
        n00 = c00 + g00 * (g00 * b00 + g01 * b01) + g01 * (g00 * b01 + g01 * b11)
        n01 = c01 + g00 * (g10 * b00 + g11 * b01) + g01 * (g10 * b01 + g11 * b11)
        n11 = c11 + g10 * (g10 * b00 + g11 * b01) + g11 * (g10 * b01 + g11 * b11)
        v00, v01, v11 = n00, n01, n11
        out[t], out_var[t] = s0, max(v00, 0.0)
    return loglik
