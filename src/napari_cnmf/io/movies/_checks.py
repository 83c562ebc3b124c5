"""Checks of what the user says about a recording: one sentence for each kind of mistake."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from napari_cnmf._checks import is_number, is_whole
from napari_cnmf.errors import MovieError
from napari_cnmf.params.numbers import parse_number

WHOLE_NUMBERS = {
    "channel": (0, "Give which channel, counted from 0."),
    "n_channels": (1, "Give the number of channels whose frames alternate."),
    "plane": (0, "Give which plane, counted from 0."),
    "n_planes": (1, "Give the number of planes of a volume."),
    "n_flyback": (0, "Give the number of images after each volume that show no plane."),
    "field": (0, "Give which scan field, counted from 0."),
}
"""The least value of each option that counts, and the next step after a wrong one."""

_MOST = 1_000_000
"""No microscope counts farther; channels are listed before the frames are counted."""

TEXTS = {
    "axes": "Give one letter of TZCSYX for each axis of the stored array, for example 'TZYX'.",
    "dataset": "Give the name of the array inside the file, for example 'mov'.",
}
"""The next step after a wrong value of each option that is a text."""


def check_whole_number(name: str, value: Any) -> int:
    """Whole number that an option was given; raises ``MovieError`` for anything else."""
    least, advice = WHOLE_NUMBERS[name]
    if not is_whole(value):
        raise MovieError(f"{name} must be a whole number, got {value!r:.60}. {advice}")
    if value < least:
        raise MovieError(f"{name} must be at least {least}, got {value}. {advice}")
    if value > _MOST:
        raise MovieError(f"{name} must be at most {_MOST}, got {value}. {advice}")
    return int(value)


def check_text(name: str, value: Any) -> str:
    """Text that an option was given; raises ``MovieError`` for anything else."""
    if not isinstance(value, str):
        raise MovieError(f"{name} must be a text, got {value!r:.60}. {TEXTS[name]}")
    return value


def check_switch(name: str, value: Any) -> bool:
    """Yes or no that an option was given; raises ``MovieError`` for anything else."""
    if not isinstance(value, bool):
        raise MovieError(f"{name} must be True or False, got {value!r:.60}.")
    return value


def check_offset(value: Any) -> float:
    """Number to add to every stored value; raises ``MovieError`` for what is none."""
    if not is_number(value) or not math.isfinite(value):
        raise MovieError(
            f"offset must be a finite number, got {value!r:.60}. Give the number to add to every "
            "stored value, or 0 for the values as they are stored."
        )
    return int(value) if is_whole(value) else float(value)


def check_pixel_size(value: Any) -> tuple[float, ...]:
    """Pixel size in micrometres, ``([dz], dy, dx)``; one number stands for dy and dx.

    Raises
    ------
    MovieError
        It is anything else.
    """
    sizes: Any = (value, value) if is_number(value) else value
    sizes = () if isinstance(sizes, str) or not isinstance(sizes, Iterable) else tuple(sizes)
    if len(sizes) not in (2, 3) or not all(
        is_number(size) and math.isfinite(size) and size > 0 for size in sizes
    ):
        raise MovieError(
            "pixel_size_um must be (dy, dx) or (dz, dy, dx) in micrometres above 0, got "
            f"{value!r:.60}. Give for example 1.2, or (1.2, 1.2)."
        )
    return tuple(float(size) for size in sizes)


def check_frame_rate(value: Any) -> float:
    """Frames (or volumes) per second, as a number or as a text.

    Raises
    ------
    MovieError
        It is none, or not above 0.
    """
    advice = "Give the frames (or volumes) per second of the recording."
    rate: Any = parse_number(value, "The frame rate") if isinstance(value, str) else value
    if not is_number(rate):
        raise MovieError(f"Frame rate must be a number of Hz, got {value!r:.60}. {advice}")
    if not math.isfinite(rate) or rate <= 0:
        raise MovieError(f"Frame rate must be above 0 Hz, got {rate}. {advice}")
    return float(rate)
