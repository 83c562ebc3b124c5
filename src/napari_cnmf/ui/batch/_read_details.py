"""Reads everything that the details show of items, off the GUI thread."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.batch.inputs import movie_paths
from napari_cnmf.batch.status import State
from napari_cnmf.engines.base import MOTION_FILE
from napari_cnmf.errors import BatchError, CnmfError, MovieError
from napari_cnmf.io.motion import MotionRecord, read_motion
from napari_cnmf.params import CNMFParams

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch, Item

Values = dict[str, Any]
"""``{"group.key": value}``"""
_LONGEST_LINE = 2000
"""Letters of a line that Qt lays out at once; one of 200,000 letters stops napari for seconds."""


@dataclass(frozen=True)
class Details:
    """Details of one item.

    Attributes
    ----------
    facts
        Plain facts by name.
    parameters, defaults
        Every parameter by ``group.key``; empty for an item that is damaged.
    used
        ``{"group.key": value}`` where the engine computed with another value.
    warnings
        What it warned of, a sentence each.
    log, error, traceback
        Text; empty where there is none.
    is_running
        Whether the log grows.
    motion
        What a motion correction measured; ``None`` for other items.
    """

    uuid: str
    name: str
    facts: dict[str, str] = field(default_factory=dict)
    parameters: Values = field(default_factory=dict)
    defaults: Values = field(default_factory=dict)
    used: Values = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    log: str = ""
    error: str = ""
    traceback: str = ""
    is_running: bool = False
    motion: MotionRecord | None = None


def read_details(batch: Batch, uuids: Sequence[str]) -> Generator[str, None, tuple[Details, ...]]:
    """Read items; what is damaged is said rather than raised, and what is removed left out."""
    read = []
    for uuid in uuids:
        yield "reading"
        try:
            item = batch[uuid]
        except BatchError:
            # Removed meanwhile: its row is about to go.
            continue
        read.append(_read(item))
    return tuple(read)


def _read(item: Item) -> Details:
    status = item.status
    facts = {"state": status.state.value}
    if status.warnings:
        facts["warnings"] = " ".join(status.warnings)
    facts["folder"] = str(item.folder)
    parameters: Values = {}
    motion: MotionRecord | None = None
    warnings: tuple[str, ...] = ()
    log = ""
    try:
        warnings, log = tuple(item.warnings), break_long_lines(item.log_text())
        facts |= _asked(item)
        parameters = _flat(item.params)
        motion = _motion_of(item, status.state)
    except CnmfError as error:
        facts["problem"] = str(error)
    if status.engine:
        facts["engine"] = f"{status.engine} {status.engine_version or ''}".strip()
    if status.engine_reason:
        facts["engine chosen because"] = status.engine_reason
    facts |= {name: f"{value:.4g}" for name, value in status.figures.items()}
    error_info = status.error
    return Details(
        uuid=item.uuid,
        name=item.name,
        facts=facts,
        parameters=parameters,
        defaults=_flat(CNMFParams()) if parameters else {},
        used=dict(status.used_parameters),
        warnings=warnings,
        log=log,
        error="" if error_info is None else break_long_lines(error_info.message),
        traceback="" if error_info is None else break_long_lines(error_info.traceback.strip()),
        is_running=status.state is State.RUNNING,
        motion=motion,
    )


def break_long_lines(text: str) -> str:
    """Break lines of a text that are too long to be laid out; every letter stays."""
    return re.sub(rf"([^\n]{{{_LONGEST_LINE}}})(?=[^\n])", r"\1\n", text)


def _motion_of(item: Item, state: State) -> MotionRecord | None:
    path = item.folder / MOTION_FILE
    if state is not State.COMPLETED or not path.is_file():
        return None
    return read_motion(path)


def _asked(item: Item) -> dict[str, str]:
    spec = item.spec
    asked = {
        "algorithm": spec.algorithm.value,
        "refit": "yes" if spec.refit else "no",
        "added": f"{spec.added.astimezone():%Y-%m-%d %H:%M:%S}",
    }
    if spec.comment:
        asked["comment"] = spec.comment
    if spec.movie is not None:
        try:
            asked["movie"] = "\n".join(str(p) for p in movie_paths(item.batch.path, spec.movie))
        except MovieError:
            asked["movie is missing"] = "\n".join(spec.movie.paths)
    else:
        parent = item.parent
        asked["input"] = "" if parent is None else f"{parent.name} ({parent.state.value})"
    return asked


def _flat(params: CNMFParams) -> Values:
    flat: Values = {}
    for group, values in params.to_dict().items():
        if isinstance(values, dict):
            flat |= {f"{group}.{key}": value for key, value in values.items()}
        else:
            flat[group] = values
    return flat


@dataclass(frozen=True, eq=False)
class Pictures:
    """Summary images of an item as 8-bit pictures ``(Y, X)``, the highest of all planes."""

    uuid: str
    by_name: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


def read_pictures(batch: Batch, uuid: str) -> Generator[str, None, Pictures]:
    """Read the summary images of an item; none where it has none."""
    yield "reading images"
    try:
        images = batch[uuid].images()
    except CnmfError:
        # Not completed, removed, or its images were: the panel says that there are none.
        return Pictures(uuid)
    return Pictures(uuid, {name: as_picture(image) for name, image in images.items()})


def as_picture(image: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Grey values from the 1st to the 99.7th percentile; a volume by its brightest planes."""
    plane = np.nan_to_num(image if image.ndim == 2 else image.max(axis=0))
    low, high = np.percentile(plane, (1.0, 99.7))
    scaled = (plane - low) / max(float(high - low), 1e-12)
    return np.ascontiguousarray((np.clip(scaled, 0, 1) * 255).astype(np.uint8))
