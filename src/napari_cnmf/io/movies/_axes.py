"""Finds out which axis of a file is which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._request import ChannelUnknownError, ChoiceNeededError

_KNOWN = "TZCSYX"
# ImageJ shows at most 7; scripts that name no axes write a movie as that many channels.
_MAX_CHANNELS = 7
_LONGEST = 4
"""Ratio of the sides of a field that microscopes exceed only in single lines."""
_EXAMPLE = "Say which axis is which with axes=, for example axes='TYX' or axes='TZCYX'."


@dataclass(frozen=True)
class Layout:
    """The axes of a stored array, and the way from there to ``(T, [Z], Y, X)``.

    Attributes
    ----------
    axes
        One letter of ``TZCSYX`` per axis of the stored array, ``-`` for an axis of length 1
        that is dropped.
    stored_shape
        Its shape.
    channel
        Index along ``C`` or ``S``; ``None`` without such an axis.
    """

    axes: str
    stored_shape: tuple[int, ...]
    channel: int | None = None

    @property
    def movie_axes(self) -> str:
        """Axes of the movie, ``TZYX`` or ``TYX``."""
        return "TZYX" if "Z" in self.axes else "TYX"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return tuple(self.stored_shape[self.axes.index(axis)] for axis in self.movie_axes)

    def select(self, start: int, stop: int) -> tuple[slice | int, ...]:
        """Index of the stored array that selects frames ``start`` to ``stop``."""
        index: list[slice | int] = []
        for axis in self.axes:
            if axis == "T":
                index.append(slice(start, stop))
            elif axis in "CS":
                index.append(self.channel or 0)
            elif axis == "-":
                index.append(0)
            else:
                index.append(slice(None))
        return tuple(index)

    def arrange(self, selected: NDArray[Any]) -> NDArray[Any]:
        """Turn what ``select`` gave into ``(T, [Z], Y, X)``."""
        return selected.transpose(self.order)

    @property
    def order(self) -> tuple[int, ...]:
        """Order of the axes that ``select`` leaves."""
        left = [axis for axis in self.axes if axis not in "CS-"]
        return tuple(left.index(axis) for axis in self.movie_axes)

    @property
    def frame_order(self) -> tuple[int, ...] | None:
        """Order of the axes of a stored frame, where whole frames follow each other in time.

        ``None`` when they do not: time is not the first axis, or channels lie between.
        """
        axes = "".join(axis for axis in self.axes if axis != "-")
        if not axes.startswith("T") or "C" in axes or "S" in axes:
            return None
        return tuple(axes[1:].index(axis) for axis in self.movie_axes[1:])


def layout_of(
    shape: tuple[int, ...],
    *,
    axes: str | None = None,
    file_axes: str | None = None,
    channel: int | None = None,
    name: str = "The array",
) -> Layout:
    """Find time, depth and the field's axes of a stored array.

    A first axis without a name is time, but for arrays that look as if the last were. A stack of
    planes without a time axis is taken as a time series, and so are more than 7 channels: many
    programs save movies so.

    Parameters
    ----------
    shape
        Of the stored array.
    axes
        What the user says; wins over the file.
    file_axes
        What the file says, in the letters of TIFF or OME.
    channel
        Which channel, counted from 0.
    name
        Begins the error messages.

    Raises
    ------
    MovieError
        It is a single image, the axes do not fit, or a channel must be chosen.
    """
    if axes is not None:
        letters = _checked_user_axes(axes, shape, name)
    elif file_axes is not None:
        letters = _named_by_file(file_axes, shape, name)
    else:
        letters = _unnamed(shape, name)
    letters = "".join(
        "-" if size == 1 and axis in "ZCS" else axis
        for axis, size in zip(letters, shape, strict=True)
    )
    return Layout(letters, shape, _checked_channel(letters, shape, channel, name))


def _checked_user_axes(axes: str, shape: tuple[int, ...], name: str) -> str:
    letters = axes.upper()
    wrong = sorted(set(letters) - set(_KNOWN))
    if wrong or len(set(letters)) != len(letters) or not set("TYX") <= set(letters):
        raise MovieError(
            f"axes must hold T, Y and X, each once, and may hold Z, C and S, got {axes!r}. "
            f"{name} has shape {shape}: give one letter for each of its axes."
        )
    if len(letters) != len(shape):
        raise MovieError(
            f"axes must have one letter for each axis of {name}, got {axes!r} for shape {shape}."
        )
    return letters


def _named_by_file(file_axes: str, shape: tuple[int, ...], name: str) -> str:
    """Letters of the axes that the file names; one without a name, longer than 1, must be time."""
    if not {"Y", "X"} <= set(file_axes):
        raise MovieError(
            f"{name} must hold frames of Y and X, got axes {file_axes!r} of shape {shape}. "
            f"{_EXAMPLE}"
        )
    letters = [
        "-" if n == 1 and a not in "TYX" else a for a, n in zip(file_axes, shape, strict=True)
    ]
    unknown = [i for i, a in enumerate(letters) if a not in _KNOWN and a != "-"]
    if "T" in letters and not unknown:
        return "".join(letters)
    if "T" not in letters and len(unknown) == 1 and shape[unknown[0]] > 1:
        letters[unknown[0]] = "T"
    elif "T" not in letters and not unknown and "Z" in letters:
        letters[letters.index("Z")] = "T"
    elif "T" not in letters and not unknown and _channels_of(letters, shape) > _MAX_CHANNELS:
        letters[letters.index("C")] = "T"
    elif unknown:
        raise MovieError(f"{name} has axes {file_axes!r} of shape {shape}. {_EXAMPLE}")
    if "T" not in letters:
        _refuse_without_time(file_axes, shape, name)
    return "".join(letters)


def _channels_of(letters: list[str], shape: tuple[int, ...]) -> int:
    return shape[letters.index("C")] if "C" in letters else 0


def _refuse_without_time(file_axes: str, shape: tuple[int, ...], name: str) -> None:
    if set(file_axes) & set("CS") and len(shape) > 2:
        raise MovieError(
            f"{name} must have a time axis, got axes {file_axes!r} of shape {shape}: only "
            f"channels. {_EXAMPLE}"
        )
    raise MovieError(
        f"A movie must have frames over time, got a single image of shape {shape} in {name}. "
        "Give all its frames as a list of files in order, or their folder."
    )


def _unnamed(shape: tuple[int, ...], name: str) -> str:
    if len(shape) < 3:
        _refuse_without_time("", shape, name)
    if len(shape) > 4 or (len(shape) == 4 and shape[-1] <= 4):
        raise MovieError(f"{name} must be (T, Y, X) or (T, Z, Y, X), got shape {shape}. {_EXAMPLE}")
    if len(shape) == 4:
        return "TZYX"
    if _may_have_time_last(shape):
        raise ChoiceNeededError(
            f"The axes of {name} must be said: it names none, and its shape {shape} may be "
            "time, Y, X or Y, X, time. Say axes='TYX' or axes='YXT'.",
            "axes",
            [("TYX", f"{shape[0]} frames, time first"), ("YXT", f"{shape[2]} frames, time last")],
        )
    return "TYX"


def _may_have_time_last(shape: tuple[int, ...]) -> bool:
    """Whether the last of three axes is likelier to be time than the first.

    Fields are about as high as wide; a last axis that is much shorter or longer than both is none
    of them.
    """
    height, width, last = shape
    shorter, longer = min(height, width), max(height, width)
    is_apart = last * _LONGEST <= shorter or last > _LONGEST * longer
    return longer <= _LONGEST * shorter and is_apart


def _checked_channel(
    letters: str, shape: tuple[int, ...], channel: int | None, name: str
) -> int | None:
    along = [index for index, axis in enumerate(letters) if axis in "CS"]
    if len(along) > 1:
        raise MovieError(
            f"{name} must have one axis of channels, got two in {letters!r} of shape {shape}. "
            "Save the channel to analyse as a movie of its own."
        )
    n_channels = shape[along[0]] if along else 1
    if channel is not None and not 0 <= channel < n_channels:
        raise MovieError(
            f"channel must be between 0 and {n_channels - 1}, got {channel}: "
            f"{name} has {n_channels} channel{'s' * (n_channels > 1)}."
        )
    if not along:
        return None
    if channel is None:
        raise ChannelUnknownError(
            f"One channel must be chosen, {name} has {n_channels} (shape {shape}). "
            f"Choose it with channel=0 to channel={n_channels - 1}.",
            n_channels,
        )
    return int(np.intp(channel))
