"""Writes NWB files named, and completed, as the DANDI archive asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from napari_cnmf._portable import expand_home
from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context, MovieIn, Session
from napari_cnmf.io.exports.nwb import write_nwb
from napari_cnmf.io.exports.writing import OnProgress, PathLike, checked_writer, ignore_progress
from napari_cnmf.model.curation import Curatable

_NEEDED = {
    "subject_id": "the animal's id",
    "species": "the species in Latin, such as 'Mus musculus'",
    "sex": "the sex: M, F, U or O",
    "age": "the age as ISO 8601 duration, such as P90D",
    "start": "the start of the session",
}
_FORBIDDEN = re.compile(r"[_*\\/<>:|\"'?%@;,.\s]+")
"""What DANDI replaces in names; an underscore separates the parts of one."""
_SPECIES = re.compile(
    r"[A-Z][a-z]+ [a-z]+( [a-z]+)*|https?://purl\.obolibrary\.org/obo/NCBITaxon_\d+"
)
_AGE = re.compile(r"P(?!$)(\d+(\.\d+)?Y)?(\d+(\.\d+)?M)?(\d+(\.\d+)?W)?(\d+(\.\d+)?D)?(T.+)?(/.*)?")


@checked_writer
def write_dandi(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write an NWB file into a Dandiset's folder, under the name that DANDI gives it.

    The file is ``sub-<animal>/sub-<animal>_ses-<session>_ophys.nwb`` below ``out``. Other files of
    the folder, such as ``dandiset.yaml`` and other sessions, stay as they are. Where the package
    dandi is installed (``pip install "napari-cnmf[dandi]"``) it checks the name. Uploading is left
    to you: ``dandi upload`` in that folder.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        Folder of the Dandiset; it is made where only that one is missing.
    include_rejected
        Write rejected components too, marked in the column ``accepted``.
    overwrite
        Replace an earlier file of the same animal and session.
    context
        Its ``session`` must say animal, species, sex, age and start. Without a session id the
        start stands for it.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Returns
    -------
    Path
        The NWB file.

    Raises
    ------
    ExportError
        Something that DANDI asks for is missing or of another form, or the file cannot be written.
    """
    session = _checked(context.session)
    if context.movie_in_nwb is MovieIn.LINKED:
        raise ExportError(
            "DANDI takes no links to movies of microscopes. Copy the movie into the file, or leave "
            "it out."
        )
    subject, name = (_sanitized(text) for text in (session.subject_id, session.session_id))
    folder = expand_home(out)
    path = folder / f"sub-{subject}" / f"sub-{subject}_ses-{name}_ophys.nwb"
    _check_with_dandi(path, folder)
    with _made(folder):
        write_nwb(
            source,
            path,
            include_rejected=include_rejected,
            overwrite=overwrite,
            context=replace(context, session=session),
            on_progress=on_progress,
        )
    return path


def _checked(session: Session) -> Session:
    """Check the session, and give it an id; refused where DANDI would refuse it."""
    missing = [said for name, said in _NEEDED.items() if not getattr(session, name)]
    if missing:
        raise ExportError(
            f"DANDI asks for {', '.join(missing)}. Fill it in: in the form, with --subject-id and "
            "its neighbours, as nc.Session(...), or as columns of the project."
        )
    wrong = []
    if not _SPECIES.fullmatch(str(session.species)):
        wrong.append(f"the species in Latin, such as 'Mus musculus', got {session.species!r}")
    if session.sex not in ("M", "F", "U", "O"):
        wrong.append(f"the sex as one of M, F, U and O, got {session.sex!r}")
    if not _AGE.fullmatch(str(session.age)):
        wrong.append(f"the age as ISO 8601 duration, such as P90D, got {session.age!r}")
    if wrong:
        raise ExportError(f"DANDI asks for {'; '.join(wrong)}. Correct it.")
    if session.session_id:
        return session
    assert session.start is not None  # it is among what is needed
    return replace(session, session_id=f"{session.start:%Y%m%dT%H%M%S}")


def _sanitized(text: str | None) -> str:
    name = _FORBIDDEN.sub("-", text or "").strip("-")
    if not name:
        raise ExportError(f"An id must have letters or digits to be a file's name, got {text!r}.")
    return name


def _check_with_dandi(path: Path, folder: Path) -> None:
    """Ask DANDI's own library whether the name is one of its kind, where it is installed."""
    if find_spec("dandi") is None:
        return
    from dandi.organize import validate_organized_path

    found = validate_organized_path(path.relative_to(folder).as_posix(), path, folder)
    if found:
        raise ExportError(f"DANDI does not take this name: {found[0].message}.")


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make the Dandiset's folder where only that one is missing; take it back on failure."""
    if folder.is_dir() or not folder.parent.is_dir():
        yield  # a path of which more is missing is refused with its file
        return
    folder.mkdir()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise
