"""The folders of a batch: made whole or not at all, found by uuid, read one by one."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from napari_cnmf._atomic import write_json
from napari_cnmf.batch._files import read_json
from napari_cnmf.batch.spec import ITEM_FILE, ItemSpec, folder_name, write_spec
from napari_cnmf.batch.status import Status, write_status
from napari_cnmf.engines.base import SCRATCH
from napari_cnmf.errors import BatchError

BATCH_FILE = "batch.json"
BATCH_FORMAT = "napari-cnmf-batch"
BATCH_VERSION = 1
ITEMS = "items"
INPUTS = "inputs"
_UNFINISHED = ".new-"
_REMOVED = ".gone-"
_ABANDONED_SECONDS = 24 * 3600.0


def create_batch_folder(root: Path) -> None:
    """Make ``root`` a batch; it may exist when it is empty.

    Raises
    ------
    BatchError
        When something else is there, or the place cannot be written. Nothing is left behind.
    """
    made = not root.exists()
    if not made and (not root.is_dir() or any(root.iterdir())):
        raise BatchError(
            f"A new batch needs a folder that is empty or not there yet, got {root}. "
            + (
                "Open it instead: it is a batch."
                if (root / BATCH_FILE).exists()
                else "Take another name."
            )
        )
    parents = [parent for parent in (root, *root.parents) if not parent.exists()]
    try:
        (root / ITEMS).mkdir(parents=True)
        (root / INPUTS).mkdir()
        write_json(root / BATCH_FILE, {"format": BATCH_FORMAT, "version": BATCH_VERSION})
    except OSError as error:
        for leftover in (root / ITEMS, root / INPUTS):
            shutil.rmtree(leftover, ignore_errors=True)
        for parent in parents:
            if parent.is_dir():
                parent.rmdir()
        raise BatchError(
            f"A batch must be in a folder that can be written, got {root}: "
            f"{error.strerror or error}. Choose another place, or free some space."
        ) from error


def check_batch_folder(root: Path) -> None:
    """Raise ``BatchError`` unless ``root`` is a batch of a version that we read."""
    if not root.is_dir():
        raise BatchError(f"{root} must be a batch folder: there is no such folder.")
    if not (root / BATCH_FILE).is_file():
        raise BatchError(
            f"{root} must be a batch folder: it holds no {BATCH_FILE}. "
            "Open another folder, or create a batch in an empty one."
        )
    data = read_json(root / BATCH_FILE)
    if data.get("format") != BATCH_FORMAT:
        raise BatchError(
            f"{root / BATCH_FILE} must say format {BATCH_FORMAT!r}, got {data.get('format')!r}."
        )
    version = data.get("version")
    if not isinstance(version, int) or version > BATCH_VERSION:
        raise BatchError(
            f"{root} has batch format {version!r}, this napari-cnmf reads up to {BATCH_VERSION}. "
            "Update napari-cnmf to open it."
        )


def item_folders(root: Path) -> Iterator[os.DirEntry[str]]:
    """The folders of finished items, in no order."""
    try:
        with os.scandir(root / ITEMS) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_dir():
                    yield entry
    except OSError as error:
        raise BatchError(
            f"The items of {root} must be readable: {error.strerror or error}. "
            "Is the disk or the network share there?"
        ) from error


def add_item_folder(
    root: Path, spec: ItemSpec, status: Status, fill: Callable[[Path], None] | None = None
) -> Path:
    """Make the folder of a new item; it appears complete or not at all.

    ``fill`` puts further files into it first.
    """
    while True:
        target = root / ITEMS / folder_name(spec)
        try:
            _make_item_folder(target, spec, status, fill)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY) and target.exists():
                # Six digits of a uuid may be there already; another uuid is as good.
                spec = spec.model_copy(update={"uuid": str(uuid.uuid4())})
                continue
            raise BatchError(
                f"Item {spec.name!r} could not be added to {root}: {error.strerror or error}. "
                "Free some space or make the folder writable, then add it again."
            ) from error
        return target


def _make_item_folder(
    target: Path, spec: ItemSpec, status: Status, fill: Callable[[Path], None] | None
) -> None:
    unfinished = target.with_name(f"{_UNFINISHED}{spec.uuid}")
    try:
        unfinished.mkdir()
        write_spec(unfinished, spec)
        write_status(unfinished, status)
        if fill is not None:
            fill(unfinished)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def remove_item_folder(folder: Path) -> None:
    """Remove an item and its data; from the first moment on it is no item any more."""
    gone = folder.with_name(f"{_REMOVED}{uuid.uuid4().hex}")
    try:
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise BatchError(
            f"{folder} could not be removed whole: {error.strerror or error}. "
            "Close what has its files open and try again."
        ) from error


def sweep_item(folder: Path) -> None:
    """Remove what writers that were killed left in an item's folder.

    For the holder of its lock alone: nobody else writes there but ``item.json``.
    """
    for path in folder.glob(".*.tmp*"):
        if not path.name.startswith(f".{ITEM_FILE}."):
            path.unlink(missing_ok=True)
    # Gigabytes; Windows lets go of a memory map a moment after its process has ended.
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)


def sweep_batch(root: Path) -> None:
    """Remove what processes that were killed while adding or removing left in a batch.

    A folder that is being filled at this moment is young, and stays.
    """
    with suppress(OSError):
        for path in (root / ITEMS).glob(f"{_REMOVED}*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (root / ITEMS).glob(f"{_UNFINISHED}*"):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def find_item_folder(root: Path, item_uuid: str) -> Path:
    """The folder of the item ``item_uuid`` without reading the others.

    Raises
    ------
    BatchError
        When the batch has no such item.
    """
    ending = f"-{item_uuid[:6]}"
    # Ours first; the others only for a folder that was renamed by hand.
    folders = sorted(item_folders(root), key=lambda entry: not entry.name.endswith(ending))
    for entry in folders:
        try:
            found = read_json(Path(entry.path) / ITEM_FILE).get("uuid")
        except BatchError:
            continue
        if found == item_uuid:
            return Path(entry.path)
    raise BatchError(f"The batch {root} has no item {item_uuid} that can be read.")
