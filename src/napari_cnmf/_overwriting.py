"""Guards every place that a user names: only an earlier export of this program is replaced.

Whatever writes to a path of the user's choice goes through `new_file` or `new_folder`. Both refuse
to replace anything but an earlier export of the same kind, recognised by what it says of itself,
and replace that only when asked to. A movie, a result, an item, a batch, a project or a journal is
never touched, however its path is spelt.
"""

from __future__ import annotations

import glob
import json
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cnmf._atomic import flush_all, json_text, replace_file, replacing
from napari_cnmf._checks import check_path
from napari_cnmf._portable import expand_home, namesake, portable_name, why_not_portable
from napari_cnmf.errors import EarlierExportError, ExportError, reason

PathLike = str | os.PathLike[str]

MANIFEST = "napari-cnmf-export.json"
"""File that says which files of a folder belong to an export."""
_FORMAT, _VERSION = "napari-cnmf-export", 1
_MANAGED = (("batch.json", ("items", "inputs")), ("project.json", ("samples",)))
"""Folders that batches and projects keep for themselves, and the file that tells such a place."""
_HEAD_BYTES, _TAIL_BYTES = 4 * 2**20, 2**16
"""Parts of a file in which its mark is looked for; every writer puts it near an end."""


@dataclass(frozen=True)
class ExportKind:
    """One kind of file that this program writes where a user says.

    Attributes
    ----------
    name
        Name of the kind in messages, such as ``NWB export``.
    is_earlier
        Tells from its content whether a file is an earlier export of this kind.
    """

    name: str
    is_earlier: Callable[[Path], bool]


def mark_of(name: str) -> str:
    """Text by which an export says of itself what it is."""
    return f"napari-cnmf export: {name}"


def marked_kind(name: str, *, said: str | None = None) -> ExportKind:
    """Kind of export whose files carry `mark_of` its name near their start or end."""
    mark = mark_of(name).encode()
    return ExportKind(said or f"{name} export", lambda path: _holds(path, mark))


def check_target(
    path: PathLike, kind: ExportKind, *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> Path:
    """Check that a file may be written, without touching anything.

    Parameters
    ----------
    path
        Name of the file to write; ``~`` stands for the home folder.
    kind
        Kind of the file; only an earlier file of the same kind may be replaced.
    overwrite
        Whether an earlier export may be replaced.
    sources
        Files that the export is made of; they are never replaced.

    Returns
    -------
    Path
        The absolute path of the file.

    Raises
    ------
    EarlierExportError
        There is an earlier export, and ``overwrite`` is not set.
    ExportError
        There is something else, or the place belongs to a batch or a project.
    """
    target = _absolute(path)
    _refuse_link_or_managed(target)
    if not target.exists():
        _require_portable(target)
        return target
    if not stat.S_ISREG(target.stat().st_mode):
        raise ExportError(f"A file is to be written, and {target} is none. Choose another name.")
    _refuse_sources(target, sources)
    if not kind.is_earlier(target):
        raise ExportError(
            f"{target} is there already and is no earlier {kind.name} of napari-cnmf. It is not "
            "replaced. Choose another name."
        )
    _require_consent(target, kind.name, overwrite=overwrite)
    return target


def check_folder(
    path: PathLike, name: str, *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> Path:
    """Check that a folder may be written, as `check_target` does for a file.

    A folder may be new or empty, or an earlier export of the same kind that holds nothing else.
    """
    target = _absolute(path)
    _refuse_link_or_managed(target)
    if not target.exists():
        _require_portable(target)
        return target
    if not target.is_dir():
        raise ExportError(f"A folder is needed, got the file {target}. Choose another name.")
    if not any(target.iterdir()):
        return target
    _refuse_sources(target, sources)
    listed = _listed_files(target, name)
    if listed is None:
        raise ExportError(
            f"The folder must be new, empty or an earlier {name} export, got {target}, which holds "
            f"{min(os.listdir(target))!r}. Choose another folder."
        )
    others = sorted(_files_in(target) - listed)
    if others:
        raise ExportError(
            f"The folder holds {others[0]!r} beside an earlier {name} export: {target}. "
            "Move that file away, or choose another folder."
        )
    _require_consent(target, f"{name} export", overwrite=overwrite)
    return target


@contextmanager
def new_file(
    path: PathLike, kind: ExportKind, *, overwrite: bool = False, sources: Iterable[Path] = ()
) -> Iterator[Path]:
    """Yield a name beside ``path`` to write to, and move it there when the block ends well.

    The folder of the file is made where only that one is missing. See `check_target` for the
    parameters and for what is refused.
    """
    sources = tuple(sources)
    with _os_errors_in_words(Path(path)):
        target = check_target(path, kind, overwrite=overwrite, sources=sources)
        with _parent_made(target), replacing(target, keep_suffix=True) as beside:
            yield beside
            # Writing takes a while: something else may be there now.
            check_target(target, kind, overwrite=overwrite, sources=sources)


@contextmanager
def new_folder(
    path: PathLike,
    name: str,
    *,
    overwrite: bool = False,
    sources: Iterable[Path] = (),
    said: dict[str, Any] | None = None,
) -> Iterator[Path]:
    """Yield a folder beside ``path`` to fill, and move it there when the block ends well.

    Parameters
    ----------
    path, overwrite, sources
        As in `check_folder`.
    name
        Name of the kind of export.
    said
        Further entries of the manifest, which lists the files of the folder. An entry of a name
        that the manifest has itself, such as ``files``, is written as ``movie_files``.
    """
    sources = tuple(sources)
    with _os_errors_in_words(Path(path)):
        target = check_folder(path, name, overwrite=overwrite, sources=sources)
        with _parent_made(target), filled_folder(target) as beside:
            yield beside
            files = sorted(_files_in(beside))
            # What is said may have entries of the same names: what we look for later comes first.
            content = {"format": _FORMAT, "version": _VERSION, "kind": name, "files": files}
            about = {
                f"movie_{key}" if key in content else key: v for key, v in (said or {}).items()
            }
            (beside / MANIFEST).write_text(json_text(content | about), encoding="utf-8")
            flush_all(beside / file for file in (*files, MANIFEST))
            check_folder(target, name, overwrite=overwrite, sources=sources)


@contextmanager
def filled_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder beside ``target`` and let it take that place when the block ends well.

    What was at ``target`` goes once the new folder is there; the caller has checked that it may.
    """
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    beside = target.with_name(f".{target.name}.{token}.tmp")
    beside.mkdir()
    try:
        yield beside
        _move_folder(beside, target, aside=target.with_name(f".{target.name}.{token}.old"))
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _absolute(path: PathLike) -> Path:
    return Path(os.path.abspath(expand_home(check_path("The place of a file", path, ExportError))))


def _require_portable(target: Path) -> None:
    """Refuse a new name that cannot be reached, or is another one's, on some system."""
    if fault := why_not_portable(target.name):
        raise ExportError(
            f"An export must be found on every system, and its name {target.name!r:.220} {fault}. "
            f"Call it {portable_name(target.name)!r}."
        )
    if (other := namesake(target)) is not None:
        raise ExportError(
            f"{target.parent} holds {other!r}, which is the same name as {target.name!r} for "
            "Windows or macOS. Choose a name that differs in more than case and accents."
        )


def _refuse_link_or_managed(target: Path) -> None:
    if target.is_symlink():
        raise ExportError(
            f"{target} is a link to {os.path.realpath(target)}. Links are not replaced. "
            "Choose another name."
        )
    real = Path(os.path.realpath(target))
    for folder in real.parents:
        room = real.relative_to(folder).parts[0]
        for file, rooms in _MANAGED:
            if room.casefold() in rooms and (folder / file).is_file():
                raise ExportError(
                    f"{target} lies in {folder / room}, which a batch or a project keeps for "
                    "itself. Choose a folder outside of it."
                )


def _refuse_sources(target: Path, sources: Iterable[Path]) -> None:
    for source in sources:
        is_inside = Path(os.path.realpath(source)).is_relative_to(os.path.realpath(target))
        if is_inside or (source.exists() and target.samefile(source)):
            raise ExportError(
                f"{target} is what the export is made of ({source}). Choose another name."
            )


def _require_consent(target: Path, name: str, *, overwrite: bool) -> None:
    journals = glob.glob(f"{glob.escape(str(target))}.curation*")
    if journals:
        raise ExportError(
            f"{target} was curated after it was written: {Path(journals[0]).name} belongs to it. "
            "It is not replaced. Choose another name."
        )
    if not overwrite:
        raise EarlierExportError(
            f"{target} holds an earlier {name}. Choose another name, or say that it may be "
            "replaced: overwrite=True in Python, --overwrite on the command line.",
            target,
        )


def _holds(path: Path, mark: bytes) -> bool:
    with path.open("rb") as stream:
        if mark in stream.read(_HEAD_BYTES):
            return True
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - _TAIL_BYTES))
        return mark in stream.read()


def _listed_files(folder: Path, name: str) -> set[str] | None:
    """Files that the manifest of an earlier export names; ``None`` without a manifest."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["kind"] != name:
            return None
        return {str(file) for file in content["files"]} | {MANIFEST}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _files_in(folder: Path) -> set[str]:
    """Everything below a folder except folders, with names relative to it."""
    found = set()
    for where, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(where) / name).is_symlink()]
        found |= {(Path(where) / name).relative_to(folder).as_posix() for name in (*files, *links)}
    return found


@contextmanager
def _parent_made(target: Path) -> Iterator[None]:
    """Make the folder of ``target`` where only that one is missing; take it back on failure."""
    parent = target.parent
    if parent.is_dir():
        yield
        return
    if not parent.parent.is_dir():
        raise ExportError(
            f"There is no folder {parent.parent}, so {target} cannot be written. "
            "Check the spelling, or make the folder first."
        )
    if os.path.ismount(parent.parent):
        raise ExportError(
            f"There is no folder {parent}, and none is made at the root of a disk. "
            "Check the spelling, or make the folder first."
        )
    parent.mkdir()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            parent.rmdir()
        raise


def _move_folder(source: Path, target: Path, *, aside: Path) -> None:
    if not target.exists():
        replace_file(source, target)
        return
    replace_file(target, aside)
    try:
        replace_file(source, target)
    except OSError:
        with suppress(OSError):
            replace_file(aside, target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _os_errors_in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written: {reason(error)}. "
            "Choose a folder that is there, with room, where you may write."
        ) from error
