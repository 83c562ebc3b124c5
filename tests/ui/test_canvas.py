"""Layers go away without taking the canvas with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext
from vispy.gloo.glir import GlirProgram

from napari_cnmf.ui._session import session_of


@contextmanager
def disturbed(event: Any, native: Any) -> Iterator[None]:
    """Whoever hears ``event`` lets go of the canvas's context, as a paint in between does."""

    def let_go(_event: Any) -> None:
        native.doneCurrent()

    event.connect(let_go)
    yield
    event.disconnect(let_go)


@pytest.mark.parametrize("many", [False, True], ids=["one layer", "all layers at once"])
def test_shaders_of_removed_layers_are_deleted_where_they_were_used(
    viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    """Deleted in another context they crash the next draw of software OpenGL."""
    session_of(viewer)
    native = viewer.window._qt_viewer.canvas.native
    drawn, contexts = [], []
    delete, draw = GlirProgram.delete, GlirProgram.draw

    def watched_draw(self: GlirProgram, *args: Any, **kwargs: Any) -> None:
        drawn.append(self)
        draw(self, *args, **kwargs)

    def watched_delete(self: GlirProgram) -> None:
        contexts.append(QOpenGLContext.currentContext())
        delete(self)

    monkeypatch.setattr(GlirProgram, "draw", watched_draw)
    monkeypatch.setattr(GlirProgram, "delete", watched_delete)
    viewer.add_image(np.zeros((3, 16, 16)))
    square = np.array([[2, 2], [2, 9], [9, 9], [9, 2]])
    shapes = viewer.add_shapes([square], ndim=2)
    qtbot.waitUntil(lambda: len(set(drawn)) > 2)
    # As after Qt has put the window together; a handler of ours may as well have painted.
    events = viewer.layers.events
    with disturbed(events.removing, native), disturbed(events.removed, native):
        if many:
            viewer.layers.clear()
        else:
            viewer.layers.remove(shapes)
    assert contexts
    assert all(context == native.context() for context in contexts)
    drawn.clear()
    viewer.add_image(np.ones((16, 16)))
    qtbot.waitUntil(lambda: bool(drawn))  # and the canvas is drawn on
