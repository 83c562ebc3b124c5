"""Channels and planes whose images follow each other in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._recording import Recording, fact_of_channels
from napari_cnmf.io.movies._request import ChannelUnknownError, Request
from napari_cnmf.io.movies._stores import pick_frames


@dataclass(frozen=True)
class Cycle:
    """Images of one time point: planes in order, each in all channels, then flyback images.

    Attributes
    ----------
    n_channels
        Channels, which change fastest.
    n_planes
        Planes of a volume.
    n_flyback
        Images (each in all channels) after the last plane that show none.
    """

    n_channels: int = 1
    n_planes: int = 1
    n_flyback: int = 0

    @property
    def n_images(self) -> int:
        """Number of images of one time point."""
        return self.n_channels * (self.n_planes + self.n_flyback)

    def check_channel(self, channel: int | None) -> int:
        """Check and return the channel to open.

        Raises
        ------
        ChannelUnknownError
            There are several and none was chosen.
        MovieError
            There is no such channel.
        """
        n = self.n_channels
        if channel is None and n > 1:
            raise ChannelUnknownError(
                f"One of {n} interleaved channels must be chosen. Choose it with channel=0 to "
                f"channel={n - 1}.",
                n,
            )
        if not 0 <= (channel or 0) < n:
            raise MovieError(
                f"channel must be between 0 and {n - 1}, got {channel}: n_channels is {n}."
            )
        return channel or 0

    def arrange(
        self, n_images: int, name: str, *, is_last: bool
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Numbers of the images ``(T, n_planes, n_channels)``, and those that are left out.

        Parameters
        ----------
        is_last
            Of the files of a session: an incomplete time point at its end is left out. In the
            middle it would be unclear what the next file begins with.

        Raises
        ------
        MovieError
            The images are no whole number of time points.
        """
        extra = n_images % self.n_images
        if n_images < self.n_images or (extra and not is_last):
            raise MovieError(
                f"{name} must hold a multiple of {self.n_images} frames for {self._text()}, got "
                f"{n_images}. Check {self._options()}, or leave the file out."
            )
        n_times = n_images // self.n_images
        shape = (n_times, self.n_planes + self.n_flyback, self.n_channels)
        numbers = np.arange(n_times * self.n_images, dtype=np.int64).reshape(shape)
        remarks = []
        if extra:
            remarks.append(
                f"{name} holds {n_images} frames, no multiple of {self.n_images}: the incomplete "
                f"set at its end ({extra} of {self.n_images} {self._kinds()}) is left out."
            )
        return numbers[:, : self.n_planes], remarks

    def _kinds(self) -> str:
        return "channels" if self.n_planes == 1 and not self.n_flyback else "images"

    def _text(self) -> str:
        parts = []
        if self.n_channels > 1 or self.n_planes == 1:
            parts.append(f"{self.n_channels} interleaved channels")
        if self.n_planes > 1:
            parts.append(f"{self.n_planes} planes")
        if self.n_flyback:
            parts.append(f"{self.n_flyback} flyback images")
        return ", ".join(parts)

    def _options(self) -> str:
        given = {"n_channels": self.n_channels > 1 or self.n_planes == 1}
        given |= {"n_planes": self.n_planes > 1, "n_flyback": self.n_flyback > 0}
        return ", ".join(name for name, is_given in given.items() if is_given)

    @classmethod
    def of_request(cls, request: Request) -> Cycle:
        """Cycle that the user names."""
        return cls(request.n_channels or 1, request.n_planes or 1, request.n_flyback or 0)

    def of(
        self, recording: Recording, channel: int | None, name: str, *, is_last: bool
    ) -> Recording:
        """Recording of one channel of a recording whose frames are images in turn."""
        chosen = self.check_channel(channel)
        if self.n_planes > 1 and len(recording.store.shape) == 4:
            raise MovieError(
                f"n_planes must be left out for {name}, got {self.n_planes}: the file says itself "
                f"that it has {recording.store.shape[1]} planes."
            )
        numbers, remarks = self.arrange(recording.store.shape[0], name, is_last=is_last)
        mine = numbers[:, :, chosen]
        metadata = {k: v for k, v in recording.metadata.items() if k != "frame_rate_from"}
        facts = dict(recording.facts)
        if self.n_channels > 1:
            names = [f"channel {k}" for k in range(self.n_channels)]
            facts["channels"] = fact_of_channels(names, chosen, "you")
        # What the file notes as its rate counts the frames of all channels, or not: nobody knows.
        return replace(
            recording,
            store=pick_frames(recording.store, mine if self.n_planes > 1 else mine[:, 0]),
            metadata=metadata | {"channel": chosen},
            frame_rate_hz=None,
            time_s=None if recording.time_s is None else recording.time_s[mine[:, 0]],
            start=None if recording.start is None else recording.start.later(0.0),
            facts=facts,
            remarks=(*recording.remarks, *remarks),
        )
