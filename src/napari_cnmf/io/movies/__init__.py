"""Movies in every format of the field, opened without reading their frames."""

from __future__ import annotations

from napari_cnmf.io.movies._axes import ChannelUnknownError
from napari_cnmf.io.movies._fingerprint import array_fingerprint, fingerprint, same_content
from napari_cnmf.io.movies._formats import may_hold_several, movie_suffixes
from napari_cnmf.io.movies._lazy import LazyFrames, array_for_display, frame_source, store_of
from napari_cnmf.io.movies._open import check_movie, natural_key, open_movie
from napari_cnmf.io.movies._remarks import remarks_on
from napari_cnmf.io.movies._window import MovieWindow

__all__ = [
    "ChannelUnknownError",
    "LazyFrames",
    "MovieWindow",
    "array_fingerprint",
    "array_for_display",
    "check_movie",
    "fingerprint",
    "frame_source",
    "may_hold_several",
    "movie_suffixes",
    "natural_key",
    "open_movie",
    "remarks_on",
    "same_content",
    "store_of",
]
