"""The folders of a batch: made whole or not at all, found by uuid, read one by one."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from napari_cnmf._atomic import flush_all, json_text, write_json
from napari_cnmf.batch._files import read_json
from napari_cnmf.batch.spec import ITEM_FILE, ItemSpec, folder_name, spec_values, write_spec
from napari_cnmf.batch.status import STATUS_FILE, Status, require_version, status_values
from napari_cnmf.engines.base import (
    CORRECTED_FILE,
    IMAGES_FILE,
    MOTION_FILE,
    OUTPUT_FILES,
    PARTS,
    RESULT_FILE,
    SCRATCH,
)
from napari_cnmf.errors import BatchError

BATCH_FILE = "batch.json"
BATCH_FORMAT = "napari-cnmf-batch"
BATCH_VERSION = 1
ITEMS = "items"
INPUTS = "inputs"
_UNFINISHED = ".new-"
_REMOVED = ".gone-"
_ASIDE = "earlier-result-"
_ABANDONED_SECONDS = 24 * 3600.0


def create_batch_folder(root: Path) -> None:
    """Make ``root`` a batch; it may exist when it is empty.

    Raises
    ------
    BatchError
        When something else is there, or the place cannot be written. Nothing is left behind.
    """
    if root.exists() and not _is_empty_or_unfinished(root):
        raise BatchError(
            f"A new batch needs a folder that is empty or not there yet, got {root}. "
            + (
                "Open it instead: it is a batch."
                if (root / BATCH_FILE).exists()
                else "Take another name."
            )
        )
    rooms = [root / ITEMS, root / INPUTS]
    made = [path for path in (*rooms, root, *root.parents) if not path.exists()]
    try:
        for room in rooms:  # another process may be making the same batch
            room.mkdir(parents=True, exist_ok=True)
        write_json(root / BATCH_FILE, {"format": BATCH_FORMAT, "version": BATCH_VERSION})
    except OSError as error:
        for path in made:
            with suppress(OSError):  # of another process, which has put something into it
                path.rmdir()
        raise BatchError(
            f"A batch must be in a folder that can be written, got {root}: "
            f"{error.strerror or error}. Choose another place, or free some space."
        ) from error


def _is_empty_or_unfinished(root: Path) -> bool:
    """Whether there is nothing in ``root``, or what is made before the file of a new batch."""
    if not root.is_dir():
        return False
    left = {path.name for path in root.iterdir() if not path.name.startswith(f".{BATCH_FILE}.")}
    rooms = [root / name for name in (ITEMS, INPUTS) if name in left]
    return left <= {ITEMS, INPUTS} and not any(
        not room.is_dir() or any(room.iterdir()) for room in rooms
    )


def is_batch_without_items(root: Path) -> bool:
    """Whether ``root`` is a batch that nothing was added to: as good as an empty folder."""
    if not (root / BATCH_FILE).is_file():
        return False
    check_batch_folder(root)
    folders = [root / name for name in (ITEMS, INPUTS) if (root / name).is_dir()]
    return not any(any(folder.iterdir()) for folder in folders)


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
    require_version({"version": data.get("version")}, BATCH_VERSION, f"{root} has batch format")


def item_folders(root: Path) -> Iterator[os.DirEntry[str]]:
    """The folders of finished items, in no order."""
    try:
        with os.scandir(root / ITEMS) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and _may_be_folder(entry):
                    yield entry
    except OSError as error:
        raise BatchError(
            f"The items of {root} must be readable: {error.strerror or error}. "
            "Is the disk or the network share there?"
        ) from error


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or cannot be looked at: as an item it says why."""
    try:
        # A link to a folder that is gone was an item: it must not vanish without a word.
        return entry.is_dir() or (entry.is_symlink() and not os.path.exists(entry))
    except OSError:
        return True


@dataclass(frozen=True)
class NewItem:
    """Contents of the folder of a new item; ``fill`` puts further files into it."""

    spec: ItemSpec
    status: Status
    fill: Callable[[Path], None] | None = None


def add_item_folder(
    root: Path, spec: ItemSpec, status: Status, fill: Callable[[Path], None] | None = None
) -> Path:
    """Make the folder of a new item; it appears complete or not at all."""
    return add_item_folders(root, [NewItem(spec, status, fill)])[0]


def add_item_folders(root: Path, new: Sequence[NewItem]) -> list[Path]:
    """Make the folders of new items; each appears complete or not at all.

    None appears before all of them are on the disk: when it is full, nothing was added.

    Raises
    ------
    BatchError
        When they cannot be written.
    """
    # A name of its own: the same item may be on its way in from another process too.
    unfinished = [root / ITEMS / f"{_UNFINISHED}{uuid.uuid4()}" for _ in new]
    try:
        for folder, each in zip(unfinished, new, strict=True):
            _fill_folder(folder, each)
        flush_all(path for folder in unfinished for path in folder.iterdir() if path.is_file())
        return [
            _give_name(root, folder, each.spec)
            for folder, each in zip(unfinished, new, strict=True)
        ]
    except OSError as error:
        more = f" and {len(new) - 1} more" if len(new) > 1 else ""
        raise BatchError(
            f"Item {new[0].spec.name!r}{more} could not be added to {root}: "
            f"{error.strerror or error}. "
            "Free some space or make the folder writable, then add it again."
        ) from error
    finally:
        for folder in unfinished:
            shutil.rmtree(folder, ignore_errors=True)


def _fill_folder(folder: Path, new: NewItem) -> None:
    folder.mkdir()
    for name, values in (
        (ITEM_FILE, spec_values(new.spec)),
        (STATUS_FILE, status_values(new.status)),
    ):
        (folder / name).write_text(json_text(values), encoding="utf-8", newline="\n")
    if new.fill is not None:
        new.fill(folder)


def _give_name(root: Path, unfinished: Path, spec: ItemSpec) -> Path:
    """Let a folder appear as the item that it is."""
    while True:
        target = root / ITEMS / folder_name(spec)
        try:
            unfinished.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY) or not target.exists():
                raise
            # Six digits of a uuid may be there already; another uuid is as good.
            spec = spec.model_copy(update={"uuid": str(uuid.uuid4())})
            write_spec(unfinished, spec)
        else:
            return target


def remove_item_folder(folder: Path) -> None:
    """Remove an item and its data; from the first moment on it is no item any more."""
    gone = folder.with_name(f"{_REMOVED}{uuid.uuid4().hex}")
    try:
        if folder.is_symlink():
            folder.unlink()  # what it points to is not ours
            return
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise BatchError(
            f"{folder} could not be removed whole: {error.strerror or error}. "
            "Close what has its files open and try again."
        ) from error


def sweep_item(folder: Path) -> None:
    """Remove what writers that were killed left in the folder of an item that has no result.

    A whole result is never removed: it is put aside. For the holder of the item's lock alone:
    nobody else writes there but ``item.json``.
    """
    put_result_aside(folder)
    remove_outputs(folder)
    for path in folder.glob(".*.tmp*"):
        if not path.name.startswith(f".{ITEM_FILE}."):
            path.unlink(missing_ok=True)
    # Gigabytes; Windows lets go of a memory map a moment after its process has ended.
    for name in (SCRATCH, PARTS):
        shutil.rmtree(folder / name, ignore_errors=True)


def put_result_aside(folder: Path, *, movie_too: bool = False) -> Path | None:
    """Move a result, its images and the decisions about it into a folder of their own.

    A result appears under its name only when it is whole. Whatever the status says, it may be
    somebody's work.

    Parameters
    ----------
    movie_too
        Put a corrected movie aside, too. Of a run that is known to have been cut off it is left
        over, and large.

    Returns
    -------
    The new folder inside ``folder``; ``None`` when there was nothing.
    """
    has_movie = all((folder / name).is_file() for name in (CORRECTED_FILE, MOTION_FILE))
    if not (folder / RESULT_FILE).is_file() and not (movie_too and has_movie):
        return None
    number = 1
    while (aside := folder / f"{_ASIDE}{number}").exists():
        number += 1
    aside.mkdir()
    moved = [RESULT_FILE, IMAGES_FILE] + ([CORRECTED_FILE, MOTION_FILE] if movie_too else [])
    paths = [folder / name for name in moved]
    for path in [*paths, *folder.glob("curation*")]:
        if path.is_file():
            path.rename(aside / path.name)
    return aside


def remove_outputs(folder: Path) -> None:
    """Remove the outputs of a run that did not come to its end: half a result is none."""
    for name in OUTPUT_FILES:
        with suppress(OSError):  # Windows, while somebody has it open: a retry replaces it
            (folder / name).unlink(missing_ok=True)


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
