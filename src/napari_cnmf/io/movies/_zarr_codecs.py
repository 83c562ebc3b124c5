"""Checks the codecs of a zarr store: some (``pickle``) would run what the file says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from napari_cnmf.errors import MovieError

_ALLOWED = frozenset(
    {"adler32", "astype", "bitround", "blosc", "bytes", "bz2", "cast_value", "crc32", "crc32c",
     "delta", "endian", "fixedscaleoffset", "fletcher32", "gzip", "jenkins_lookup3", "lz4", "lzma",
     "null", "packbits", "pcodec", "quantize", "scale_offset", "sharding_indexed", "shuffle",
     "transpose", "zfpy", "zlib", "zstd"}
)  # fmt: skip
_FILES = (".zarray", ".zmetadata", "zarr.json")
_MAX_BYTES = 256 * 2**20


def check_codecs(path: Path, name: str | None) -> None:
    """Refuse a store before it is opened when it asks for a codec that is not known to be safe.

    The files that describe the array, the groups above it and the arrays beside it are looked at:
    a library may decode some values when it opens them.

    Parameters
    ----------
    path
        Folder of the store.
    name
        Name of the array or group in it; ``None`` for the root.

    Raises
    ------
    MovieError
        A codec is not allowed, or a file cannot be understood.
    """
    folders = [path]
    for part in (name or "").split("/"):
        if part:
            folders.append(folders[-1] / part)
    for folder in [*folders, *_groups_in(folders[-1])]:
        for file in _FILES:
            _check_file(folder / file)


def _groups_in(folder: Path) -> list[Path]:
    """Folders in a group that are arrays or groups; the chunks of an array are not listed."""
    if (folder / ".zarray").exists() or _is_array(folder / "zarr.json"):
        return []
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return []  # opening it says it better


def _is_array(path: Path) -> bool:
    notes = _read(path)
    return isinstance(notes, Mapping) and notes.get("node_type") == "array"


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return None
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None  # opening it says it better
    except (OSError, ValueError, RecursionError) as error:
        raise MovieError(
            f"{path} must describe a zarr array, but it cannot be understood: {error}. Check that "
            "the whole folder was copied."
        ) from error


def _check_file(path: Path) -> None:
    for codec in _codecs(_read(path)):
        if codec.removeprefix("numcodecs.").lower() not in _ALLOWED:
            raise MovieError(
                f"{path} asks for the codec {codec!r}, which is not among those that are safe to "
                "read. Save the array again with a usual compressor (blosc, zstd, gzip)."
            )


def _codecs(node: Any) -> Iterator[str]:
    """Names of all codecs that a description asks for, at any depth; attributes are the user's."""
    if isinstance(node, list):
        for one in node:
            yield from _codecs(one)
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        if key == "attributes" or str(key).endswith(".zattrs"):
            continue
        if key in ("compressor", "filters", "codecs", "index_codecs", "serializer", "compressors"):
            yield from _named(value)
        yield from _codecs(value)


def _named(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            yield str(one.get("id", one.get("name", "")))
        elif one is not None:
            yield str(one)
