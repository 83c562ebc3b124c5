"""Opens a result, whatever names it: an item, a folder or a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_cnmf._checks import check_path
from napari_cnmf.batch.batch import Batch
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.spec import ITEM_FILE
from napari_cnmf.errors import ResultError
from napari_cnmf.io.projects.sample import Sample
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation
from napari_cnmf.model.movie import Movie


def open_result(
    source: str | Path | Item | Sample | Curation | Components,
    *,
    curator: str | None = None,
    open_movie: Callable[[], Movie] | None = None,
) -> Curation:
    """Open a result to look at it and to decide about it.

    Parameters
    ----------
    source
        A CaImAn HDF5 file, the folder of an item, a suite2p folder, an NWB file with a
        segmentation; or an item, or a project's sample. A curation is returned as it is; bare
        components are curated in memory.
    curator
        The name of a second curator, who decides in a journal of their own.
    open_movie
        Opens the movie of a result file, when the first shape is edited. An item knows its own.

    Returns
    -------
    Curation
        Decisions are kept in a journal beside the result, which itself never changes.

    Raises
    ------
    ResultError
        When there is no result at ``source``.

    Examples
    --------
    >>> cur = nc.open_result("memmap_cnmf_results.hdf5")   # doctest: +SKIP
    >>> cur.reject(cur.df.snr < 2)                         # doctest: +SKIP
    """
    from napari_cnmf.io.curation import open_curation
    from napari_cnmf.io.imports import kind_of, open_import

    if isinstance(source, Curation):
        return source
    if isinstance(source, Components):
        return Curation(source, who=curator)
    if isinstance(source, Item):
        return source.result(curator=curator)
    if isinstance(source, Sample):
        source = source.path
    if not isinstance(source, (str, Path)):
        raise ResultError(
            "A result must be a path, an item, a sample, a curation or components, got "
            f"{type(source).__name__}."
        )
    path = check_path("A result", source, ResultError)
    if (path / ITEM_FILE).is_file():
        folder = path.absolute()
        return Item(Batch.open(folder.parents[1]), folder).result(curator=curator)
    if kind_of(path) is not None:
        return open_import(path, curator=curator, open_movie=open_movie)
    if not path.is_file():
        raise ResultError(f"A result file or the folder of an item is needed, got {path}.")
    return open_curation(path, curator=curator, open_movie=open_movie)
