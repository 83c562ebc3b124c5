"""Writes CaImAn's HDF5, the one export that can be curated further."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_cnmf.errors import ResultError
from napari_cnmf.io.caiman import write_caiman as write_result
from napari_cnmf.io.caiman._state import GROUP, encode_json
from napari_cnmf.io.curation import save_curated
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import as_curation, select, sources_of
from napari_cnmf.io.exports.timeline import Timeline
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    hdf5_kind,
    ignore_progress,
    mark_hdf5,
    new_export,
)
from napari_cnmf.io.full_disk import hdf5_for_writing
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curatable, Curation

CAIMAN_FILE = hdf5_kind("caiman", "CaImAn HDF5 export", group=GROUP)
"""Kind of file that `write_caiman` makes; results of engines are of none."""


@checked_writer
def write_caiman(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = True,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
    movie_path: str | Path | None = None,
) -> Path:
    """Write a result in CaImAn's schema, with the decisions inside.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.hdf5`` or ``.h5``: CaImAn opens nothing else.
    include_rejected
        With them, which is the default, the file holds the engine's components and the journal
        too, and every edit can still be undone. Without them it is a result of the accepted ones
        alone.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.
    movie_path
        The movie the result belongs to, for CaImAn's ``mmap_file``; by default the first file of
        the movie in ``context``.

    Raises
    ------
    ExportError
        The file cannot be written, or something else is there.

    See Also
    --------
    napari_cnmf.io.curation.save_curated
    """
    cur = as_curation(source)
    sources = sources_of(cur, context)
    movie = context.movie
    if movie_path is None and movie is not None and movie.paths:
        movie_path = movie.paths[0]
    n = max(1, cur.components.n_components)

    def on_share(share: float) -> None:
        on_progress(round(share * n), n)

    on_share(0.0)
    with new_export(
        out, (".hdf5", ".h5"), CAIMAN_FILE, overwrite=overwrite, sources=sources
    ) as beside:
        try:
            if include_rejected and isinstance(source, Curation):
                save_curated(source, beside, on_share=on_share)
            else:
                components = _accepted(cur, context) if not include_rejected else cur.components
                write_result(components, beside, movie_path=movie_path, on_share=on_share)
        except ResultError as error:
            if isinstance(error.__cause__, OSError):  # said of `out`, not of the name beside it
                raise error.__cause__ from None
            raise
        _add_session(beside, cur, context)
        mark_hdf5(beside, "caiman", group=GROUP)
    on_share(1.0)
    return Path(out)


def _add_session(path: Path, cur: Curation, context: Context) -> None:
    """Say which frames belong to which file of the session, where that is known."""
    components = cur.original
    timeline = Timeline.of(components.n_frames, components.frame_rate_hz, context.recording)
    if timeline.frames_per_file or timeline.recorded_s is not None:
        with hdf5_for_writing(path, "r+") as file:
            file[GROUP]["session.json"] = encode_json(timeline.as_plain())
            if timeline.recorded_s is not None:
                file[GROUP]["time_s"] = timeline.recorded_s


def _accepted(cur: Curation, context: Context) -> Components:
    """The accepted components as a result of their own."""
    chosen = select(cur, include_rejected=False, context=context)
    attributes: dict[str, Any] = chosen.components.attributes | {
        "component_ids": chosen.ids.tolist(),
    }
    for rows in ("accepted_list", "rejected_list", "unsure_list"):
        attributes.pop(rows, None)  # row numbers of the whole result
    return chosen.components.replace(attributes=attributes)
