"""Recording of the lab: a sample of its movie, and what was measured in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cnmf.batch.suggesting import Suggestion, sample_of, suggestion_from
from napari_cnmf.core.lab.cells import MeasuredCells, measure_cells
from napari_cnmf.core.lab.decay import Decay, estimate_decay
from napari_cnmf.core.lab.volume import measure_volume
from napari_cnmf.core.movie.sample import Sample, take_volume_sample
from napari_cnmf.io.movies import MovieWindow, remarks_on
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui.lab._stage import open_layer

if TYPE_CHECKING:
    from napari.layers import Image


@dataclass(frozen=True, eq=False)
class Recording:
    """A movie, a sample of it, and the clearest cells of that.

    Attributes
    ----------
    frame_rate_hz
        Of the metadata; ``None`` when they do not say.
    remarks
        What is odd about the movie's frames, in sentences.
    volume
        The clearest cells of a volume, followed along z; ``cells`` are those of ``sample``, which
        is of one plane.
    """

    movie: Movie
    sample: Sample
    cells: MeasuredCells
    decay: Decay
    remarks: tuple[str, ...] = ()
    volume: MeasuredCells | None = None

    @property
    def frame_rate_hz(self) -> float | None:
        """Frame rate of the movie in Hz; ``None`` where it is unknown."""
        return self.movie.frame_rate_hz

    def suggestion(self, frame_rate_hz: float | None, *, one_photon: bool) -> Suggestion:
        """Suggest parameters at a frame rate."""
        cells = self.cells if self.volume is None else self.volume
        return suggestion_from(cells, self.decay, frame_rate_hz, one_photon=one_photon)


def look_at(
    layer: Image,
    plane: int | None,
    rate_hz: float | None,
    should_stop: Callable[[], bool],
    volume: MeasuredCells | None = None,
    *,
    one_photon: bool = False,
) -> Recording:
    """Read a sample of a layer's movie and measure it; runs off the GUI thread.

    Parameters
    ----------
    rate_hz
        That was set; the movie's own where it was not.
    volume
        What was measured of the same volume before: its cells are the same in every plane.
    one_photon
        Whether what is larger than cells may be brighter than they are.

    Raises
    ------
    CnmfError
        It cannot be read.
    CancelledByUser
        When ``should_stop`` says so.
    """
    from napari_cnmf.core.base.reports import Report

    movie = open_layer(layer)
    sample = sample_of(movie, plane=plane, should_stop=should_stop)
    report = Report(should_stop=should_stop)
    if len(movie.dims) == 3 and volume is None:
        volume = measure_volume(
            take_volume_sample(MovieWindow(movie), report=report), report, one_photon=one_photon
        )
    start = None if volume is None else volume.typical_radius_px
    cells = measure_cells(sample, start, report, one_photon=one_photon)
    decay = estimate_decay(cells, sample, rate_hz or movie.frame_rate_hz)
    return Recording(movie, sample, cells, decay, tuple(remarks_on(movie)), volume)
