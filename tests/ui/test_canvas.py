"""Layers go away without taking the canvas with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtGui import QOpenGLContext
from vispy.gloo.glir import GlirProgram

from napari_cnmf.ui._session import session_of


def test_shaders_of_a_removed_layer_are_deleted_where_they_were_used(
    viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
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
    native.doneCurrent()  # as after the window was put together
    viewer.layers.remove(shapes)
    assert contexts
    assert all(context == native.context() for context in contexts)
    drawn.clear()
    viewer.dims.set_current_step(0, 2)
    qtbot.waitUntil(lambda: bool(drawn))  # and the movie is drawn on
