"""What a user should know about a movie that opened without an error."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari_cnmf.io.movies._alternation import find_alternation
from napari_cnmf.io.movies._lazy import frame_source
from napari_cnmf.model.movie import Movie

_PERIODS: WeakKeyDictionary[Movie, int | None] = WeakKeyDictionary()
"""Of movies that were looked at: a grid of items asks for each of them."""


def remarks_on(movie: Movie) -> list[str]:
    """Sentences about frames that were left out, and about channels that nobody chose.

    Reads a hundred frames at the most.

    Raises
    ------
    MovieError
        They cannot be read.
    """
    remarks = list(movie.metadata.get("remarks", ()))
    if movie not in _PERIODS:
        _PERIODS[movie] = find_alternation(frame_source(movie))
    period = _PERIODS[movie]
    if period is not None:
        remarks.append(
            f"Every {_ordinal(period)} frame of {movie.name} looks alike and those between differ: "
            f"{period} channels or planes may be interleaved, and would be analysed as one movie. "
            f"Choose one with n_channels={period} and channel=0 to {period - 1} (--n-channels, "
            "--channel; the row Channel of the form)."
        )
    return remarks


def _ordinal(n: int) -> str:
    return {2: "second", 3: "third"}.get(n, f"{n}th")
