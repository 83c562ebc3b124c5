"""AVI, MP4 and other video, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._axes import ChannelUnknownError, Layout
from napari_cnmf.io.movies._recording import Recording, Request, positive_or_none
from napari_cnmf.io.movies._stores import ArrayFrames, frames_that_fit

if TYPE_CHECKING:
    import av

_MISSING = 'Video needs the package "av", which is not installed: pip install napari-cnmf[video]'


@dataclass(frozen=True, eq=False)
class VideoArray:
    """Frames of a video as ``(T, Y, X)``, decoded from the key frame before.

    Attributes
    ----------
    times
        ``(T,)``, time stamp of each frame in units of the stream, ascending.
    keys
        Frames that can be decoded without others, ascending.
    channel
        Of colour stored as RGB; ``None`` for brightness.
    """

    path: Path
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    channel: int | None

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[VideoArray]:
        yield self

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        frames: slice = index[0]
        return self._decode(frames.start, frames.stop)

    def _decode(self, start: int, stop: int) -> NDArray[Any]:
        images: dict[int, NDArray[Any]] = {}
        before = int(np.searchsorted(self.keys, start, side="right")) - 1
        key = int(self.keys[max(0, before)])
        with open_video_container(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if key > 0:
                container.seek(int(self.times[key]), stream=stream, backward=True)
            for frame in container.decode(stream):
                time = frame.pts if frame.pts is not None else frame.dts
                if time is None:
                    continue
                number = int(np.searchsorted(self.times, time))
                if start <= number < stop:
                    images[number] = brightness(frame, self.channel)
                if number >= stop - 1:
                    break
        missing = [number for number in range(start, stop) if number not in images]
        if missing:
            raise MovieError(
                f"Frame {missing[0]} of {self.path} must decode, but it does not. "
                "The video is damaged: copy it again."
            )
        return np.stack([images[number] for number in range(start, stop)])


@contextmanager
def open_video_container(path: Path) -> Iterator[av.container.InputContainer]:
    """A video file, or an error that says what is wrong with it.

    Raises
    ------
    MovieError
        PyAV is missing, or the file is no video.
    """
    try:
        import av
    except ImportError as error:
        raise MovieError(f"{_MISSING} (for {path}).") from error
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MovieError(f"{path} must hold a video stream, got none.")
            yield container
    except av.error.FFmpegError as error:
        raise MovieError(
            f"{path} must be a whole video file, got: {error.strerror}. Copy it again, or convert "
            "it to TIFF."
        ) from error


def brightness(frame: av.VideoFrame, channel: int | None) -> NDArray[Any]:
    """One frame as ``(Y, X)``, the stored values without conversion where there are such.

    Grey and YUV carry brightness as their first plane; all else is decoded to RGB.
    """
    name = frame.format.name
    if not name.startswith(("gray", "yuv", "nv")):
        return frame.to_ndarray(format="rgb24")[..., channel or 0]
    if name.startswith("yuyv"):
        frame = frame.reformat(format="yuv422p")
    deep = frame.format.components[0].bits > 8
    dtype = np.dtype("<u2" if deep else "u1")
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), dtype).reshape(
        plane.height, plane.line_size // dtype.itemsize
    )
    image: NDArray[Any] = rows[:, : frame.width].copy()
    return image


def open_video(path: Path, request: Request) -> Recording:
    """Open a video file.

    Its frame rate is what the container says, which for a microscope may be
    the rate of playing; ``frame_rate_from`` in the metadata says so.

    Raises
    ------
    MovieError
        The extra is missing, the file is damaged, or a colour must be chosen.
    """
    if request.axes is not None or request.dataset is not None:
        raise MovieError(f"axes and dataset must be left out for the video {path}.")
    with open_video_container(path) as container:
        stream = container.streams.video[0]
        times, keys = _index(container, stream)
        rate = positive_or_none(stream.average_rate)
        codec = stream.codec_context.name
    if len(times) < 2:
        raise MovieError(f"A movie must have frames over time, got {len(times)} in {path}.")
    with open_video_container(path) as container:
        first = next(container.decode(container.streams.video[0]))
        channel = _checked_channel(first, request.channel, path)
        image = brightness(first, channel)
    layout = Layout("TYX", (len(times), *image.shape))
    gop = int(np.diff(np.append(keys, len(times))).max())
    store = ArrayFrames(
        VideoArray(path, times, keys, channel),
        layout,
        image.dtype,
        frames_that_fit(gop, image.nbytes),
    )
    notes = {"codec": codec, "channel": channel}
    if rate is not None:
        notes["frame_rate_from"] = "video frame rate (of playing)"
    return Recording(store, rate, metadata=notes)


def _index(container: Any, stream: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Time stamps and key frames of all packets; nothing is decoded for it."""
    times, is_key = [], []
    for packet in container.demux(stream):
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or not packet.size:
            continue
        times.append(time)
        is_key.append(packet.is_keyframe)
    order = np.argsort(times, kind="stable")
    sorted_times = np.array(times, np.int64)[order]
    keys = np.flatnonzero(np.array(is_key, bool)[order])
    return sorted_times, keys if keys.size else np.zeros(1, np.int64)


def _checked_channel(frame: av.VideoFrame, channel: int | None, path: Path) -> int | None:
    if frame.format.name.startswith(("gray", "yuv", "nv")):
        if channel not in (None, 0):
            raise MovieError(f"channel must be 0, got {channel}: {path} is read as brightness.")
        return None
    colours = frame.to_ndarray(format="rgb24")
    if channel is None and not np.all(colours == colours[..., :1]):
        raise ChannelUnknownError(
            f"One channel must be chosen, {path} is in colour. Choose red, green or blue with "
            "channel=0, 1 or 2.",
            3,
        )
    if channel is not None and not 0 <= channel < 3:
        raise MovieError(f"channel must be between 0 and 2, got {channel}.")
    return channel or 0
