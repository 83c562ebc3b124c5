"""One way to compile: single signatures, no GIL, cached on disk.

Explicit signatures make a kernel compile once (a read-only or memory-mapped
array would otherwise compile another copy), ``nogil`` lets a thread pool run
them side by side. NaN keeps its meaning: ``nnan`` is not among the flags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_FAST = {"reassoc", "contract", "nsz", "arcp"}


def kernel(*signatures: str) -> Callable[[F], F]:
    """Compile a function for exactly these signatures."""
    decorate: Callable[[F], F] = numba.njit(
        list(signatures), cache=True, nogil=True, fastmath=_FAST, error_model="numpy"
    )
    return decorate


def inline_kernel() -> Callable[[F], F]:
    """A helper that is compiled into the kernels calling it, and alone nowhere."""
    decorate: Callable[[F], F] = numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")
    return decorate
