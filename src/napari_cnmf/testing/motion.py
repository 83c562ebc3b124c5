"""How the tissue moves under the microscope."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from napari_cnmf.testing._knobs import Knobs
from napari_cnmf.testing._random import smooth_course, stream

_NODE_SPACING_PER_LENGTH = 0.5
_PAD_PX = 16


class MotionKnobs(Knobs):
    """Rigid and non-rigid displacements, in px."""

    rigid_motion_rms_px: float = Field(0.0, ge=0)
    """Smooth rigid motion: rms of each axis."""
    rigid_motion_timescale_s: float = Field(0.5, gt=0)
    """Smoothness of that path (sd of the smoothing)."""
    jitter_rms_px: float = Field(0.0, ge=0)
    """White rigid motion, new in every frame: rms of each axis."""
    n_jumps: int = Field(0, ge=0)
    """Sudden displacements that last for a while."""
    jump_size_px: float = Field(4.0, ge=0)
    """Length of each jump."""
    jump_duration_s: float = Field(1.0, gt=0)
    """Mean duration of a jump."""
    nonrigid_motion_rms_px: float = Field(0.0, ge=0)
    """Smooth non-rigid field: rms of each axis over field and time."""
    nonrigid_length_px: float = Field(40.0, gt=2)
    """Length scale of that field (sd of the smoothing)."""
    nonrigid_timescale_s: float = Field(0.5, gt=0)
    """Smoothness of that field in time (sd of the smoothing)."""
    bidirectional_offset_px: float = 0.0
    """Every second line is displaced along x by this much."""

    @property
    def moves(self) -> bool:
        """Whether the tissue moves at all."""
        amounts = (self.rigid_motion_rms_px, self.jitter_rms_px, self.nonrigid_motion_rms_px)
        return any(amounts) or (self.n_jumps > 0 and self.jump_size_px > 0)


@dataclass(frozen=True, eq=False)
class Warp:
    """Displacements at a grid of nodes, cubic splines between them.

    Attributes
    ----------
    displacements
        ``(T, nodes_y, nodes_x, 2)`` in px.
    nodes_y, nodes_x
        Where the nodes stand, in px of the field, evenly spaced.
    """

    displacements: NDArray[np.float32]
    nodes_y: NDArray[np.float64]
    nodes_x: NDArray[np.float64]

    def dense(
        self, t: int, rows: NDArray[np.float64], cols: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Displacement in frame ``t`` at ``rows`` x ``cols`` (px): ``(2, n_rows, n_cols)``."""
        at_y = (rows - self.nodes_y[0]) / (self.nodes_y[1] - self.nodes_y[0])
        at_x = (cols - self.nodes_x[0]) / (self.nodes_x[1] - self.nodes_x[0])
        grid = np.meshgrid(at_y, at_x, indexing="ij")
        return np.stack(
            [
                map_coordinates(self.displacements[t, :, :, axis], grid, order=3, mode="nearest")
                for axis in range(2)
            ]
        ).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Motion:
    """Displacements of every frame; ``Truth.shifts`` says which way they point."""

    shifts: NDArray[np.float64]
    warp: Warp | None = None
    bidirectional_offset_px: float = 0.0
    _moving: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_moving", bool(np.any(self.shifts)))

    @property
    def moves(self) -> bool:
        return self._moving or self.warp is not None or self.bidirectional_offset_px != 0

    @property
    def pad_px(self) -> int:
        """Surround that must be rendered so that nothing from outside is missing."""
        if not self.moves:
            return 0
        reach = float(np.abs(self.shifts).max(initial=0.0)) + abs(self.bidirectional_offset_px)
        if self.warp is not None:
            reach += float(np.abs(self.warp.displacements).max(initial=0.0))
        return max(_PAD_PX, int(np.ceil(reach)) + 8)

    def view(self, tissue: NDArray[np.float32], t: int, pad_px: int) -> NDArray[np.float32]:
        """The field as the microscope sees it in frame ``t``.

        Parameters
        ----------
        tissue
            The padded field ``([Z], Y, X)``; only Y and X, and Z by ``shifts``, move.
        """
        if self.warp is not None and tissue.ndim == 2:
            seen = self._warped(tissue, t, pad_px)
        elif self._moving:
            seen = fourier_shift(tissue, self.shifts[t])
        else:
            seen = tissue
        if self.bidirectional_offset_px:
            seen = seen.copy()
            offset = np.zeros(tissue.ndim)
            offset[-1] = self.bidirectional_offset_px
            seen[..., 1::2, :] = fourier_shift(seen, offset)[..., 1::2, :]
        return np.ascontiguousarray(seen[crop(tissue.ndim, pad_px)])

    def _warped(self, tissue: NDArray[np.float32], t: int, pad_px: int) -> NDArray[np.float32]:
        """Cubic B-spline sampling at the positions that are displaced to each pixel."""
        assert self.warp is not None
        rows, cols = (np.arange(n) - float(pad_px) for n in tissue.shape)
        moved = self.warp.dense(t, rows, cols) + self.shifts[t][:, None, None]
        at = np.stack(np.meshgrid(rows, cols, indexing="ij")) + pad_px - moved
        spline = spline_filter(tissue, order=3, mode="mirror", output=np.float32)
        return np.asarray(
            map_coordinates(spline, at, order=3, mode="mirror", prefilter=False, output=np.float32)
        )


def crop(ndim: int, pad_px: int) -> tuple[slice, ...]:
    """Index of the field in its padded surround; planes are never padded."""
    inner = slice(pad_px, -pad_px or None)
    return (slice(None),) * (ndim - 2) + (inner, inner)


def fourier_shift(image: NDArray[np.float32], shift: NDArray[np.float64]) -> NDArray[np.float32]:
    """The image moved by ``shift`` px along each axis, exact for what is band-limited."""
    spectrum = scipy.fft.rfftn(image)
    for axis, amount in enumerate(shift):
        n = image.shape[axis]
        last = axis == image.ndim - 1
        frequency = np.fft.rfftfreq(n) if last else np.fft.fftfreq(n)
        phase = np.exp(-2j * np.pi * frequency * amount)
        if n % 2 == 0:
            # The Nyquist term has no sign: what is left of it in a real image.
            phase[n // 2] = np.cos(np.pi * amount)
        shape = [1] * image.ndim
        shape[axis] = -1
        spectrum *= phase.astype(np.complex64).reshape(shape)
    return np.asarray(scipy.fft.irfftn(spectrum, s=image.shape, overwrite_x=True), dtype=np.float32)


def draw_shifts(
    knobs: MotionKnobs, n_frames: int, frame_rate_hz: float, seed: int
) -> NDArray[np.float64]:
    """Rigid path ``(T, 2)`` in px, of mean 0 except for the jumps."""
    shifts = np.zeros((n_frames, 2))
    if knobs.rigid_motion_rms_px:
        rng = stream(seed, "rigid motion")
        scale = knobs.rigid_motion_timescale_s * frame_rate_hz
        path = smooth_course(rng, 2, n_frames, scale).T.astype(np.float64)
        path -= path.mean(0)
        shifts += knobs.rigid_motion_rms_px * path / np.maximum(path.std(0), 1e-12)
    if knobs.jitter_rms_px:
        shifts += knobs.jitter_rms_px * stream(seed, "jitter").standard_normal((n_frames, 2))
    rng = stream(seed, "jumps")
    for _ in range(knobs.n_jumps):
        start = int(rng.integers(n_frames))
        length = 1 + int(rng.exponential(knobs.jump_duration_s) * frame_rate_hz)
        angle = rng.uniform(0, 2 * np.pi)
        jump = knobs.jump_size_px * np.array([np.sin(angle), np.cos(angle)])
        shifts[start : start + length] += jump
    return shifts


def draw_warp(
    knobs: MotionKnobs, dims: tuple[int, int], n_frames: int, frame_rate_hz: float, seed: int
) -> Warp | None:
    """A smooth random field of displacements, of mean 0 in space in every frame."""
    if not knobs.nonrigid_motion_rms_px:
        return None
    rng = stream(seed, "warp")
    spacing = _NODE_SPACING_PER_LENGTH * knobs.nonrigid_length_px
    margin = 2 * spacing
    nodes_y, nodes_x = (
        np.linspace(-margin, n - 1 + margin, max(4, int(np.ceil((n + 2 * margin) / spacing)) + 1))
        for n in dims
    )
    n_nodes = len(nodes_y) * len(nodes_x) * 2
    scale = knobs.nonrigid_timescale_s * frame_rate_hz
    courses = smooth_course(rng, n_nodes, n_frames, scale)
    nodes = courses.T.reshape(n_frames, len(nodes_y), len(nodes_x), 2)
    step = 1 / _NODE_SPACING_PER_LENGTH
    nodes = gaussian_filter(nodes, (0, step, step, 0), mode="reflect")
    inside = nodes[:, 2:-2, 2:-2]
    # What is common to all of the field is rigid motion, which has knobs of its own.
    nodes = nodes - inside.mean((1, 2), keepdims=True)
    rms = float(np.sqrt(np.mean(nodes[:, 2:-2, 2:-2] ** 2)))
    nodes *= knobs.nonrigid_motion_rms_px / max(rms, 1e-12)
    return Warp(nodes.astype(np.float32), nodes_y, nodes_x)


def make_motion(
    knobs: MotionKnobs, dims: tuple[int, int], n_frames: int, frame_rate_hz: float, seed: int
) -> Motion:
    """Draw the displacements of a recording."""
    return Motion(
        shifts=draw_shifts(knobs, n_frames, frame_rate_hz, seed),
        warp=draw_warp(knobs, dims, n_frames, frame_rate_hz, seed),
        bidirectional_offset_px=knobs.bidirectional_offset_px,
    )
