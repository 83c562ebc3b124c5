"""``item.json``: what was asked of an item, as frozen models.

Nothing in it can make us run or open anything but movies: paths of movies may point anywhere,
every other file is a bare name inside the item's folder, and the engine is a name that is looked
up among those installed.
"""

from __future__ import annotations

import os
import re
import uuid as uuid_module
from datetime import UTC
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from napari_cnmf._atomic import write_json
from napari_cnmf.batch._files import printable, read_json
from napari_cnmf.batch.status import Moment, describe_validation, require_version
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError
from napari_cnmf.params import CNMFParams
from napari_cnmf.params._group import ParameterGroup

ITEM_FILE = "item.json"
SPEC_VERSION = 1

_RESERVED_ON_WINDOWS = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)


def check_bare_name(name: str) -> str:
    """Return ``name`` if it names a file inside a folder on every system; else raise."""
    parts = PurePosixPath(name).parts, PureWindowsPath(name).parts
    if any(len(part) != 1 for part in parts) or name in (".", "..") or ":" in name or "\0" in name:
        raise ValueError(f"must be a file name inside the item's folder, got {name!r}")
    return name


def check_uuid(value: str) -> str:
    """Return ``value``, a uuid, in its one normal form."""
    return str(uuid_module.UUID(value))


BareName = Annotated[str, AfterValidator(check_bare_name)]
Uuid = Annotated[str, AfterValidator(check_uuid)]


class _Model(BaseModel):
    # Keys of newer versions are kept where a file is written again.
    model_config = ConfigDict(frozen=True, extra="allow")


def _one_line(text: str) -> str:
    return printable(text, lines=False)


_OPEN_WITH = (
    "axes", "dataset", "channel", "n_channels", "plane", "n_planes", "n_flyback", "field", "offset",
    "allow_missing",
)  # fmt: skip


class MovieInput(_Model):
    """The files of a movie and how to open them."""

    paths: tuple[str, ...] = Field(min_length=1)
    """POSIX form; relative to the batch folder when inside it, else absolute."""
    beside: tuple[str, ...] | None = None
    """The same files relative to the batch folder, for a batch that moves with its movies."""
    axes: str | None = None
    dataset: str | None = None
    channel: int | None = Field(None, ge=0)
    n_channels: int | None = Field(None, ge=1)
    """Channels whose frames alternate in files that do not say so."""
    plane: int | None = Field(None, ge=0)
    n_planes: int | None = Field(None, ge=1)
    n_flyback: int | None = Field(None, ge=0)
    field: int | None = Field(None, ge=0)
    offset: float | None = None
    allow_missing: bool | None = None
    fingerprint: str | None = None
    """Of the files, when the item was added; see `napari_cnmf.io.movies.fingerprint`."""
    array_fingerprint: str | None = None
    """Of the frames, for a movie that had no file and was written to ``inputs/``."""
    frame_rate_hz: float | None = Field(None, gt=0)
    """Of the movie as it was opened when the item was added."""
    pixel_size_um: tuple[float, ...] | None = None
    """``([dz], dy, dx)`` in micrometres, as it was opened when the item was added."""
    shape: tuple[int, ...] | None = None
    """``(T, [Z], Y, X)`` when it was added."""

    @property
    def open_with(self) -> dict[str, Any]:
        """Options of `open_movie` that these files need beside their paths."""
        told = {name: getattr(self, name) for name in _OPEN_WITH}
        return {name: value for name, value in told.items() if value is not None}


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"a number is needed, got {value}")
    return value


class RunSpec(_Model):
    """Options of how to run an item; they never change the result and are no part of the hash."""

    n_processes: Annotated[int | None, BeforeValidator(_no_switch)] = Field(None, ge=1)
    memory_gb: Annotated[float | None, BeforeValidator(_no_switch)] = Field(None, gt=0)
    keep_memmap: bool = False


class ItemSpec(_Model):
    """Contents of one ``item.json``.

    Exactly one of ``movie`` and ``parent`` is set. ``params`` stays a plain dict here, so that a
    long batch opens without validating every group of every item; `parsed_params` validates.
    """

    version: int = SPEC_VERSION
    uuid: Uuid
    name: Annotated[str, AfterValidator(_one_line)] = Field(min_length=1, max_length=200)
    comment: Annotated[str, AfterValidator(printable)] = ""
    algorithm: Algorithm
    added: Moment
    movie: MovieInput | None = None
    parent: Uuid | None = None
    result: BareName | None = None
    """For ``evaluate`` without a parent: the copied result to score again."""
    params: dict[str, Any] = Field(default_factory=dict)
    refit: bool = False
    ain: BareName | None = None
    mask: BareName | None = None
    run: RunSpec = RunSpec()
    engine: str = "auto"
    hash: str = ""
    versions: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_input(self) -> ItemSpec:
        if (self.movie is None) == (self.parent is None):
            raise ValueError("exactly one of movie and parent must be given")
        return self

    @cached_property
    def parsed_params(self) -> CNMFParams:
        """The parameters, validated, without `unknown_params`; raises ``ParameterError``."""
        unknown = self.unknown_params
        known: dict[str, Any] = {}
        for group, values in self.params.items():
            if group in unknown:
                continue
            known[group] = (
                {key: v for key, v in values.items() if f"{group}.{key}" not in unknown}
                if isinstance(values, dict)
                else values
            )
        return CNMFParams.from_dict(known)

    @cached_property
    def unknown_params(self) -> frozenset[str]:
        """Parameters that this version does not know, as ``group`` or ``group.key``.

        A newer version wrote them. What it made with them can be looked at; it cannot be run here.
        """
        fields = CNMFParams.model_fields
        unknown = {name for name in self.params if name not in fields}
        for name, values in self.params.items():
            model = fields[name].annotation if name in fields else None
            if (
                isinstance(values, dict)
                and isinstance(model, type)
                and issubclass(model, ParameterGroup)
            ):
                unknown |= {f"{name}.{key}" for key in values if key not in model.model_fields}
        return frozenset(unknown)


def read_spec(folder: Path) -> ItemSpec:
    """Read ``item.json`` of the item in ``folder``.

    Raises
    ------
    BatchError
        When it is missing, damaged, or from a newer version; the message says which.
    """
    require_plain_files(folder)
    data = read_json(folder / ITEM_FILE)
    require_version(data, SPEC_VERSION, f"{folder.name} has item format")
    try:
        return ItemSpec.model_validate(data)
    # Dates and numbers at the ends of their ranges raise more than pydantic's own error.
    except (ValueError, OverflowError, RecursionError) as error:
        raise BatchError(
            f"{folder / ITEM_FILE} must be an item as napari-cnmf writes it: "
            f"{describe_validation(error)}. Mend the file, or remove the item."
        ) from error


def require_plain_files(folder: Path) -> None:
    """Raise ``BatchError`` unless the folder of an item holds files and folders alone.

    A link could make us write outside of the batch; a pipe would make us wait for ever.
    """
    try:
        with os.scandir(folder) as entries:
            odd = next((entry.name for entry in entries if not _is_plain(entry)), None)
    except OSError:
        return  # reading the file says it better
    if odd is not None or folder.is_symlink():
        path = folder / (odd or "")
        kind = "a link" if path.is_symlink() else "a pipe or a device"
        raise BatchError(
            f"The files of an item must be files, and {path} is {kind}. "
            "Replace it by a file, or remove the item."
        )


def _is_plain(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)


def write_spec(folder: Path, spec: ItemSpec) -> None:
    """Replace ``item.json`` atomically."""
    write_json(folder / ITEM_FILE, spec_values(spec))


def spec_values(spec: ItemSpec) -> dict[str, Any]:
    """Contents of ``item.json`` as plain values."""
    return spec.model_dump(mode="json", exclude_none=True)


def text_of_item(what: str, text: Any) -> str:
    """A name or a comment as a file can hold it: what no file can is shown as U+FFFD.

    Raises
    ------
    BatchError
        When it is no text.
    """
    if not isinstance(text, str):
        raise BatchError(f"The {what} of an item must be text, got {text!r:.80}. Put it in quotes.")
    return text.encode(errors="replace").decode() if not text.isprintable() else text


def slug(name: str) -> str:
    """``name`` as part of a folder name: letters, digits and dashes, never empty or reserved."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return "item" if not text or _RESERVED_ON_WINDOWS.match(text) else text


def folder_name(spec: ItemSpec) -> str:
    """``<yyyymmdd-hhmmss>-<slug>-<6 hex of the uuid>``; the time is UTC."""
    stamp = spec.added.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{slug(spec.name)}-{spec.uuid[:6]}"
