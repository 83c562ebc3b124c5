"""Listeners of other plugins: an error in one of them does not stop what we do.

napari calls all listeners of an event in turn, within the statement that caused it. One that
raises ends that statement. A layer is then added by half, and a result does not open.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from napari.utils.notifications import notification_manager

_TRUSTED = ("napari", "napari_cnmf")
"""Packages whose errors go on as they are: napari needs its listeners, and our errors are ours."""


def go_on_after_errors_of_others(viewer: Any) -> None:
    """Let the viewer's events reach every listener, also after one of another plugin has raised.

    napari shows the error as it shows any other, once for each listener and kind of error.

    Parameters
    ----------
    viewer
        Viewer whose layers, selection of layers and sliders are listened to.
    """
    told: set[tuple[str, type[BaseException]]] = set()
    for group in (viewer.layers.events, viewer.layers.selection.events, viewer.dims.events):
        for emitter in (group, *group.emitters.values()):
            # napari has no public switch that keeps its own errors and ours: this is the one call
            # that every listener is called by, in each napari that we support (a test says so).
            emitter._invoke_callback = partial(_call, emitter._invoke_callback, told)


def _call(
    invoke: Any, told: set[tuple[str, type[BaseException]]], callback: Any, event: Any
) -> None:
    try:
        invoke(callback, event)
    except Exception as error:
        owner = str(getattr(callback, "__module__", ""))
        if owner.partition(".")[0] in _TRUSTED:
            raise
        who = f"{owner}.{getattr(callback, '__qualname__', type(callback).__qualname__)}"
        if (who, type(error)) in told:
            return
        told.add((who, type(error)))
        error.add_note(f"It was raised by {who}, a listener that is not part of napari-cnmf.")
        notification_manager.receive_error(*sys.exc_info())
