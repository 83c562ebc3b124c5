"""``item.json``: what was asked of an item, as frozen models.

Nothing in it can make us run or open anything but movies: paths of movies may point anywhere,
every other file is a bare name inside the item's folder, and the engine is a name that is looked
up among those installed.
"""

from __future__ import annotations

import os
import re
import uuid as uuid_module
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_cnmf._atomic import write_json
from napari_cnmf.batch._files import read_json
from napari_cnmf.batch.status import describe_validation
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError
from napari_cnmf.params import CNMFParams

ITEM_FILE = "item.json"
SPEC_VERSION = 1

_RESERVED_ON_WINDOWS = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)


def check_bare_name(name: str) -> str:
    """``name`` itself, when it names a file inside a folder on every system."""
    parts = PurePosixPath(name).parts, PureWindowsPath(name).parts
    if any(len(part) != 1 for part in parts) or name in (".", "..") or ":" in name or "\0" in name:
        raise ValueError(f"must be a file name inside the item's folder, got {name!r}")
    return name


def check_uuid(value: str) -> str:
    """``value`` in its one normal form."""
    return str(uuid_module.UUID(value))


BareName = Annotated[str, AfterValidator(check_bare_name)]
Uuid = Annotated[str, AfterValidator(check_uuid)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    shape: tuple[int, ...] | None = None
    """``(T, [Z], Y, X)`` when it was added."""

    @property
    def open_with(self) -> dict[str, Any]:
        """What `open_movie` has to be told beside the paths."""
        told = {name: getattr(self, name) for name in _OPEN_WITH}
        return {name: value for name, value in told.items() if value is not None}


class RunSpec(_Model):
    """How to run it; never changes the result and is no part of the hash."""

    n_processes: int | None = Field(None, ge=1)
    memory_gb: float | None = Field(None, gt=0)
    keep_memmap: bool = False


class ItemSpec(_Model):
    """One ``item.json``.

    Exactly one of ``movie`` and ``parent`` is set. ``params`` stays a plain dict here, so that a
    long batch opens without validating every group of every item; `parsed_params` validates.
    """

    version: int = SPEC_VERSION
    uuid: Uuid
    name: str = Field(min_length=1, max_length=200)
    comment: str = ""
    algorithm: Algorithm
    added: datetime
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
        """The parameters, validated; raises ``ParameterError``."""
        return CNMFParams.from_dict(self.params)


def read_spec(folder: Path) -> ItemSpec:
    """Read ``item.json`` of the item in ``folder``.

    Raises
    ------
    BatchError
        When it is missing, damaged, or from a newer version; the message says which.
    """
    _refuse_links(folder)
    data = read_json(folder / ITEM_FILE)
    version = data.get("version", SPEC_VERSION)
    if isinstance(version, int) and version > SPEC_VERSION:
        raise BatchError(
            f"{folder.name} has item format {version}, this napari-cnmf reads up to "
            f"{SPEC_VERSION}. Update napari-cnmf to use it."
        )
    try:
        return ItemSpec.model_validate(data)
    except ValidationError as error:
        raise BatchError(
            f"{folder / ITEM_FILE} must be an item as napari-cnmf writes it: "
            f"{describe_validation(error)}. Mend the file, or remove the item."
        ) from error


def _refuse_links(folder: Path) -> None:
    """A link among an item's files could make us write outside of the batch."""
    try:
        with os.scandir(folder) as entries:
            link = next((entry.name for entry in entries if entry.is_symlink()), None)
    except OSError:
        return  # reading the file says it better
    if link is not None or folder.is_symlink():
        raise BatchError(
            f"The files of an item must be files, and {folder / (link or '')} is a link. "
            "Replace it by what it points to, or remove the item."
        )


def write_spec(folder: Path, spec: ItemSpec) -> None:
    """Replace ``item.json`` atomically."""
    write_json(folder / ITEM_FILE, spec_values(spec))


def spec_values(spec: ItemSpec) -> dict[str, Any]:
    """``item.json`` as plain values."""
    return spec.model_dump(mode="json", exclude_none=True)


def slug(name: str) -> str:
    """``name`` as part of a folder name: letters, digits and dashes, never empty or reserved."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return "item" if not text or _RESERVED_ON_WINDOWS.match(text) else text


def folder_name(spec: ItemSpec) -> str:
    """``<yyyymmdd-hhmmss>-<slug>-<6 hex of the uuid>``; the time is UTC."""
    stamp = spec.added.astimezone(UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{slug(spec.name)}-{spec.uuid[:6]}"
