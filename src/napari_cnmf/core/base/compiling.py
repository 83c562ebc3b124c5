"""One way to compile: single signatures, no GIL, cached on disk.

Explicit signatures make a kernel compile once (a read-only or memory-mapped
array would otherwise compile another copy), ``nogil`` lets a thread pool run
them side by side. NaN keeps its meaning: ``nnan`` is not among the flags.

Kernels call kernels of other files, and numba looks at the file of the calling one alone: after an
update, it would go on with the old code of the called one. The folder of compiled kernels is
therefore named after the code of all files of `napari_cnmf.core`: other code, another folder.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, wraps
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numba
import platformdirs

from napari_cnmf import core

Function = Callable[..., Any]

_FAST = frozenset({"reassoc", "contract", "nsz", "arcp"})
SUMS = frozenset({"reassoc", "contract"})
"""Sums in any order; quotients and signs of zero as they are written."""
EXACT: frozenset[str] = frozenset()


_config: Any = numba.config
_FOLDER = "kernels-"
_KEPT_DAYS = 30
"""A folder that nobody used for so long belongs to a version that is gone."""


@cache
def code_hash() -> str:
    """Hash of the code of all files of `napari_cnmf.core`, in 16 hexadecimal digits."""
    root = Path(core.__path__[0])
    digest = blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def cache_folder() -> Path | None:
    """The folder of kernels that were compiled from this code; ``None`` where none can be written.

    It lies in the user's cache folder, or where ``NUMBA_CACHE_DIR`` says. Folders of other code
    that nobody has used for a month are removed.
    """
    base = _config.CACHE_DIR or platformdirs.user_cache_dir("napari-cnmf", appauthor=False)
    folder = Path(base) / f"{_FOLDER}{code_hash()}"
    try:
        is_new = not folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:
        return None
    if is_new:
        _remove_unused(folder)
    return folder if os.access(folder, os.W_OK) else None


def is_first_use(what: str) -> bool:
    """Whether the kernels of a part of the engine were never compiled from this code here."""
    folder = cache_folder()
    return folder is None or not (folder / f"{what}.compiled").exists()


def note_use(what: str) -> None:
    """Remember that the kernels of the part ``what`` are compiled."""
    folder = cache_folder()
    if folder is not None:
        with suppress(OSError):  # the next run says once more that it compiles
            (folder / f"{what}.compiled").touch()


def _remove_unused(folder: Path) -> None:
    for other in folder.parent.glob(f"{_FOLDER}*"):
        with suppress(OSError):  # another process may be removing it, too
            if time.time() - other.stat().st_mtime > _KEPT_DAYS * 24 * 3600:
                shutil.rmtree(other, ignore_errors=True)


@contextmanager
def _caching() -> Iterator[bool]:
    """Let numba keep what is compiled meanwhile in `cache_folder`; false where it cannot.

    numba reads its setting at the moment a function is decorated. Kernels of other packages keep
    the folder that they have.
    """
    folder = cache_folder()
    before = _config.CACHE_DIR
    if folder is not None:
        _config.CACHE_DIR = str(folder)
    try:
        yield folder is not None
    finally:
        _config.CACHE_DIR = before


def kernel(*signatures: str, fastmath: frozenset[str] = _FAST) -> Callable[[Function], Function]:
    """Compile a function for exactly these signatures."""
    # Nothing calls kernels from C: one wrapper less to compile and to load.
    options: dict[str, Any] = {"no_cfunc_wrapper": True}

    def decorate(function: Function) -> Function:
        with _caching() as is_cached:
            compile_all: Any = numba.njit(
                list(signatures),
                cache=is_cached,
                nogil=True,
                fastmath=set(fastmath),
                error_model="numpy",
                **options,
            )
            compiled: Function = compile_all(function)
        return compiled

    return decorate


def inline_kernel(*, fastmath: frozenset[str] = _FAST) -> Callable[[Function], Function]:
    """Decorate a helper that is compiled into the kernels calling it, and called by them alone."""
    options: dict[str, Any] = {"no_cfunc_wrapper": True, "no_cpython_wrapper": True}
    decorate: Any = numba.njit(nogil=True, fastmath=set(fastmath), error_model="numpy", **options)
    return decorate  # type: ignore[no-any-return]


def kernel_for_frames(signature: str) -> Callable[[Function], Function]:
    """Decorate a kernel that is compiled for each type of frames when first called with that type.

    ``signature`` has ``{0}`` where the type of the frames stands: uint16, int16 or float32. A
    movie has one of them, and compiling for the others would be for nothing.
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
