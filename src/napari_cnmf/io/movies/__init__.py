"""Movies in every format of the field, described and opened without reading their frames.

`open_movie` goes through three steps:

1. **Find** the files (``_files``): a folder, a list, or any file of a set.
2. **Describe** them: a reader for each format gives a `Recording` - lazy frames and statements
   about channels, planes, rates and sizes, each with its source. TIFF, which every microscope
   writes in its own way, has a folder of its own (``tiff``); what lies beside the movie is read by
   ``sidecars``; formats of makers by ``vendors``.
3. **Choose**: what the user says (``_request``) wins over the files; what is ambiguous raises a
   `ChoiceNeededError` that names the choices. ``_describing`` makes the `Description` that the
   movie shows, and ``_stores`` and ``_lazy`` read frames when they are asked for.
"""

from __future__ import annotations

from napari_cnmf.io.movies._decoded import decoded_once
from napari_cnmf.io.movies._fingerprint import array_fingerprint, fingerprint, same_content
from napari_cnmf.io.movies._formats import may_hold_several, movie_suffixes
from napari_cnmf.io.movies._lazy import (
    LazyFrames,
    MovieWindow,
    array_for_display,
    frame_source,
    store_of,
)
from napari_cnmf.io.movies._names import natural_key
from napari_cnmf.io.movies._open import check_movie, describe_recording, open_movie
from napari_cnmf.io.movies._remarks import remarks_on
from napari_cnmf.io.movies._request import OPTIONS, ChannelUnknownError, ChoiceNeededError

__all__ = [
    "OPTIONS",
    "ChannelUnknownError",
    "ChoiceNeededError",
    "LazyFrames",
    "MovieWindow",
    "array_fingerprint",
    "array_for_display",
    "check_movie",
    "decoded_once",
    "describe_recording",
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
