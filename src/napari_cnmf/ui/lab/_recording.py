"""What the lab knows of its movie: a sample, and what was measured in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_cnmf.batch.suggesting import Suggestion, sample_of, suggestion_from
from napari_cnmf.core.lab.cells import MeasuredCells, measure_cells
from napari_cnmf.core.lab.decay import Decay, estimate_decay
from napari_cnmf.core.lab.sample import Sample
from napari_cnmf.io.movies import remarks_on
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
    """

    movie: Movie
    sample: Sample
    cells: MeasuredCells
    decay: Decay
    remarks: tuple[str, ...] = ()

    @property
    def frame_rate_hz(self) -> float | None:
        return self.movie.frame_rate_hz

    def suggestion(self, frame_rate_hz: float | None, *, one_photon: bool) -> Suggestion:
        """Parameters that it comes to at a frame rate."""
        return suggestion_from(
            self.cells, self.decay, frame_rate_hz, one_photon=one_photon,
            n_axes=len(self.movie.dims),
        )  # fmt: skip


def look_at(
    layer: Image, plane: int | None, rate_hz: float | None, should_stop: Callable[[], bool]
) -> Recording:
    """Read a sample of a layer's movie and measure it; runs off the GUI thread.

    Parameters
    ----------
    rate_hz
        That was set; the movie's own where it was not.

    Raises
    ------
    CnmfError
        It cannot be read.
    CancelledByUser
        When ``should_stop`` says so.
    """
    from napari_cnmf.core._report import Report

    movie = open_layer(layer)
    sample = sample_of(movie, plane=plane, should_stop=should_stop)
    cells = measure_cells(sample, report=Report(should_stop=should_stop))
    decay = estimate_decay(cells, sample, rate_hz or movie.frame_rate_hz)
    return Recording(movie, sample, cells, decay, tuple(remarks_on(movie)))
