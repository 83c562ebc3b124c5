"""Imports results of other programs, to be curated here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_cnmf._checks import check_path
from napari_cnmf.errors import ResultError
from napari_cnmf.io.curation import FileSeenIds, MovieEstimator, journal_paths, own_journal
from napari_cnmf.io.curation.arrays import FileArrayStore
from napari_cnmf.io.curation.continued import ContinuedJournal
from napari_cnmf.io.imports.found import Imported
from napari_cnmf.io.imports.kinds import Kind, kind_of
from napari_cnmf.model.curation import Curation, Journal
from napari_cnmf.model.movie import Movie

__all__ = ["Imported", "Kind", "import_result", "kind_of", "open_import", "read_import"]


def read_import(path: str | Path, *, plane: int | str | None = None) -> Imported:
    """Read a suite2p folder or an NWB file with a segmentation.

    Parameters
    ----------
    path
        A suite2p folder, one of its planes, or the ``stat.npy`` in it; or a ``.nwb`` file.
    plane
        Which plane of a suite2p folder with several; which table of an NWB file with several, by
        its name, or by its number in alphabetical order.

    Raises
    ------
    ResultError
        It is neither, or is damaged.
    """
    path = check_path("A result of another program", path, ResultError)
    kind = kind_of(path)
    if kind is Kind.SUITE2P:
        from napari_cnmf.io.imports.suite2p import read_suite2p

        if isinstance(plane, str):
            raise ResultError(f"A plane of suite2p is named by its number, got {plane!r}.")
        return read_suite2p(path, plane=plane)
    # a damaged NWB file, or one without a segmentation, is told what is wrong with it
    if kind is Kind.NWB or (path.suffix.lower() == ".nwb" and path.is_file()):
        from napari_cnmf.io.imports.nwb import read_nwb

        return read_nwb(path, table=plane)
    raise ResultError(
        "A suite2p folder (with stat.npy, F.npy and ops.npy) or an NWB file with a segmentation "
        f"is needed, got {path}."
    )


def open_import(
    path: str | Path,
    *,
    plane: int | str | None = None,
    curator: str | None = None,
    open_movie: Callable[[], Movie] | None = None,
) -> Curation:
    """Curate what another program found, without a copy of it.

    The journal lies beside the NWB file, or beside ``stat.npy``; the program's own files stay as
    they are. Decisions, tags and notes of an NWB file that we wrote are the first edits of the
    history.

    Raises
    ------
    ResultError
        As `read_import`.

    See Also
    --------
    import_result : as a file of our own.
    """
    found = read_import(path, plane=plane)
    beside = found.path
    if plane is not None and kind_of(found.path) is Kind.NWB:
        # each table of one file has a journal of its own
        table = found.components.attributes["history_trace"][-1]["params"]["table"]
        table = table.replace("/", "-")
        beside = found.path.with_name(f"{found.path.stem}-{table}{found.path.suffix}")
    lines_path, arrays_path = journal_paths(beside, curator=curator)
    own = own_journal(found.components, lines_path, arrays_path)
    journal: Journal = own.journal
    lines = found.journal_lines()
    if lines:
        journal = ContinuedJournal(lines, journal, found.components.n_components)
    return Curation(
        found.components,
        journal=journal,
        arrays=FileArrayStore(own.arrays_path),
        seen=FileSeenIds(own.seen_path),
        estimator=MovieEstimator(open_movie),
        who=curator,
        path=found.path,
        journal_remark=own.remark,
    )


def import_result(
    path: str | Path,
    out: str | Path,
    *,
    plane: int | str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write what another program found as a CaImAn HDF5 result.

    Its ``history_trace`` begins with a step ``import`` that names program, version, file and
    settings.

    Parameters
    ----------
    path
        Folder of suite2p, or an NWB file.
    out
        File that ends in ``.hdf5`` or ``.h5``.
    plane
        Plane of a suite2p folder with several.
    overwrite
        Replace a file that was imported or exported earlier; anything else at ``out`` is never
        replaced.

    Raises
    ------
    ResultError
        As `read_import`.
    ExportError
        The file cannot be written, or something else is there.
    """
    from napari_cnmf.io.exports import write_caiman

    curation = read_import(path, plane=plane).curation()
    return write_caiman(curation, out, overwrite=overwrite)
