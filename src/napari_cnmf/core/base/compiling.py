"""One way to compile: single signatures, no GIL, cached on disk.

Explicit signatures make a kernel compile once (a read-only or memory-mapped
array would otherwise compile another copy), ``nogil`` lets a thread pool run
them side by side. NaN keeps its meaning: ``nnan`` is not among the flags.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import numba

Function = Callable[..., Any]

_FAST = frozenset({"reassoc", "contract", "nsz", "arcp"})
SUMS = frozenset({"reassoc", "contract"})
"""Sums in any order; quotients and signs of zero as they are written."""
EXACT: frozenset[str] = frozenset()


def kernel(*signatures: str, fastmath: frozenset[str] = _FAST) -> Callable[[Function], Function]:
    """Compile a function for exactly these signatures."""
    # Nothing calls kernels from C: one wrapper less to compile and to load.
    options: dict[str, Any] = {"no_cfunc_wrapper": True}
    decorate: Any = numba.njit(
        list(signatures),
        cache=True,
        nogil=True,
        fastmath=set(fastmath),
        error_model="numpy",
        **options,
    )
    return decorate  # type: ignore[no-any-return]


def inline_kernel(*, fastmath: frozenset[str] = _FAST) -> Callable[[Function], Function]:
    """A helper that is compiled into the kernels calling it, and can be called by them alone."""
    options: dict[str, Any] = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
    decorate: Any = numba.njit(nogil=True, fastmath=set(fastmath), error_model="numpy", **options)
    return decorate  # type: ignore[no-any-return]


def kernel_for_frames(signature: str) -> Callable[[Function], Function]:
    """Like ``kernel`` for each type of frames, compiled when first called with that type.

    ``signature`` has ``{0}`` where the type of the frames stands: uint16 or float32. A movie
    has one of them, and compiling for the other would be for nothing.
    """

    def decorate(function: Function) -> Function:
        compiled: dict[str, Function] = {}
        lock = threading.Lock()

        @wraps(function)
        def call(frames: Any, *arguments: Any) -> Any:
            name = frames.dtype.name
            if name not in compiled:
                with lock:
                    if name not in compiled:
                        compiled[name] = kernel(signature.format(name))(function)
            return compiled[name](frames, *arguments)

        return call

    return decorate
