"""Re-estimates edited components of a result on disk, whose movie is opened when needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.errors import CurationError, MovieError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import EditedComponent
from napari_cnmf.model.movie import Movie

if TYPE_CHECKING:
    from napari_cnmf.core.reestimate import Reestimator


class MovieEstimator:
    """An ``Estimator`` that opens the movie at the first edit of a shape.

    Parameters
    ----------
    open_movie
        Opens the movie; ``None`` where there is none. Where it is missing the model stands in
        for it as far as it can, and what needs pixels says why the movie could not be opened.
    """

    def __init__(self, open_movie: Callable[[], Movie] | None = None) -> None:
        self._open_movie = open_movie
        self._estimator: Reestimator | None = None
        self._problem = ""

    def merge(self, components: Components, rows: NDArray[np.intp]) -> EditedComponent:
        """Estimate one component in place of those in ``rows``."""
        return self._ready(components).merge(components, rows)

    def split(
        self, components: Components, row: int, parts: Sequence[NDArray[np.int64]] | None
    ) -> list[EditedComponent]:
        """Estimate several components in place of one."""
        try:
            return self._ready(components).split(components, row, parts)
        except CurationError as error:
            raise self._explained(error) from error

    def add(self, components: Components, pixels: NDArray[np.int64]) -> EditedComponent:
        """Estimate a new component inside C-order ``pixels``."""
        try:
            return self._ready(components).add(components, pixels)
        except CurationError as error:
            raise self._explained(error) from error

    def find(self, components: Components, pixels: NDArray[np.int64]) -> list[EditedComponent]:
        """Find new components inside C-order ``pixels`` of the residual."""
        try:
            return self._ready(components).find(components, pixels)
        except CurationError as error:
            raise self._explained(error) from error

    def raw_trace(
        self, components: Components, pixels: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """Mean of the movie over some pixels ``(n_frames,)``; ``None`` where it is missing."""
        return self._ready(components).raw_trace(components, pixels)

    def redraw(
        self, components: Components, row: int, pixels: NDArray[np.int64]
    ) -> EditedComponent:
        """Estimate the component in ``row`` inside other C-order ``pixels``."""
        return self._ready(components).redraw(components, row, pixels)

    def _ready(self, components: Components) -> Reestimator:
        if self._estimator is None:
            # The engine's kernels take a moment to load: only those who edit shapes wait for it.
            from napari_cnmf.core.reestimate import Reestimator
            from napari_cnmf.io.movies import MovieWindow

            movie = self._movie(components)
            if movie is None:
                # Asked again at the next edit: the movie may have been put back.
                return Reestimator(None)
            self._estimator = Reestimator(MovieWindow(movie), frame_rate_hz=movie.frame_rate_hz)
        return self._estimator

    def _movie(self, components: Components) -> Movie | None:
        self._problem = ""
        if self._open_movie is None:
            return None
        try:
            movie = self._open_movie()
        except MovieError as error:
            self._problem = str(error)
            return None
        expected = (components.n_frames, *components.dims)
        if movie.shape != expected:
            self._problem = f"{movie.name} has shape {movie.shape}, the result {expected}."
            return None
        return movie

    def _explained(self, error: CurationError) -> CurationError:
        return CurationError(f"{error} {self._problem}") if self._problem else error
