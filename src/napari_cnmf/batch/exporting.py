"""Exports of items: the batch knows the movie, its motion and the history of a result."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from napari_cnmf._checks import check_choice, check_kind, check_path
from napari_cnmf._names import FormatName
from napari_cnmf.batch.inputs import movie_paths
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.spec import ITEM_FILE
from napari_cnmf.engines.base import MOTION_FILE, Algorithm
from napari_cnmf.errors import BatchError, ExportError, MovieError
from napari_cnmf.io import exports
from napari_cnmf.io.exports import Context, MovieIn, Session
from napari_cnmf.io.exports.writing import OnProgress, ignore_progress
from napari_cnmf.io.motion import read_motion
from napari_cnmf.io.projects.sample import Sample
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie


def export(
    source: Item | Sample | Curation | Components | str | os.PathLike[str],
    to: FormatName,
    out: str | Path,
    *,
    include_rejected: bool | None = None,
    overwrite: bool = False,
    movie: Movie | None = None,
    session: Session | None = None,
    movie_in_nwb: MovieIn | str = MovieIn.NOT,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write a result for another program.

    Parameters
    ----------
    source
        An item, a project's sample, a curation, bare components, or the path of a result, of what
        another program wrote, or of an item. Of an item, and of a curation that was opened from
        one, movie, shifts and history are found in the batch; of a sample, animal and session in
        the project's columns.
    to
        ``caiman, nwb, csv, parquet, dandi, npz, mat, suite2p, imagej, labels, params, methods,
        mp4, raster`` or ``correlation``.
    out
        The file, or the folder for ``csv``, ``parquet``, ``suite2p`` and ``dandi``.
    include_rejected
        Write rejected components too; by default they are left out of all formats but ``caiman``.
        Every file says which of its components are rejected.
    overwrite
        Replace an earlier export of the same format; anything else at ``out`` is never replaced.
    movie
        What the components were found in; for ``mp4`` and to go into NWB.
    session
        What NWB asks for and no result knows: start, animal, indicator, wavelengths.
    movie_in_nwb
        ``not``, ``linked`` or ``copied``.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    EarlierExportError
        There is an earlier export, and ``overwrite`` is not set.
    ExportError
        Unknown format, a package or a movie that is missing, a place that cannot be written.

    Examples
    --------
    >>> nc.export(item, "nwb", "movie.nwb")                    # doctest: +SKIP
    >>> nc.export(item.result(), "csv", "tables")              # doctest: +SKIP
    """
    check_path("The place of an export", out, ExportError)
    if isinstance(source, str | os.PathLike):
        source = _at_path(check_path("The source of an export", source, ExportError).absolute())
    check_kind(
        "The source of an export", source, (Item, Sample, Curation, Components), ExportError,
        needed="an item, a sample, a curation, components or a path",
    )  # fmt: skip
    for name, value, kind in (("movie", movie, Movie), ("session", session, Session)):
        needed = f"a {kind.__name__} or None"
        check_kind(name, value, (kind, type(None)), ExportError, needed=needed)
    context = context_for(source, movie=movie, session=session, movie_in_nwb=movie_in_nwb)
    if isinstance(source, Item):
        result: Curation | Components = source.result()
    else:
        result = source.curation() if isinstance(source, Sample) else source
    return exports.export(
        result,
        to,
        out,
        include_rejected=include_rejected,
        overwrite=overwrite,
        context=context,
        on_progress=on_progress,
    )


def _at_path(path: Path) -> Item | Curation:
    """The item in a folder, or the result in a file with its decisions."""
    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.io.results import curation_at

    if (path / ITEM_FILE).is_file():
        return Item(Batch.open(path.parents[1]), path)
    return curation_at(path)


def context_for(
    source: Item | Sample | Curation | Components,
    *,
    movie: Movie | None = None,
    session: Session | None = None,
    movie_in_nwb: MovieIn | str = MovieIn.NOT,
) -> Context:
    """The surroundings of a result: what the batch knows, and what is given; as in `export`."""
    if isinstance(source, Sample):
        context = Context(session=source.session)
    else:
        item = source if isinstance(source, Item) else _item_of(source)
        context = Context() if item is None else context_of(item)
    return replace(
        context,
        movie=movie if movie is not None else context.movie,
        session=session if session is not None else context.session,
        movie_in_nwb=_checked(movie_in_nwb),
    )


def _checked(movie_in_nwb: MovieIn | str) -> MovieIn:
    return MovieIn(check_choice("movie_in_nwb", movie_in_nwb, MovieIn, ExportError))


def context_of(item: Item) -> Context:
    """Collect what the batch knows around an item's result, without what is not there any more."""
    context = Context()
    with suppress(BatchError):
        context = replace(context, history=item.history_trace)
    with suppress(MovieError, BatchError):
        context = replace(context, movie=item.movie())
    with suppress(MovieError, BatchError):
        root = _motion_correction_of(item) or item
        context = replace(context, recorded=root.input_movie())
    with suppress(BatchError):
        corrected = _motion_correction_of(item)
        path = None if corrected is None else corrected.folder / MOTION_FILE
        if corrected is not None and path is not None and path.is_file():
            spec = corrected.spec.movie
            files = () if spec is None else movie_paths(item.batch.path, spec)
            uncorrected = tuple(path for path in files if path.is_file())
            context = replace(context, motion=read_motion(path), uncorrected_paths=uncorrected)
    return context


def _motion_correction_of(item: Item) -> Item | None:
    """The nearest motion correction in the item's chain."""
    link: Item | None = item
    while link is not None and link.algorithm is not Algorithm.MCORR:
        link = link.parent
    return link


def _item_of(source: Curation | Components) -> Item | None:
    """The item whose result was opened as this curation."""
    if not isinstance(source, Curation) or source.path is None:
        return None
    folder = source.path.absolute().parent
    if not (folder / ITEM_FILE).is_file():
        return None
    from napari_cnmf.batch.batch import Batch

    with suppress(BatchError):
        return Item(Batch.open(folder.parents[1]), folder)
    return None
