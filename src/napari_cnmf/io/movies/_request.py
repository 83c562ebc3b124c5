"""Options that the user gives about a recording, and the errors that ask for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._checks import (
    TEXTS,
    WHOLE_NUMBERS,
    check_offset,
    check_pixel_size,
    check_switch,
    check_text,
    check_whole_number,
)


@dataclass(frozen=True)
class Request:
    """Options that the user gives about a recording; each one wins over what the files say.

    Attributes
    ----------
    axes
        One letter per axis of the stored array, for example ``"TZCYX"``.
    dataset
        Name of the array inside HDF5, NWB or zarr, or of one image of a file with several.
    channel
        Which channel, counted from 0.
    n_channels
        Number of channels whose images alternate, the channel changing fastest.
    plane
        Which plane of a volume to open as a movie of one plane, counted from 0.
    n_planes
        Number of planes that follow each other in every volume.
    n_flyback
        Number of images (per channel) at the end of every volume that show no plane.
    field
        Which scan field of a recording with several, counted from 0.
    offset
        Number that is added to every stored value; 0 leaves the values as they are stored.
    pixel_size_um
        ``([dz], dy, dx)`` in micrometres.
    allow_missing
        Open what is there of a recording with missing or cut files.
    """

    axes: str | None = None
    dataset: str | None = None
    channel: int | None = None
    n_channels: int | None = None
    plane: int | None = None
    n_planes: int | None = None
    n_flyback: int | None = None
    field: int | None = None
    offset: float | None = None
    pixel_size_um: tuple[float, ...] | None = None
    allow_missing: bool | None = None

    def __post_init__(self) -> None:
        checks: dict[str, Callable[[Any], Any]] = {
            **{name: partial(check_whole_number, name) for name in WHOLE_NUMBERS},
            **{name: partial(check_text, name) for name in TEXTS},
            "offset": check_offset,
            "pixel_size_um": check_pixel_size,
            "allow_missing": partial(check_switch, "allow_missing"),
        }
        for name, check in checks.items():
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, check(value))

    def told(self) -> dict[str, Any]:
        """Options that open the same frames again, by the names of `open_movie`."""
        said = asdict(self)
        del said["pixel_size_um"]  # it does not change the frames, and the movie has it
        return {name: value for name, value in said.items() if value is not None}

    @property
    def has_cycle(self) -> bool:
        """Whether the user gives the order of the images of channels and planes."""
        return any(value is not None for value in (self.n_channels, self.n_planes, self.n_flyback))


OPTIONS = tuple(option.name for option in fields(Request))
"""Names of the options of `open_movie` that describe the files."""


class ChoiceNeededError(MovieError):
    """A recording can be opened in several ways, and the user must choose one.

    Attributes
    ----------
    option
        Name of the argument of `open_movie` that chooses.
    choices
        Pairs of a value of that argument and what it means.
    """

    def __init__(self, message: str, option: str, choices: Sequence[tuple[Any, str]]) -> None:
        super().__init__(message)
        self.option = option
        self.choices = tuple(choices)

    def __reduce__(self) -> tuple[type[ChoiceNeededError], tuple[Any, ...]]:
        return type(self), (str(self), self.option, self.choices)


class ChannelUnknownError(ChoiceNeededError):
    """A recording has several channels and none was chosen.

    Attributes
    ----------
    n_channels
        How many there are.
    """

    def __init__(self, message: str, n_channels: int, names: Sequence[str] = ()) -> None:
        labels = names or [f"channel {k}" for k in range(n_channels)]
        super().__init__(message, "channel", tuple(enumerate(labels)))
        self.n_channels = n_channels

    def __reduce__(self) -> tuple[type[ChannelUnknownError], tuple[Any, ...]]:
        return type(self), (str(self), self.n_channels, tuple(name for _, name in self.choices))


def chosen_channel(names: Sequence[str], channel: int | None, where: object, source: str) -> int:
    """Index of the channel to open, among channels that the files name.

    Parameters
    ----------
    names
        Name of each channel.
    channel
        The user's choice; may be ``None`` where there is one channel.
    where
        The recording, for messages.
    source
        Where the channels are told, for messages.

    Raises
    ------
    ChannelUnknownError
        There are several and none was chosen.
    MovieError
        There is no such channel.
    """
    n = len(names)
    if channel is None and n > 1:
        listed = ", ".join(f"{k}: {name}" for k, name in enumerate(names))
        raise ChannelUnknownError(
            f"One channel must be chosen, {where} has {n} ({source}; {listed}). "
            f"Choose it with channel=0 to channel={n - 1}.",
            n,
            names,
        )
    if not 0 <= (channel or 0) < n:
        raise MovieError(
            f"channel must be between 0 and {n - 1}, got {channel}: {where} has {n} "
            f"channel{'s' * (n > 1)} ({source})."
        )
    return channel or 0


def refuse_axes(request: Request, path: object, where: str) -> None:
    """Refuse ``axes`` for a format whose frames lie in one order only.

    Parameters
    ----------
    path
        The file.
    where
        What tells how the frames lie, for messages.
    """
    if request.axes is not None:
        raise MovieError(
            f"axes must be left out for {path}, got {request.axes!r}: {where} tells how its frames "
            "lie."
        )


def chosen_of(
    option: str, names: Sequence[str], value: int | None, where: object, why: str
) -> int | None:
    """Index chosen among ``names``; ``None`` where there is nothing to choose.

    Raises
    ------
    ChoiceNeededError
        There are several and none was chosen.
    MovieError
        There is no such one.
    """
    n = len(names)
    if value is not None and not 0 <= value < max(1, n):
        raise MovieError(
            f"{option} must be between 0 and {max(1, n) - 1}, got {value}: {where} has {n or 1}."
        )
    if n > 1 and value is None:
        raise ChoiceNeededError(
            f"One {option} must be chosen, {where} has {n}: {why}. Choose it with {option}=0 to "
            f"{option}={n - 1}: {', '.join(f'{k}: {name}' for k, name in enumerate(names))}.",
            option,
            tuple(enumerate(names)),
        )
    return value


def chosen_dataset(
    what: str, labels: Mapping[str, str], wanted: str | None, where: object, source: str = ""
) -> str:
    """Name of the array to open, among those of a file.

    Parameters
    ----------
    what
        Word for one of them: ``"series"``.
    labels
        What each name means.
    wanted
        The user's choice; may be ``None`` where there is one.
    where, source
        The file, and where in it they are told, for messages.

    Raises
    ------
    ChoiceNeededError
        There are several and none was chosen.
    MovieError
        There is no such one.
    """
    listed = ", ".join(labels)
    if wanted is not None and wanted not in labels:
        raise MovieError(
            f"dataset must name a {what} of {where}, got {wanted!r}. Choose one of: {listed}."
        )
    if wanted is None and len(labels) > 1:
        raise ChoiceNeededError(
            f"One {what} must be chosen, {where} has {len(labels)}{source}: {listed}. Choose it "
            f"with dataset={next(iter(labels))!r}.",
            "dataset",
            tuple(labels.items()),
        )
    return wanted if wanted is not None else next(iter(labels))
