"""Suggests parameters from a movie: the parameter lab without a screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_cnmf._checks import check_kind, check_switch
from napari_cnmf.batch.inputs import MovieLike, to_movie
from napari_cnmf.batch.item import Item
from napari_cnmf.core.base.reports import ProgressCallback, StopCallback
from napari_cnmf.core.lab.cells import MeasuredCells, measure_cells
from napari_cnmf.core.lab.decay import Decay, estimate_decay
from napari_cnmf.core.lab.volume import measure_volume
from napari_cnmf.core.movie.sample import Sample, take_sample, take_volume_sample
from napari_cnmf.errors import ParameterError
from napari_cnmf.io.movies import MovieWindow, remarks_on
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams
from napari_cnmf.params.cell_size import CellSize, size_of_half_height
from napari_cnmf.params.volume_sizes import set_all

_MOTION_BINS = 200
"""Means of frames in which motion is looked for, at most; noise hides it in single frames."""
_MOTION_SIDE_PX = 128


@dataclass(frozen=True, eq=False)
class Suggestion:
    """Parameters that a sample of a movie suggests.

    Attributes
    ----------
    size
        gSig and gSiz; ``None`` where too few clear cells were found.
    radius_px
        Half-width of the typical cell at half height, in a plane.
    depth_px
        The same along z, in planes; ``None`` in a plane, and where the volume does not show it.
    n_cells
        Cells that it rests on.
    frame_rate_hz
        From the movie's metadata or from ``params``; ``None`` where neither says.
    decay_time_s
        Measured; ``None`` where it cannot be told or the frame rate is not known.
    decay_frames
        The same in frames.
    remarks
        What is odd about the movie's frames, in sentences.
    motion
        How far the field moves, in a sentence; empty where it is still, and for volumes.
    radius_error_px
        Standard error of ``radius_px``, from how much the cells differ; ``None`` without it.
    decay_reason
        Why the decay time cannot be told, in a sentence; empty where it is.
    """

    size: CellSize | None
    radius_px: float | None
    n_cells: int
    frame_rate_hz: float | None
    decay_time_s: float | None
    decay_frames: float | None
    depth_px: float | None = None
    remarks: tuple[str, ...] = ()
    motion: str = ""
    radius_error_px: float | None = None
    decay_reason: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that could be measured, such as ``{"init.gSig": (4, 4), ...}``."""
        found: dict[str, Any] = {}
        if self.size is not None:
            found |= {"init.gSig": self.size.gSig, "init.gSiz": self.size.gSiz}
        if self.frame_rate_hz is not None:
            found["data.fr"] = self.frame_rate_hz
        if self.decay_time_s is not None:
            found["data.decay_time"] = round(self.decay_time_s, 2)
        return found

    def applied_to(self, params: CNMFParams) -> CNMFParams:
        """Parameters with what could be measured; of a volume all sizes have three numbers."""
        return set_all(params, self.settings)


def suggest(
    movie: MovieLike | Item,
    *,
    one_photon: bool = False,
    params: CNMFParams | Mapping[str, Any] | None = None,
    open_with: Mapping[str, Any] | None = None,
) -> Suggestion:
    """Measure cell size and decay time on a sample of a movie, a plane or a volume.

    Parameters
    ----------
    movie
        As for `Batch.add`; a motion correction gives its corrected movie. Motion blurs cells:
        correct it first.
    one_photon
        gSig as one-photon methods understand it.
    params
        Whose ``data.fr`` counts where it is set.

    Raises
    ------
    MovieError
        It cannot be opened.
    """
    check_switch("one_photon", one_photon, ParameterError)
    options = (Mapping, type(None))
    check_kind("open_with", open_with, options, ParameterError, needed="a dict or None")
    opened = movie.movie() if isinstance(movie, Item) else to_movie(movie, **(open_with or {}))
    given = params if isinstance(params, CNMFParams) else CNMFParams.from_any(
        {} if params is None else params
    )  # fmt: skip
    rate = given.data.fr or opened.frame_rate_hz
    if len(opened.dims) == 3:
        volume = take_volume_sample(MovieWindow(opened))
        cells, sample = measure_volume(volume, one_photon=one_photon), volume.planes[0]
    else:
        sample = sample_of(opened)
        cells = measure_cells(sample, one_photon=one_photon)
    found = suggestion_from(cells, estimate_decay(cells, sample, rate), rate, one_photon=one_photon)
    motion = "" if len(opened.dims) == 3 else describe_motion(sample)
    return replace(found, remarks=tuple(remarks_on(opened)), motion=motion)


def describe_motion(sample: Sample) -> str:
    """Sentence on how far the field moves in a sample; empty where it stands still."""
    from napari_cnmf.core.motion.stillness import residual_shifts, stillness_warning

    n = len(sample.frames)
    per_bin = max(1, n // _MOTION_BINS)
    side = [slice(max(0, (size - _MOTION_SIDE_PX) // 2), None) for size in sample.dims]
    y, x = (slice(part.start, part.start + _MOTION_SIDE_PX) for part in side)
    frames = np.asarray(sample.frames[: n // per_bin * per_bin, y, x], np.float32)
    means = frames.reshape(-1, per_bin, *frames.shape[1:]).mean(axis=1)
    if len(means) < 3:
        return ""
    # Noise of the means: half the variance of what differs from one frame to the next.
    noise = np.sqrt(np.square(np.diff(frames, axis=0)).mean(axis=0) / (2 * per_bin))
    shifts = residual_shifts(
        np.moveaxis(means, 0, -1)[np.newaxis], np.maximum(noise, 1e-6)[np.newaxis]
    )
    return stillness_warning(shifts * sample.binning, per_bin) or ""


def sample_of(
    movie: Movie,
    *,
    plane: int | None = None,
    on_progress: ProgressCallback | None = None,
    should_stop: StopCallback | None = None,
) -> Sample:
    """A sample of a movie; of a volume one plane, the middle one if none is given."""
    from napari_cnmf.core.base.reports import Report, never_stop, no_progress

    report = Report(on_progress=on_progress or no_progress, should_stop=should_stop or never_stop)
    return take_sample(MovieWindow(movie), plane=plane, report=report)


def suggestion_from(
    cells: MeasuredCells,
    decay: Decay,
    frame_rate_hz: float | None,
    *,
    one_photon: bool,
) -> Suggestion:
    """Make the suggestion that measurements lead to.

    Of cells of a volume, no size is suggested where their depth cannot be told.
    """
    radius, depth = cells.typical_radius_px, cells.typical_depth_px
    size = None
    if radius is not None and (cells.depth_px is None or depth is not None):
        size = size_of_half_height(radius, one_photon=one_photon, depth_px=depth)
    return Suggestion(
        size=size,
        radius_px=radius,
        n_cells=len(cells.radius_px),
        frame_rate_hz=frame_rate_hz,
        decay_time_s=None if frame_rate_hz is None else decay.seconds(frame_rate_hz),
        decay_frames=decay.frames,
        depth_px=depth,
        radius_error_px=cells.radius_error_px,
        decay_reason=decay.why_unknown,
    )
