"""Opens AVI, MP4 and other video, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError, why_no_package
from napari_cnmf.io.movies._axes import Layout
from napari_cnmf.io.movies._damage import COPY_AGAIN
from napari_cnmf.io.movies._recording import Recording, fact_of_channels, positive_or_none
from napari_cnmf.io.movies._request import ChannelUnknownError, Request
from napari_cnmf.io.movies._stores import ArrayFrames, frames_that_fit
from napari_cnmf.model.description import Fact, Piece

if TYPE_CHECKING:
    import av

_COLOUR = 24
"""Red and blue that differ by more than this are a colour, not the noise of a codec."""
_KEYS_LOOKED_AT = 4
"""Key frames whose order of storing and showing is compared: the first can not differ."""


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
    has_palette
        Whether the values are numbers of colours in a table.
    is_counted
        Whether frames are told apart by their order alone: AVI stamps packets in the order of
        decoding, which is another one where frames refer to later ones.
    """

    path: Path
    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    channel: int | None
    has_palette: bool = False
    is_counted: bool = False

    def __str__(self) -> str:
        return str(self.path)

    @contextmanager
    def open(self) -> Iterator[VideoArray]:
        """Give the video itself, which opens its file for each read."""
        yield self

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        frames: slice = index[0]
        return self._decode(frames.start, frames.stop)

    def _decode(self, start: int, stop: int) -> NDArray[Any]:
        before = int(np.searchsorted(self.keys, start, side="right")) - 1
        key = int(self.keys[max(0, before)])
        images = self._from_key(key, start, stop)
        if key > 0 and len(images) < stop - start:
            # The place in the file did not lead there: AVI has none for frames shown out of order.
            images = self._from_key(0, start, stop)
        missing = [number for number in range(start, stop) if number not in images]
        if missing:
            raise MovieError(
                f"Frame {missing[0]} of {self.path} must decode, but it does not. "
                "The video is damaged: copy it again."
            )
        return np.stack([images[number] for number in range(start, stop)])

    def _from_key(self, key: int, start: int, stop: int) -> dict[int, NDArray[Any]]:
        """Frames ``start`` to ``stop`` by their number, decoded from a key frame on."""
        images: dict[int, NDArray[Any]] = {}
        with open_video_container(self.path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if key > 0 and self.has_palette:
                # The table of colours comes with the first frame alone; the decoder keeps it.
                next(container.decode(stream))
            if key > 0:
                container.seek(int(self.times[key]), stream=stream, backward=True)
            count = key - 1
            for frame in container.decode(stream):
                if self.is_counted:
                    count += count >= key or bool(frame.key_frame)
                    number = count
                else:
                    time = frame.pts if frame.pts is not None else frame.dts
                    if time is None:
                        continue
                    number = int(np.searchsorted(self.times, time))
                if start <= number < stop:
                    images[number] = brightness(frame, self.channel)
                if number >= stop - 1:
                    break
        return images


@contextmanager
def open_video_container(path: Path) -> Iterator[av.container.InputContainer]:
    """Open a video file, or raise an error that says what is wrong with it.

    Raises
    ------
    MovieError
        PyAV is missing, or the file is no video.
    """
    try:
        import av
    except ImportError as error:
        raise MovieError(why_no_package(f"{path} is a video and", "av", "video", error)) from error
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
    """Brightness ``(Y, X)`` of one frame, the stored values where there are such.

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
        times, keys, is_counted, n_cut = _index(container, stream)
        rate = positive_or_none(stream.average_rate)
        codec = stream.codec_context.name
        seconds = np.asarray(times * float(stream.time_base or 1), np.float64)
        n_named, n_streams = int(stream.frames or 0), len(container.streams)
        if not n_named and container.duration and rate and len(times) and n_streams == 1:
            left = container.duration * 1e-6 - (seconds[-1] - seconds[0])
            n_named = len(times) + round(left * rate) - 1
    if len(times) < 2:
        raise MovieError(f"A movie must have frames over time, got {len(times)} in {path}.")
    if is_counted and not _keys_are_shown_in_order(path, keys):
        keys = np.zeros(1, np.int64)
    looks = _looks(path, times, keys)
    first = looks[0]
    channel = _checked_channel(looks, request.channel, path)
    image = brightness(first, channel)
    has_palette = first.format.name == "pal8"
    array = VideoArray(path, times, keys, channel, has_palette, is_counted)
    if n_cut:
        array = _without_open_end(array)
        times, keys, seconds = array.times, array.keys, seconds[: len(array.times)]
    layout = Layout("TYX", (len(times), *image.shape))
    gop = int(np.diff(np.append(keys, len(times))).max())
    store = ArrayFrames(array, layout, image.dtype, frames_that_fit(gop, image.nbytes))
    notes = {"codec": codec, "channel": channel}
    if rate is not None:
        notes["frame_rate_from"] = "video header, speed of playing"
    recording = Recording(
        store,
        rate,
        metadata=notes,
        format=f"video ({codec})",
        facts=_facts(
            first.format.name, channel, is_gray=channel is not None and request.channel is None
        ),
        pieces=(Piece(path, len(times)),),
    )
    recording = recording.with_times(seconds, "time stamps of the video, speed of playing")
    told = _told_dropped(times, path) or recording.remarks
    told = (*told, *_told_cut(path, len(times), n_named, n_cut))
    return replace(recording, remarks=(*_told_colour(looks, path), *told))


def _without_open_end(array: VideoArray) -> VideoArray:
    """The frames of a cut video without those at its end that refer to frames behind the cut."""
    n_frames, last = len(array.times), int(array.keys[-1])
    there = array._from_key(last, last, n_frames)
    n_whole = next((number for number in range(last, n_frames) if number not in there), n_frames)
    kept = array.keys[array.keys < n_whole]
    return replace(array, times=array.times[:n_whole], keys=kept)


def _told_cut(path: Path, n_there: int, n_named: int, n_cut: int) -> list[str]:
    if n_cut:
        return [f"{path.name} is cut short: its {n_there} whole frames are opened."]
    if n_named > n_there + 1 and n_named > 1.01 * n_there:
        return [
            f"The header of {path.name} names {n_named} frames and {n_there} are there: it may be "
            "cut short."
        ]
    return []


def _index(container: Any, stream: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], bool, int]:
    """Read time stamps and key frames of all packets, and how they are to be read.

    Nothing is decoded for it. The third value is `VideoArray.is_counted`, the fourth the number of
    packets that are cut.
    """
    times, is_key = [], []
    has_stamps, n_cut = True, 0
    for packet in container.demux(stream):
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or not packet.size:
            continue
        if packet.is_corrupt:
            n_cut += 1
            continue
        has_stamps &= packet.pts is not None
        times.append(time)
        is_key.append(packet.is_keyframe)
    # AVI has no stamps of its own: they show where frames are shown in another order, or do not.
    is_in_order = bool(np.all(np.diff(times) > 0))
    refers_ahead = "avi" in container.format.name and bool(stream.codec_context.has_b_frames)
    is_counted = refers_ahead and (is_in_order or not has_stamps)
    order = np.argsort(times, kind="stable")
    sorted_times = np.array(times, np.int64)[order]
    keys = np.flatnonzero(np.array(is_key, bool)[order])
    return sorted_times, keys if keys.size else np.zeros(1, np.int64), is_counted, n_cut


def _keys_are_shown_in_order(path: Path, keys: NDArray[np.int64]) -> bool:
    """Whether the first key frames are shown at the places at which they are stored.

    In an open group of pictures frames that are stored after a key frame are shown before it. Where
    nothing but their order tells frames apart, only decoding from the beginning is right then.
    """
    wanted = keys[:_KEYS_LOOKED_AT].tolist()
    shown: list[int] = []
    with open_video_container(path) as container:
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            if frame.key_frame:
                shown.append(number)
            if len(shown) == len(wanted) or number > wanted[-1]:
                break
    return bool(shown == wanted)


def _looks(path: Path, times: NDArray[np.int64], keys: NDArray[np.int64]) -> list[av.VideoFrame]:
    """Decode the first frame and one from the middle: the first may be black."""
    middle = int(keys[len(keys) // 2])
    with open_video_container(path) as container:
        stream = container.streams.video[0]
        found = [next(container.decode(stream), None)]
        if middle > 0:
            container.seek(int(times[middle]), stream=stream, backward=True)
            found.append(next(container.decode(stream), None))
    decoded = [frame for frame in found if frame is not None]
    if not decoded:
        raise MovieError(f"{path} must hold frames that decode, got none. {COPY_AGAIN}.")
    return decoded


def _is_brightness(frame: av.VideoFrame) -> bool:
    return bool(frame.format.name.startswith(("gray", "yuv", "nv")))


def _facts(pixel_format: str, channel: int | None, *, is_gray: bool) -> dict[str, Fact]:
    if channel is None or is_gray:
        text = "1 (gray, stored as colours)" if is_gray else "1 (brightness)"
        text = "1" if pixel_format.startswith("gray") else text
        return {"channels": Fact(["brightness"], text, "video header")}
    names = ["red", "green", "blue"]
    return {"channels": fact_of_channels(names, channel, "video header")}


def _told_colour(looks: Sequence[av.VideoFrame], path: Path) -> list[str]:
    """Sentence for a video in colour, of which the brightness is read."""
    for frame in looks:
        if not frame.format.name.startswith(("yuv4", "yuvj4")):
            continue
        colours = frame.to_ndarray(format="rgb24").astype(np.int16)
        if np.abs(colours[..., 0] - colours[..., 2]).max() > _COLOUR:
            return [f"{path.name} is in colour: its brightness is analysed."]
    return []


def _told_dropped(times: NDArray[np.int64], path: Path) -> list[str]:
    """Sentence for missing time stamps between frames."""
    steps = np.diff(times)
    step = np.median(steps)
    if not step > 0:
        return []
    gaps = np.flatnonzero(steps > 1.5 * step)
    if not gaps.size:
        return []
    n_lost = int(np.round(steps[gaps] / step).sum()) - gaps.size
    return [
        f"The time stamps of {path.name} have {gaps.size} gap{'s' * (gaps.size > 1)}, the first "
        f"after frame {int(gaps[0])}: about {n_lost} frames were dropped."
    ]


def _checked_channel(looks: Sequence[av.VideoFrame], channel: int | None, path: Path) -> int | None:
    if _is_brightness(looks[0]):
        if channel not in (None, 0):
            raise MovieError(f"channel must be 0, got {channel}: {path} is read as brightness.")
        return None
    if channel is None:
        for frame in looks:
            colours = frame.to_ndarray(format="rgb24")
            # A frame that is decoded alone may lack its table of colours and be black.
            if not np.all(colours == colours[..., :1]):
                raise ChannelUnknownError(
                    f"One channel must be chosen, {path} is in colour. Choose red, green or blue "
                    "with channel=0, 1 or 2.",
                    3,
                    ("red", "green", "blue"),
                )
    if channel is not None and not 0 <= channel < 3:
        raise MovieError(f"channel must be between 0 and 2, got {channel}.")
    return channel or 0
