"""Writes a movie to look at and to show: raw beside denoised, with outlines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._overwriting import mark_of
from napari_cnmf.errors import DISK_IS_FULL, ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    new_export,
    require,
)
from napari_cnmf.model.contours import contours
from napari_cnmf.model.curation import Curatable
from napari_cnmf.model.reconstruction import denoised

_KIND = "movie"
_SMALLEST_HEIGHT = 320
_LARGEST_SIDE = 4096
_GAP = 4
_BYTES_AT_ONCE = 64 * 2**20
_FASTEST_FPS = 120
_ENCODING = {"crf": "20", "preset": "veryfast"}
"""A slower search takes twice the time for a file that is a seventh smaller: it is mostly noise."""
_GREEN, _RED = (46, 204, 113), (231, 76, 60)


@checked_writer
def write_mp4(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write an H.264 movie: recording on the left, ``A C`` on the right, outlines over both.

    It plays at the recording's speed. Contrast is fixed over time. Small fields are enlarged by
    a whole factor, volumes shown as their maximum along z.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.mp4``.
    include_rejected
        Outline rejected components too, in red.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        Its ``movie`` is needed.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        No movie, one of another shape, a field too large to encode, the package for video is
        missing, or the file cannot be written.
    """
    av = require("av", "video", "MP4")
    chosen = select(source, include_rejected=include_rejected, context=context)
    scene = _scene(chosen, context)
    rate = chosen.components.frame_rate_hz or scene.movie_rate_hz or 30.0
    fps = Fraction(min(rate, _FASTEST_FPS)).limit_denominator(1000)
    with new_export(out, (".mp4",), _KIND, overwrite=overwrite, sources=chosen.sources) as beside:
        try:
            with av.open(str(beside), "w", options={"movflags": "+faststart"}) as container:
                container.metadata["comment"] = mark_of(_KIND)
                stream = container.add_stream("libx264", rate=fps, options=_ENCODING)
                stream.height, stream.width = scene.size
                stream.pix_fmt = "yuv420p"
                for number, picture in enumerate(scene.pictures()):
                    on_progress(number, chosen.n_frames)
                    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
        except av.error.FFmpegError as error:
            if isinstance(error, OSError) and error.errno in DISK_IS_FULL:
                raise
            raise ExportError(f"{out} could not be encoded: {error}.") from error
    return Path(out)


@dataclass(frozen=True, eq=False)
class _Scene:
    """Content of each frame of the video.

    Attributes
    ----------
    recording, model
        Lazy ``(T, [Z], Y, X)``.
    limits
        Contrast of each.
    lines
        ``(height, width, 3)`` colours of the outlines, 0 where there are none.
    """

    recording: Any
    model: Any
    limits: tuple[tuple[float, float], tuple[float, float]]
    lines: NDArray[np.uint8]
    scale: int
    movie_rate_hz: float | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, even as the codec demands."""
        height, width = self.lines.shape[:2]
        return height + height % 2, 2 * width + _GAP + (2 * width + _GAP) % 2

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """Yield a picture ``(height, width, 3)`` for each frame of the movie."""
        n_frames = self.recording.shape[0]
        step = max(1, _BYTES_AT_ONCE // (4 * int(np.prod(self.recording.shape[1:]))))
        for start in range(0, n_frames, step):
            blocks = [
                np.asarray(stack[start : start + step])[..., :, :]
                for stack in (self.recording, self.model)
            ]
            for pair in zip(*blocks, strict=True):
                yield self._compose(pair)

    def _compose(self, pair: tuple[NDArray[Any], ...]) -> NDArray[np.uint8]:
        height, width = self.lines.shape[:2]
        lines, at = self._drawn
        picture = np.zeros((*self.size, 3), np.uint8)
        for side, (frame, (low, high)) in enumerate(zip(pair, self.limits, strict=True)):
            plane = _flat(frame).astype(np.float32)
            grey = np.clip((plane - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
            large = grey.repeat(self.scale, axis=0).repeat(self.scale, axis=1)
            left = side * (width + _GAP)
            panel = picture[:height, left : left + width]
            panel[:] = large[..., None]
            panel[at] = lines
        return picture

    @cached_property
    def _drawn(self) -> tuple[NDArray[np.uint8], tuple[NDArray[np.intp], ...]]:
        """Colours of the outlines ``(n, 3)``, and their pixels."""
        at = np.nonzero(self.lines.any(axis=2))
        return self.lines[at], at


def _scene(chosen: Selected, context: Context) -> _Scene:
    components, movie = chosen.components, context.movie
    if movie is None:
        raise ExportError(
            "MP4 shows the recording, and none was given. Name the movie of this result "
            "(--movie PATH, or context=Context(movie=nc.open_movie(...)))."
        )
    expected = (components.n_frames, *components.dims)
    if movie.shape != expected:
        raise ExportError(
            f"The movie must have the result's shape {expected}, got {movie.shape}. "
            "Choose the movie this result was computed from."
        )
    height, width = components.dims[-2:]
    scale = max(1, round(_SMALLEST_HEIGHT / height))
    if max(scale * height, 2 * scale * width + _GAP) > _LARGEST_SIDE:
        scale = 1
    if max(height, 2 * width + _GAP) > _LARGEST_SIDE:
        raise ExportError(
            f"Two fields side by side must fit into {_LARGEST_SIDE} pixels, got 2 x {width} x "
            f"{height}. Crop the movie."
        )
    model = denoised(components)
    sample = np.unique(np.linspace(0, components.n_frames - 1, 40).astype(int))
    return _Scene(
        movie.data,
        model,
        (_limits(movie.data, sample), _limits(model, sample)),
        _lines(chosen, scale),
        scale,
        movie.frame_rate_hz,
    )


def _flat(frame: NDArray[Any]) -> NDArray[Any]:
    return frame if frame.ndim == 2 else frame.max(axis=0)


def _limits(stack: Any, frames: NDArray[np.intp]) -> tuple[float, float]:
    """Limits of contrast that a few bright pixels do not decide."""
    sample = np.stack([_flat(np.asarray(stack[int(i)])) for i in frames]).astype(np.float32)
    low, high = np.nanpercentile(sample, (1, 99.8))
    return float(low), float(max(high, low + 1e-6))


def _lines(chosen: Selected, scale: int) -> NDArray[np.uint8]:
    """Outlines drawn once, in the colour of the decision."""
    from skimage.draw import line

    components = chosen.components
    height, width = components.dims[-2] * scale, components.dims[-1] * scale
    drawn = np.zeros((height, width, 3), np.uint8)
    for row in range(chosen.n_components):
        colour = _GREEN if chosen.accepted[row] else _RED
        for outline in contours(components.A, row, components.dims):
            corners = np.rint((outline[:, -2:] + 0.5) * scale - 0.5).astype(int)
            corners = np.clip(corners, 0, (height - 1, width - 1))
            for (y0, x0), (y1, x1) in pairwise(corners):
                drawn[line(y0, x0, y1, x1)] = colour  # type: ignore[no-untyped-call]
    return drawn
