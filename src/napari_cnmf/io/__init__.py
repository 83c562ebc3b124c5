"""Files in and out: movies, results, exports. Importing this room loads none of the formats."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cnmf.io.images import read_images, write_images
    from napari_cnmf.io.movies import check_movie, fingerprint, frame_source, open_movie
    from napari_cnmf.io.movies.tiff_writer import TiffMovieWriter
    from napari_cnmf.io.scratch import scratch_factory

_WHERE = {
    "TiffMovieWriter": "napari_cnmf.io.movies.tiff_writer",
    "check_movie": "napari_cnmf.io.movies",
    "fingerprint": "napari_cnmf.io.movies",
    "frame_source": "napari_cnmf.io.movies",
    "open_movie": "napari_cnmf.io.movies",
    "read_images": "napari_cnmf.io.images",
    "scratch_factory": "napari_cnmf.io.scratch",
    "write_images": "napari_cnmf.io.images",
}

__all__ = [
    "TiffMovieWriter",
    "check_movie",
    "fingerprint",
    "frame_source",
    "open_movie",
    "read_images",
    "scratch_factory",
    "write_images",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
