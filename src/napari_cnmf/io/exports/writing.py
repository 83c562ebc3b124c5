"""Files and folders that are there whole or not at all, and errors in the user's words."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

from napari_cnmf._atomic import replace_file, replacing
from napari_cnmf.errors import ExportError

PathLike = str | os.PathLike[str]


@contextmanager
def new_file(out: PathLike, suffixes: Sequence[str]) -> Iterator[Path]:
    """A name beside ``out`` to write to, moved to it when the block ends well.

    Parameters
    ----------
    suffixes
        What ``out`` may end in, the usual one first.

    Raises
    ------
    ExportError
        Another ending, or the file cannot be written.
    """
    target = Path(out)
    if target.suffix.lower() not in suffixes:
        raise ExportError(
            f"The file must end in {' or '.join(suffixes)}, got {target.name!r}. "
            f"Call it {target.stem + suffixes[0]!r}."
        )
    with _in_words(target), replacing(target, keep_suffix=True) as beside:
        yield beside


@contextmanager
def new_folder(out: PathLike, contents: Sequence[str]) -> Iterator[Path]:
    """A folder beside ``out`` to fill, moved to it when the block ends well.

    An earlier export at ``out`` is replaced; a folder that holds anything else is not touched.

    Parameters
    ----------
    contents
        Patterns of the names that such a folder may hold.

    Raises
    ------
    ExportError
        ``out`` is a file, holds other files, or cannot be written.
    """
    target = Path(out).absolute()
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    beside = target.with_name(f".{target.name}.{token}.tmp")
    with _in_words(target):
        _refuse_foreign(target, contents)
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        try:
            yield beside
            _move_folder(beside, target, aside=target.with_name(f".{target.name}.{token}.old"))
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _refuse_foreign(target: Path, contents: Sequence[str]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ExportError(f"A folder is needed, got the file {target}. Choose another name.")
    others = [
        name
        for name in sorted(os.listdir(target))
        if not any(fnmatch(name, pattern) for pattern in contents)
    ]
    if others:
        raise ExportError(
            f"The folder must be new, empty, or an earlier export, got {target}, which holds "
            f"{others[0]!r}. Choose another folder."
        )


def _move_folder(source: Path, target: Path, *, aside: Path) -> None:
    """``os.replace`` for folders: what was at ``target`` goes once the new one is there."""
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
def _in_words(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written: {error.strerror or error}. "
            "Choose a folder that is there, with room, where you may write."
        ) from error


def require(package: str, extra: str, what: str) -> Any:
    """Import a package that only some exports need.

    Raises
    ------
    ExportError
        It is not installed; the message says how to.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ExportError(
            f"{what} needs the package {package}, which is not installed: "
            f'pip install "napari-cnmf[{extra}]"'
        ) from error
