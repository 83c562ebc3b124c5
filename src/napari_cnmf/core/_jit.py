"""One way to compile: single signatures, no GIL, cached on disk.

Explicit signatures make a kernel compile once (a read-only or memory-mapped
array would otherwise compile another copy), ``nogil`` lets a thread pool run
them side by side. NaN keeps its meaning: ``nnan`` is not among the flags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

Function = Callable[..., Any]

_FAST = {"reassoc", "contract", "nsz", "arcp"}


def kernel(*signatures: str) -> Callable[[Function], Function]:
    """Compile a function for exactly these signatures."""
    # Nothing calls kernels from C: one wrapper less to compile and to load.
    options: dict[str, Any] = {"no_cfunc_wrapper": True}
    decorate: Any = numba.njit(
        list(signatures), cache=True, nogil=True, fastmath=_FAST, error_model="numpy", **options
    )
    return decorate  # type: ignore[no-any-return]


def inline_kernel() -> Callable[[Function], Function]:
    """A helper that is compiled into the kernels calling it, and alone nowhere."""
    decorate: Any = numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
    return decorate  # type: ignore[no-any-return]
