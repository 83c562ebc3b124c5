"""Results of one field, and which of their components are the same cells."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._checks import (
    check_callable,
    check_number,
    check_path,
    check_switch,
    is_whole,
    shown,
)
from napari_cnmf.core.matching import Alignment, match_fields
from napari_cnmf.errors import ResultError
from napari_cnmf.io.projects.sample import NWB_FILE, SAMPLE_FILE
from napari_cnmf.io.results import curation_at, result_path
from napari_cnmf.model.components import Components
from napari_cnmf.model.contours import CONTOUR_LEVEL
from napari_cnmf.model.curation import Curatable, Curation, ItemLike, SampleLike, as_curation
from napari_cnmf.model.matching import Match, SessionMatches
from napari_cnmf.model.movie import Movie

if TYPE_CHECKING:
    import pandas as pd


Source = str | Path | Curatable
"""What can be matched: a path, an item, a sample, a curation or components."""


@dataclass(frozen=True, eq=False, repr=False)
class SessionSource:
    """One of the sessions that are matched.

    Attributes
    ----------
    name, path
        Of the result; ``None`` for one in memory.
    components, ids
        The components that take part, and their ids in the result.
    alignment
        How it lies on the first session.
    """

    name: str
    path: Path | None
    components: Components
    ids: NDArray[np.intp]
    alignment: Alignment

    def __repr__(self) -> str:
        return f"<SessionSource {self.name!r}: {len(self.ids)} components>"

    @cached_property
    def aligned(self) -> sp.csc_matrix:
        """Footprints on the first session's field, ``(n_pixels, n)``."""
        return self.alignment.footprints(self.components.A)


@dataclass(frozen=True, eq=False, repr=False)
class MatchedSessions:
    """Sessions and the matches between their cells.

    Attributes
    ----------
    sources
        In order; the first is the reference.
    matches
        Which components are one cell; has the edits.
    settings
        What they were found with.
    """

    sources: tuple[SessionSource, ...]
    matches: SessionMatches
    settings: Mapping[str, Any]

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape of the first session's field, in pixels."""
        return self.sources[0].components.dims

    @property
    def df(self) -> pd.DataFrame:
        """Table of the matches with one row a cell; see `matches_table`."""
        return matches_table(self.matches)

    def __repr__(self) -> str:
        names = ", ".join(source.name for source in self.sources)
        return f"<MatchedSessions: {len(self.matches.cells)} cells over {names}>"

    def _repr_html_(self) -> str:
        """Show how many cells are in how many sessions, the cells, and the first rows."""
        counts = self.df["n_sessions"].value_counts().sort_index(ascending=False)
        said = ", ".join(f"{count} in {n}" for n, count in counts.items())
        names = ", ".join(html.escape(source.name) for source in self.sources)
        picture = base64.b64encode(_picture_of(self)).decode()
        table: str = self.df.head(10).round(2).to_html()
        return (
            f"<p>{len(self.df)} cells over {len(self.sources)} sessions ({names}): "
            f"{said} session(s).</p>"
            f'<img alt="cells by the number of their sessions" '
            f'src="data:image/png;base64,{picture}"/>{table}'
        )

    def labels(self, session: int | str) -> NDArray[np.int32]:
        """Cells of a session on the first one's field: number of the cell + 1, shape ``dims``.

        The session is a number or a name.
        The same cell has the same number in every session.
        """
        session = self._number(session)
        source = self.sources[session]
        numbers = {
            cell.components[session]: number
            for number, cell in self.matches.cells.items()
            if session in cell.components
        }
        out = np.zeros(int(np.prod(self.dims)), np.int32)
        strongest = np.zeros(out.size, np.float32)
        A = source.aligned
        for row, id_ in enumerate(source.ids.tolist()):
            part = slice(A.indptr[row], A.indptr[row + 1])
            pixels, weights = A.indices[part], A.data[part]
            if not weights.size or id_ not in numbers:
                continue
            relative = weights / weights.max()
            wins = (relative >= CONTOUR_LEVEL) & (relative > strongest[pixels])
            out[pixels[wins]] = numbers[id_] + 1
            strongest[pixels[wins]] = relative[wins]
        return out.reshape(self.dims)

    def traces(self, session: int | str, *, movie: Movie | None = None) -> NDArray[np.float32]:
        """Raw traces of all cells on one day, in the order of `df`.

        Parameters
        ----------
        session
            Number or name of the session.
        movie
            Its movie, corrected for motion. With it, cells that were not found on that day get a
            trace too: their mean footprint of the other days is moved to where they must lie,
            and what background and overlapping components leave of the movie there is their
            trace. Without it they are NaN.

        Returns
        -------
        ndarray
            ``(n_cells, n_frames)``, ``C + YrA`` of the cells that were found. NaN for a cell that
            lies outside of the field on that day.

        Raises
        ------
        ResultError
            There is no such session, or the movie is not the one of its result.

        Notes
        -----
        A cell that is silent has a trace of noise about zero. One that is not there, out of focus
        for example, has the same: the trace alone does not tell them apart.
        """
        number = self._number(session)
        source, cells = self.sources[number], self.matches.cells
        components = source.components
        expected = (components.n_frames, *components.dims)
        given: Any = movie.shape if isinstance(movie, Movie) else shown(movie)
        if movie is not None and given != expected:
            raise ResultError(
                f"The movie of {source.name!r} must have the frames and the field of its result "
                f"{expected}, got {given}. Give the movie that the result was made from."
            )
        out = np.full((len(cells), components.n_frames), np.nan, np.float32)
        rows = {int(id_): row for row, id_ in enumerate(source.ids)}
        raw = components.C if components.YrA is None else components.C + components.YrA
        missing = []
        for place, cell in enumerate(cells.values()):
            if number in cell.components:
                out[place] = raw[rows[cell.components[number]]]
            else:
                missing.append(place)
        if movie is None or not missing:
            return out
        from napari_cnmf.core.reestimate import Reestimator
        from napari_cnmf.io.movies import MovieWindow

        listed = list(cells.values())
        there = source.alignment.footprints_in_session(
            sp.hstack([self._mean_footprint(listed[place]) for place in missing]).tocsc()
        )
        estimator = Reestimator(MovieWindow(movie), frame_rate_hz=movie.frame_rate_hz)
        out[missing] = estimator.traces_at(components, there)
        return out

    def _number(self, session: int | str) -> int:
        names = self.matches.sessions
        if isinstance(session, str) and session in names:
            return names.index(session)
        if is_whole(session) and 0 <= int(session) < len(names):
            return int(session)
        raise ResultError(
            f"A session must be a number below {len(names)} or one of {', '.join(names)}, got "
            f"{shown(session)}."
        )

    def _mean_footprint(self, cell: Match) -> sp.csc_matrix:
        """Mean of a cell's footprints on the first field, ``(n_pixels, 1)``."""
        columns = []
        for number, id_ in cell.components.items():
            source = self.sources[number]
            column = source.aligned[:, int(np.flatnonzero(source.ids == id_)[0])]
            norm = float(np.sqrt(column.multiply(column).sum()))
            columns.append(column / norm if norm > 0 else column)
        return sp.csc_matrix(sum(columns[1:], columns[0]) / len(columns))

    def image(self, session: int | str) -> NDArray[np.float32] | None:
        """Image of a session, mean or else correlation, on the first session's field."""
        source = self.sources[self._number(session)]
        images = source.components.images
        name = next((name for name in ("mean", "correlation") if name in images), None)
        return None if name is None else source.alignment.image(images[name])


def match_sessions(
    sources: Sequence[Source],
    *,
    names: Sequence[str] | None = None,
    include_rejected: bool = False,
    max_distance_px: float | None = None,
    min_probability: float = 0.5,
    on_progress: Callable[[int, int], None] | None = None,
) -> MatchedSessions:
    """Find the same cells in several results of one field.

    Parameters
    ----------
    sources
        Two or more results, the reference first: items, samples, curations, components, or paths
        (of CaImAn HDF5, NWB, suite2p, or the folder of an item).
    names
        Of the sessions; by default of the items of a batch, or of the files.
    include_rejected
        Match rejected components too.
    max_distance_px
        Cells whose centres lie farther apart after alignment are different ones; by default twice
        their typical radius.
    min_probability
        Pairs that are the same cell with a lower probability are different cells; see
        ``MatchedSessions.df`` for the probabilities, which are learned from these sessions.
    on_progress
        ``on_progress(done, total)`` over the sessions.

    Raises
    ------
    ResultError
        Fewer than two, fields of different size, or a result that cannot be read.

    Examples
    --------
    >>> matched = nc.match_sessions(["day1.hdf5", "day2.hdf5"])      # doctest: +SKIP
    >>> matched.df                                                    # doctest: +SKIP
    """
    _check_options(sources, names, max_distance_px, min_probability)
    check_switch("include_rejected", include_rejected, ResultError)
    if on_progress is not None:
        check_callable("on_progress", on_progress, ResultError)
    if len(sources) < 2:
        raise ResultError(f"Two or more results can be matched, got {len(sources)}.")
    read = [read_source(source, include_rejected=include_rejected) for source in sources]
    dims = read[0][0].dims
    for (components, _ids, _path), source in zip(read, sources, strict=True):
        if components.dims != dims:
            raise ResultError(
                f"Results of one field must have the same size {dims}, got {components.dims} in "
                f"{source if isinstance(source, str | Path) else 'a result'}. Leave it out."
            )
    found = match_fields(
        [components.A for components, _, _ in read],
        dims,
        images=[components.images for components, _, _ in read],
        max_distance_px=max_distance_px,
        min_probability=min_probability,
        on_progress=on_progress,
    )
    chosen = _names([path for _, _, path in read]) if names is None else list(names)
    sessions = tuple(
        SessionSource(name, path, components, ids, alignment)
        for name, (components, ids, path), alignment in zip(
            chosen, read, found.alignments, strict=True
        )
    )
    cells = [
        _match(row, values, [ids for _, ids, _ in read])
        for row, values in zip(found.table, found.probabilities, strict=True)
    ]
    settings = {
        "max_distance_px": found.max_distance_px,
        "min_probability": min_probability,
        "include_rejected": include_rejected,
    }
    return MatchedSessions(sessions, SessionMatches(chosen, cells), settings)


def _check_options(
    sources: Any, names: Any, max_distance_px: float | None, min_probability: float
) -> None:
    if isinstance(sources, str | Path) or not isinstance(sources, Sized):
        raise ResultError(f"Results to match must be given in a list, got {shown(sources)}.")
    if names is not None and (
        not isinstance(names, Sequence)
        or isinstance(names, str)
        or not all(isinstance(name, str) for name in names)
        or len(set(names)) != len(sources)
        or len(names) != len(sources)
    ):
        raise ResultError(
            f"names must hold a name of its own for each of the {len(sources)} results, got "
            f"{shown(names)}."
        )
    check_number("min_probability", min_probability, ResultError, least=0, most=1)
    if max_distance_px is None:
        return
    advice = "Leave it out to take twice the radius of a cell."
    if check_number("max_distance_px", max_distance_px, ResultError, advice=advice) <= 0:
        raise ResultError(f"max_distance_px must be above 0, got {max_distance_px!r}. {advice}")


def matches_table(matches: SessionMatches) -> pd.DataFrame:
    """Table of the matches with one row a cell.

    Returns
    -------
    DataFrame
        Index ``cell``; ``n_sessions``, ``probability`` (the lowest of its matches), ``state``; for
        each session the id of its component (``<NA>`` where it has none), and
        ``probability <session>``.
    """
    import pandas as pd

    cells = matches.cells
    columns: dict[str, Any] = {
        "n_sessions": [len(cell.components) for cell in cells.values()],
        "probability": [cell.probability for cell in cells.values()],
        "state": [cell.state for cell in cells.values()],
    }
    for number, name in enumerate(matches.sessions):
        ids = [cell.components.get(number) for cell in cells.values()]
        columns[name] = pd.array(ids, dtype="Int64")
    for number, name in enumerate(matches.sessions):
        values = [cell.probabilities.get(number, np.nan) for cell in cells.values()]
        columns[f"probability {name}"] = values
    return pd.DataFrame(columns, index=pd.Index(list(cells), name="cell"))


def read_source(
    source: Source, *, include_rejected: bool
) -> tuple[Components, NDArray[np.intp], Path | None]:
    """Read the components that take part, their ids, and where they come from."""
    path = (
        result_path(check_path("A result", source, ResultError))
        if isinstance(source, str | Path)
        else None
    )
    cur = _opened(source if path is None else path)
    rows = np.arange(len(cur.ids)) if include_rejected else np.flatnonzero(cur.accepted)
    return cur.components.take(rows), cur.ids[rows], path if path is not None else cur.path


def _opened(source: Source) -> Curation:
    if isinstance(source, Components):
        return Curation(source, who="")
    if isinstance(source, Curation | ItemLike | SampleLike):
        return as_curation(source)
    if not isinstance(source, str | Path):
        raise ResultError(
            "Results to match must be items, samples, curations, components or paths, got "
            f"{type(source).__name__}."
        )
    return curation_at(source)


def _match(row: Any, probabilities: Any, ids: Sequence[NDArray[np.intp]]) -> Match:
    there = [int(day) for day in np.flatnonzero(row >= 0)]
    return Match(
        {day: int(ids[day][row[day]]) for day in there},
        {day: float(probabilities[day]) for day in there if np.isfinite(probabilities[day])},
    )


def name_of(path: Path) -> str:
    """Name that a user gives a result: that of its item or sample, else that of its file."""
    if path.name == NWB_FILE and (path.parent / SAMPLE_FILE).is_file():
        return path.absolute().parent.name
    try:
        item = json.loads((path.absolute().parent / "item.json").read_text(encoding="utf-8"))
        return str(item["name"]) or path.stem
    except (OSError, ValueError, KeyError, TypeError):
        return path.stem


def _names(paths: Sequence[Path | None]) -> list[str]:
    """Names of the results: users' own, with folders or numbers where that tells them apart."""
    stems = [f"session {i + 1}" if p is None else name_of(p) for i, p in enumerate(paths)]
    if len(set(stems)) < len(stems):
        stems = [
            stem if path is None else f"{path.absolute().parent.name}/{stem}"
            for stem, path in zip(stems, paths, strict=True)
        ]
    if len(set(stems)) < len(stems):
        stems = [f"{i + 1} {stem}" for i, stem in enumerate(stems)]
    return stems


def _picture_of(matched: MatchedSessions) -> bytes:
    """PNG of all cells on the first field; the colour says in how many sessions a cell is."""
    from matplotlib.figure import Figure

    n_sessions = np.zeros(max(matched.matches.cells, default=0) + 2)
    for number, cell in matched.matches.cells.items():
        n_sessions[number + 1] = len(cell.components)
    image = np.zeros(matched.dims)
    for session in range(len(matched.sources)):
        image = np.maximum(image, n_sessions[matched.labels(session)])
    flat = image if image.ndim == 2 else image.max(axis=0)
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(
        np.ma.masked_equal(flat, 0), cmap="viridis", vmin=1, vmax=max(len(matched.sources), 2)
    )
    figure.colorbar(shown, ax=axes, label="sessions")
    axes.set_axis_off()
    stream = BytesIO()
    figure.savefig(stream, format="png", dpi=80)
    return stream.getvalue()
