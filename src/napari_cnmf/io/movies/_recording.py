"""What every format gives, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._stores import FrameStore


@dataclass(frozen=True)
class Request:
    """What the user says about a file beyond its name.

    Attributes
    ----------
    axes
        One letter per axis of the stored array, for example ``"TZCYX"``.
    dataset
        Name of the array inside HDF5, NWB or zarr.
    channel
        Which channel, counted from 0.
    n_channels
        Channels whose frames alternate in a file that has no axis for them.
    """

    axes: str | None = None
    dataset: str | None = None
    channel: int | None = None
    n_channels: int | None = None

    def told(self) -> dict[str, Any]:
        """What was said, by the names of `open_movie`."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Recording:
    """Frames and what their file says about them.

    Attributes
    ----------
    store
        The frames.
    frame_rate_hz
        Of frames, or of volumes where there are planes; ``None`` when the file does not say.
    spacing_um
        Pixel size by axis letter; letters that the file does not give are missing.
    metadata
        What else the file says, as plain values.
    """

    store: FrameStore
    frame_rate_hz: float | None = None
    spacing_um: Mapping[str, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def pixel_size_um(self) -> tuple[float, ...] | None:
        """``([dz], dy, dx)``; ``None`` when one of them is unknown."""
        axes = "ZYX"[-(len(self.store.shape) - 1) :]
        if not all(axis in self.spacing_um for axis in axes):
            return None
        return tuple(float(self.spacing_um[axis]) for axis in axes)


def positive_or_none(value: object) -> float | None:
    """A finite number above 0, or ``None``: metadata often holds 0 or text for unknown."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def checked_dtype(dtype: np.dtype[Any], name: str) -> np.dtype[Any]:
    """``dtype`` if frames can have it: any integer or real float."""
    if dtype.kind not in "uif":
        raise MovieError(
            f"Frames must be integers or real numbers, got {dtype} in {name}. "
            "Convert them, for example to float32."
        )
    return dtype
