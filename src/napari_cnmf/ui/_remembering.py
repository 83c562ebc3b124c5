"""Writes choices of the user to the settings in the background."""

from __future__ import annotations

import threading
from typing import Any

from napari_cnmf.settings import update_settings
from napari_cnmf.ui._background import call_in_background

_unwritten: dict[str, Any] = {}
_writing = threading.Lock()


def remember(**changes: Any) -> None:
    """Write settings in the background; the last choice stands, whichever thread comes first."""
    _unwritten.update(changes)
    call_in_background(_write)


def _write() -> None:
    # Taken and written under one lock: a later choice is taken by a later write.
    with _writing:
        changes = {}
        while _unwritten:
            name, value = _unwritten.popitem()
            changes[name] = value
        if changes:
            update_settings(**changes)
