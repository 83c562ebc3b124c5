"""CaImAn HDF5: the one export that can be curated further."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import as_curation, select
from napari_cnmf.io.exports.writing import PathLike
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation


def export_caiman(
    source: Curation | Components,
    out: PathLike,
    *,
    include_rejected: bool = True,
    context: Context = NOTHING_KNOWN,
) -> Path:
    """Write CaImAn's schema with the decisions inside.

    Parameters
    ----------
    include_rejected
        With them the file holds the engine's components and the journal too, and every edit can
        still be undone. Without them it is a result of the accepted ones alone.

    See Also
    --------
    napari_cnmf.io.curation.save_curated
    """
    if include_rejected:
        return write_caiman(as_curation(source), Path(out))
    chosen = select(source, include_rejected=False)
    attributes = chosen.components.attributes | {"component_ids": chosen.ids.tolist()}
    for rows in ("accepted_list", "rejected_list", "unsure_list"):
        attributes.pop(rows, None)  # row numbers of the whole result
    movie = context.movie.paths[0] if context.movie is not None and context.movie.paths else None
    return write_caiman(
        chosen.components.replace(attributes=attributes), Path(out), movie_path=movie
    )
