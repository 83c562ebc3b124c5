"""Helpers of all export writers: guarded files, marks in HDF5, progress, optional packages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec

from napari_cnmf._checks import check_callable, check_kind, check_path, check_switch
from napari_cnmf._overwriting import (
    ExportKind,
    filled_folder,
    mark_of,
    marked_kind,
    new_file,
)
from napari_cnmf.errors import ExportError, reason, why_no_package
from napari_cnmf.io.exports.context import Context
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, ItemLike, SampleLike

Options = ParamSpec("Options")
PathLike = str | os.PathLike[str]
OnProgress = Callable[[int, int], None]
"""``on_progress(done, total)``; may raise ``CancelledByUser``, which leaves nothing behind."""

_HDF5_MARK = "napari_cnmf_written_as"


def ignore_progress(done: int, total: int) -> None:
    """Ignore how far an export is, where nobody wants to know."""


def checked_writer(write: Callable[Options, Path]) -> Callable[Options, Path]:
    """Let a writer refuse wrong arguments before it does anything: all take the same."""

    @wraps(write)
    def checked(*args: Options.args, **kwargs: Options.kwargs) -> Path:
        given = dict(zip(("source", "out"), args, strict=False)) | kwargs
        check_export(**given)
        return write(*args, **kwargs)

    return checked


def check_export(source: Any = None, out: Any = None, **options: Any) -> None:
    """Check what every writer takes.

    Raises
    ------
    ExportError
        When one is of another kind than a writer takes.
    """
    check_kind(
        "The source of an export", source, (Curation, Components, ItemLike, SampleLike),
        ExportError, needed="an item, a sample, a curation or components",
        advice="Use nc.export, which takes paths too, or open it with nc.open_result(PATH).",
    )  # fmt: skip
    check_path("The place of an export", out, ExportError)
    for name in ("include_rejected", "overwrite"):
        check_switch(name, options.get(name, False), ExportError)
    if "context" in options:
        check_kind(
            "context", options["context"], Context, ExportError,
            needed="what nc.export puts together of an item", advice="Leave it out.",
        )  # fmt: skip
    check_callable("on_progress", options.get("on_progress", ignore_progress), ExportError)


@contextmanager
def new_export(
    out: PathLike,
    suffixes: Sequence[str],
    kind: ExportKind | str,
    *,
    overwrite: bool = False,
    sources: Sequence[Path] = (),
) -> Iterator[Path]:
    """Yield a name beside ``out`` to write to, and move it to ``out`` when the block ends well.

    Parameters
    ----------
    out
        File to write.
    suffixes
        Endings that ``out`` may have, the usual one first.
    kind
        Kind of the export; a name stands for files that carry the mark of that name.
    overwrite
        Whether an earlier export of the same kind may be replaced.
    sources
        Files that the export is made of; they are never replaced.

    Raises
    ------
    ExportError
        The name has another ending, something else is there, or the file cannot be written.
    """
    check_suffix(out, suffixes)
    kind = marked_kind(kind) if isinstance(kind, str) else kind
    with new_file(out, kind, overwrite=overwrite, sources=sources) as beside:
        yield beside


def check_suffix(out: PathLike, suffixes: Sequence[str]) -> None:
    """Refuse a name that does not end as its format asks for."""
    target = Path(out)
    if target.suffix.lower() not in suffixes:
        raise ExportError(
            f"The file must end in {' or '.join(suffixes)}, got {target.name!r}. "
            f"Call it {target.stem + suffixes[0]!r}."
        )


@contextmanager
def new_folder(out: PathLike, contents: Sequence[str]) -> Iterator[Path]:
    """Yield a folder beside ``out``, for a room of our own, and move it there at the end.

    Parameters
    ----------
    out
        Folder to write. One that is there is replaced if it holds nothing but ``contents``.
    contents
        Patterns of the names that such a folder may hold.

    Raises
    ------
    ExportError
        ``out`` is a file, holds other files, or cannot be written.
    """
    target = Path(out).absolute()
    try:
        _refuse_foreign(target, contents)
        target.parent.mkdir(parents=True, exist_ok=True)
        with filled_folder(target) as beside:
            yield beside
    except OSError as error:
        raise ExportError(
            f"{target} cannot be written: {reason(error)}. "
            "Choose a folder that is there, with room, where you may write."
        ) from error


def _refuse_foreign(target: Path, contents: Sequence[str]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ExportError(f"A folder is needed, got the file {target}. Choose another name.")
    # Locks of our files come and go beside them.
    ours = [*contents, *(f".{pattern}.lock" for pattern in contents)]
    others = [
        name
        for name in sorted(os.listdir(target))
        if not any(fnmatch(name, pattern) for pattern in ours)
    ]
    if others:
        raise ExportError(
            f"{target} holds {others[0]!r}, which does not belong there. Move that file away."
        )


def hdf5_kind(name: str, said: str, *, group: str = "/") -> ExportKind:
    """Kind of the HDF5 files whose group `mark_hdf5` marked with the name."""

    def is_earlier(path: Path) -> bool:
        import h5py

        try:
            with h5py.File(path, "r") as file:
                mark = file[group].attrs.get(_HDF5_MARK)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError):
            return False
        return isinstance(mark, str) and mark == mark_of(name)

    return ExportKind(said, is_earlier)


def mark_hdf5(path: Path, name: str, *, group: str = "/") -> None:
    """Let an HDF5 file say of itself that it is an export, so that it can be replaced later."""
    from napari_cnmf.io.full_disk import hdf5_for_writing

    with hdf5_for_writing(path, "r+") as file:
        file[group].attrs[_HDF5_MARK] = mark_of(name)


def require(package: str, extra: str, what: str) -> Any:
    """Import a package that only some exports need.

    Raises
    ------
    ExportError
        It is not installed, or cannot be imported; the message says what helps.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ExportError(why_no_package(what, package, extra, error)) from error
