"""Errors of this package: one base class, and a child for each area.

A message names the requirement, the value that was given and the next step:
``K must be >= 1, got 0. Leave it empty to let the engine decide.``
The GUI shows the message as it is; the command line prints it and exits with 2.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class CnmfError(Exception):
    """Base of every error that is the user's to read."""


class MovieError(CnmfError):
    """A movie cannot be opened, read, or analysed."""


class FrameRateUnknownError(MovieError):
    """Neither the parameters nor the file's metadata say the frame rate."""


class ParameterError(CnmfError):
    """A parameter is unknown, out of bounds, or does not fit the movie."""


class SettingsError(CnmfError):
    """The settings file cannot be read or written, or holds what is no setting."""


class ResultError(CnmfError):
    """A result file cannot be read, or does not hold what is asked for."""


class EngineError(CnmfError):
    """An engine is not there, or failed."""


class BatchError(CnmfError):
    """A batch folder, or an item of it, cannot be used as asked."""


class CurationError(CnmfError):
    """An edit does not fit the result it is made on."""


class ProjectError(CnmfError):
    """A project folder, or a sample of it, cannot be used as asked."""


class ViewerError(CnmfError):
    """napari cannot be opened here: it, its Qt or the screen's OpenGL is missing, or too old."""


class ExportError(CnmfError):
    """A result cannot be written in the format asked for."""


class EarlierExportError(ExportError):
    """An earlier export is in the way, and nobody said that it may be replaced.

    Attributes
    ----------
    path
        The file or folder that is there.
    """

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


class CancelledByUser(CnmfError):
    """The user asked to stop; raised at a block boundary, never a failure."""


def brief(error: BaseException) -> str:
    """Shorten a library's reason so that it can stand in a sentence."""
    return " ".join(str(error).split())[:300].rstrip(". ")


def why_no_package(what: str, package: str, extra: str, error: ImportError) -> str:
    """Say that an optional package is missing or broken, and which command helps.

    The quotes are double: the command line of Windows does not know single ones.
    """
    name = package.partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == name:
        return (
            f"{what} needs the package {name}, which is not installed: "
            f'pip install "napari-cnmf[{extra}]"'
        )
    distribution = name.replace("_", "-")
    return (
        f"{what} needs the package {name}, which cannot be imported here ({brief(error)}). "
        f"Install it again: pip install --force-reinstall {distribution}"
    )


DISK_IS_FULL = frozenset(
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name)
)
"""Error numbers of a disk without room: it is full, or a quota or a limit of sizes is reached."""


def next_step(error: BaseException, otherwise: str) -> str:
    """Advice on an error of the file system: another name or place, or else ``otherwise``.

    What is written beside a file is named after it, and longer: a name may do for the one alone.
    """
    if getattr(error, "errno", None) == errno.ENAMETOOLONG:
        return "Give the file, or the result that it belongs to, a name of at most 200 letters."
    if getattr(error, "errno", None) == errno.ENOENT:
        return "Put the folder back, or export or save what is open to another place."
    return otherwise


def reason(error: OSError) -> str:
    """Reason why the operating system refused, in its own few words.

    HDF5 puts pages into the place of these, with addresses in memory.
    """
    if error.errno in errno.errorcode and error.errno is not None:
        return os.strerror(error.errno)
    return brief(error)
