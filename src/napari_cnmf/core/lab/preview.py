"""The engine on a small window, fast enough to follow while parameters move."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.core.base.reports import StopCallback, never_stop
from napari_cnmf.core.movie.source import ArraySource, WindowSource
from napari_cnmf.core.plan.plan import MIN_FRAMES
from napari_cnmf.core.run import run_cnmf
from napari_cnmf.errors import MovieError
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

_SIDE_IN_GSIG = 20
_SIDES_PX = (48, 128)
_LONGEST_S = 60.0
_FRAMES = (500, 1500)
_MOST_BYTES = 128 << 20
_READ_BYTES = 32 << 20


@dataclass(frozen=True, eq=False)
class Window:
    """A box of a movie, in memory.

    Attributes
    ----------
    frames
        ``(n, [Z], y, x)``.
    origin
        First pixel of the box along the field's axes.
    first_frame
        Of the movie.
    """

    frames: NDArray[Any]
    origin: tuple[int, ...]
    first_frame: int

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape ``([Z], y, x)`` of the box, in pixels."""
        return self.frames.shape[1:]


@dataclass(frozen=True, eq=False)
class Preview:
    """Result of the engine in a window.

    Attributes
    ----------
    window
        Where.
    components
        In the window's own pixels and frames.
    notes
        What the engine decided by itself.
    seconds
        It took so long.
    """

    window: Window
    components: Components
    notes: tuple[str, ...]
    typical_width: float
    seconds: float


def window_box(
    dims: tuple[int, ...], centre: tuple[float, ...], gSig: tuple[int, ...]
) -> tuple[slice, ...]:
    """The box of about 20 gSig around a place, moved inside of the field; all planes of it.

    Parameters
    ----------
    dims
        Field ``([Z], Y, X)``.
    centre
        Place ``([z], y, x)`` in pixels.
    """
    box = [slice(0, dims[0])] if len(dims) == 3 else []
    for extent, at, g in zip(dims[-2:], centre[-2:], gSig[-2:], strict=True):
        side = min(extent, int(np.clip(_SIDE_IN_GSIG * g, *_SIDES_PX)))
        start = int(np.clip(round(at - side / 2), 0, extent - side))
        box.append(slice(start, start + side))
    return tuple(box)


def read_window(
    source: WindowSource,
    box: tuple[slice, ...],
    frame_rate_hz: float,
    *,
    around_frame: int | None = None,
    should_stop: StopCallback = never_stop,
) -> Window:
    """Read about a minute of a box of the movie.

    Parameters
    ----------
    around_frame
        In the middle of it; that of the movie when not given.

    Raises
    ------
    MovieError
        The movie is too short for the engine.
    """
    n_movie = source.shape[0]
    if n_movie < MIN_FRAMES:
        raise MovieError(f"A preview needs at least {MIN_FRAMES} frames, got {n_movie}.")
    frame_bytes = int(np.prod([s.stop - s.start for s in box])) * source.dtype.itemsize
    wanted = int(np.clip(_LONGEST_S * frame_rate_hz, *_FRAMES))
    n = min(n_movie, max(MIN_FRAMES, min(wanted, _MOST_BYTES // frame_bytes)))
    middle = n_movie // 2 if around_frame is None else around_frame
    first = int(np.clip(middle - n // 2, 0, n_movie - n))
    whole_bytes = int(np.prod(source.shape[1:])) * source.dtype.itemsize
    step = max(1, _READ_BYTES // whole_bytes)
    parts = []
    for start in range(first, first + n, step):
        if should_stop():
            break
        parts.append(source.read_window(start, min(start + step, first + n), box))
    return Window(np.concatenate(parts), tuple(s.start for s in box), first)


def preview(
    window: Window,
    params: CNMFParams,
    frame_rate_hz: float,
    *,
    one_photon: bool = False,
    should_stop: StopCallback = never_stop,
) -> Preview:
    """Run the engine on a window.

    Raises
    ------
    ParameterError
        The parameters do not fit the window.
    CancelledByUser
        When ``should_stop`` says so.
    """
    start = time.perf_counter()
    result = run_cnmf(
        ArraySource(window.frames),
        params,
        frame_rate_hz=frame_rate_hz,
        one_photon=one_photon,
        on_warning=_quiet,
        on_log=_quiet,
        should_stop=should_stop,
    )
    seconds = time.perf_counter() - start
    width = result.figures.get("typical_width", float("nan"))
    return Preview(window, result.components, result.notes, width, seconds)


def _quiet(_sentence: str) -> None:
    """Keep the engine's messages of a preview out of the log."""
