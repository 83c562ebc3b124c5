"""The batch that the docks show, for scripts in the napari console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch

_current: Batch | None = None


def current_batch() -> Batch:
    """The batch that the docks of this process show.

    Raises
    ------
    BatchError
        When none is open.
    """
    if _current is None:
        raise BatchError(
            "No batch is open here. Open one in the batch manager, or with Batch.open(PATH)."
        )
    return _current


def set_current_batch(batch: Batch | None) -> None:
    """Set the batch that is open; the batch manager calls it."""
    global _current
    _current = batch
