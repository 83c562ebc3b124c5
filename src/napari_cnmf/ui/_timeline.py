"""Controls a viewer's time slider for docks: frames of the result, its peaks, playing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from qtpy.QtCore import QTimer

    from napari_cnmf.ui._session import Session

_BEFORE_S, _AFTER_S = 1.5, 3.0
"""What is played around an event."""
_FALLBACK_HZ = 10.0
"""Speed of playing where nobody says the frame rate."""
_MOST_STEPS_HZ = 25.0
"""Frames are left out rather than shown late."""


class Timeline:
    """Position of the viewer in the recording of the result that is shown."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._timer: QTimer | None = None
        self._started = 0.0
        self._from, self._to, self._back_to = 0, 0, 0

    @property
    def axis(self) -> int | None:
        """Axis of the viewer that is time; ``None`` while no result is shown."""
        result = self._session.result
        if result is None:
            return None
        axis = int(self._session.viewer.dims.ndim) - len(result.components.dims) - 1
        return axis if axis >= 0 else None

    @property
    def rate_hz(self) -> float | None:
        """Frame rate of the result in Hz; ``None`` where it is unknown or none is shown."""
        result = self._session.result
        return None if result is None else result.loaded.frame_rate_hz

    @property
    def n_frames(self) -> int:
        """Number of frames of the result; 0 while none is shown."""
        result = self._session.result
        return 0 if result is None else result.components.n_frames

    @property
    def frame(self) -> int | None:
        """Frame at which the slider stands."""
        axis = self.axis
        if axis is None or not self.n_frames:
            return None
        return min(int(self._session.viewer.dims.current_step[axis]), self.n_frames - 1)

    def go_to(self, frame: int) -> None:
        """Move the slider; outside of the recording to its first or last frame."""
        axis = self.axis
        if axis is not None and self.n_frames:
            step = min(max(int(frame), 0), self.n_frames - 1)
            self._session.viewer.dims.set_current_step(axis, step)

    @property
    def peak(self) -> int | None:
        """Frame of the largest event of the component selected first."""
        result, selection = self._session.result, self._session.selection
        if result is None or not selection or not self.n_frames:
            return None
        trace = result.components.C[selection[0]]
        return int(np.where(np.isfinite(trace), trace, -np.inf).argmax())

    def go_to_peak(self) -> None:
        """Move the slider to the largest event of the selected component."""
        self.stop()
        if self.peak is not None:
            self.go_to(self.peak)

    # -- playing

    @property
    def is_playing(self) -> bool:
        """Whether frames are played now."""
        return self._timer is not None and self._timer.isActive()

    def play_peak(self) -> None:
        """Play what is around the largest event once, as fast as it was; again stops it."""
        if self.is_playing:
            self.stop()
            return
        peak = self.peak
        if peak is None or self.axis is None:
            return
        rate = self.rate_hz or _FALLBACK_HZ
        self._from = max(peak - round(_BEFORE_S * rate), 0)
        self._to = min(peak + round(_AFTER_S * rate), self.n_frames - 1)
        self._back_to = peak
        self._started = time.monotonic()
        if self._timer is None:
            from qtpy.QtCore import QTimer

            self._timer = QTimer()
            self._timer.timeout.connect(self._step)
        self._timer.start(round(1000 / min(rate, _MOST_STEPS_HZ)))
        self.go_to(self._from)

    def stop(self) -> None:
        """Stop playing."""
        if self._timer is not None:
            self._timer.stop()

    def _step(self) -> None:
        if self._session.result is None:
            self.stop()
            return
        rate = self.rate_hz or _FALLBACK_HZ
        frame = self._from + int((time.monotonic() - self._started) * rate)
        if frame > self._to:
            self.stop()
            self.go_to(self._back_to)
        else:
            self.go_to(frame)
