"""Reports damaged files as such, whatever a library makes of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_cnmf.errors import MovieError, brief

COPY_AGAIN = "Copy it again from where it was recorded"
OFFER = (
    "or open what is there with allow_missing=True (--allow-missing; *Open what is there* in the "
    "form)"
)
"""Ways out that end the messages about files that are damaged or missing."""

# What tifffile, h5py, PyAV and numpy raise when single bytes of a file are wrong; found by trying.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)


def told_rest(path: Path, n_images: int, n_bytes: int) -> list[str]:
    """Sentence on bytes that follow the last whole image of a file."""
    if not n_bytes:
        return []
    return [f"{path.name} is cut short: its {n_images} whole images are opened."]


@contextmanager
def told_as_damage(where: object) -> Iterator[None]:
    """Turn what a library stumbles over into an error that names the file.

    Errors of the file system pass: they say already what is wrong.
    """
    try:
        yield
    except _DAMAGE as error:
        raise MovieError(
            f"{where} must be a whole movie, but it cannot be understood: "
            f"{type(error).__name__}: {brief(error)}. It is damaged: copy it again "
            "from where it was made."
        ) from error


@contextmanager
def told_as_lost(where: object) -> Iterator[None]:
    """Do as `told_as_damage` for frames that are read later: the file may be gone by then, too."""
    try:
        with told_as_damage(where):
            yield
    except OSError as error:
        raise MovieError(
            f"The movie's file must stay readable, got {error.strerror or error} for {where}. "
            "Put it back, or open the movie again from where it is now."
        ) from error
