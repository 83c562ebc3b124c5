"""A scene: everything that is decided before the first frame is rendered.

    frame(t) = detector( light * move( brightness(t) * (rest (1 + wave(t)) + A C(t) + b f(t)), t) )

Frames are rendered one by one and each has random numbers of its own, so that
a movie does not depend on how it is cut into chunks nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.testing._displacement import Motion
from napari_cnmf.testing._stage import Stage
from napari_cnmf.testing.detector import DetectorKnobs

_FLASH = 8.0
_DARKEST_UNITS = 0.02

Wave = Callable[[int], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything in front of the microscope, on the padded field of its stage.

    Attributes
    ----------
    stage
        Field, surround and clock.
    rest
        ``(n_padded,)`` float32.
    sources, source_traces
        CSR ``(n_padded, n_sources)`` and ``(T, n_sources)``: cells, then processes.
    patterns, courses
        ``(nb, n_padded)`` and ``(T, nb)``.
    brightness, fault
        ``(T,)``; see ``illumination``.
    light
        ``(Y, X)`` or ``None``: does not move with the tissue.
    wave
        Relative change of the resting fluorescence in frame ``t``, ``(n_padded,)``; or ``None``.
    """

    stage: Stage
    rest: NDArray[np.float32]
    sources: sp.csr_matrix
    source_traces: NDArray[np.float32]
    patterns: NDArray[np.float32]
    courses: NDArray[np.float32]
    brightness: NDArray[np.float64]
    fault: NDArray[np.str_]
    light: NDArray[np.float32] | None
    motion: Motion
    detector: DetectorKnobs
    wave: Wave | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(T, [Z], Y, X)`` of the movie."""
        return (self.stage.n_frames, *self.stage.dims)

    def fluorescence(self, t: int) -> NDArray[np.float32]:
        """Render frame ``t`` without noise, in units of fluorescence, shape ``dims``."""
        tissue = self.sources @ self.source_traces[t]
        tissue += self.rest if self.wave is None else self.rest * (1 + self.wave(t))
        if len(self.patterns):
            # Not a BLAS product: its threads would fight with those that render frames.
            tissue += np.einsum("b,bp->p", self.courses[t], self.patterns)
        tissue *= np.float32(self.brightness[t])
        field = tissue.reshape(self.stage.padded)
        if self.motion.moves:
            field = self.motion.view(field, t, self.stage.pad)
        field = field[self.stage.inner]
        if self.light is not None:
            field = field * self.light
        return self._with_fault(np.maximum(field, np.float32(_DARKEST_UNITS)), str(self.fault[t]))

    def _with_fault(self, field: NDArray[np.float32], fault: str) -> NDArray[np.float32]:
        if not fault:
            return field
        if fault == "flash":
            return field * np.float32(_FLASH)
        level = {"black": 0.0, "noise": float(field.mean()), "saturated": 1e6}[fault]
        return np.full(field.shape, level, dtype=np.float32)

    def frame(self, t: int) -> NDArray[np.uint16]:
        """Render frame ``t`` as it is recorded, in counts, shape ``dims``."""
        return self.detector.expose(self.fluorescence(t), self.stage.seed, t)

    def render(
        self, start: int, stop: int, out: NDArray[np.uint16] | None = None, n_threads: int = 2
    ) -> NDArray[np.uint16]:
        """Render frames ``start`` to ``stop`` ``(n, [Z], Y, X)``, into ``out`` where given."""
        frames = np.empty((stop - start, *self.stage.dims), np.uint16) if out is None else out

        def fill(t: int) -> None:
            frames[t - start] = self.frame(t)

        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(fill, range(start, stop)))
        return frames
