"""Another plugin whose listener raises does not stop ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.utils.notifications import NotificationSeverity, notification_manager

from napari_cnmf.model.components import Components
from napari_cnmf.ui._loading import finish, load_components
from napari_cnmf.ui._session import session_of


def _emitters(viewer: Any) -> dict[str, Any]:
    return {
        "a layer comes": viewer.layers.events.inserted,
        "a layer goes": viewer.layers.events.removed,
        "any change of the layers": viewer.layers.events,
        "the selection changes": viewer.layers.selection.events.changed,
        "another layer is active": viewer.layers.selection.events.active,
        "the frame changes": viewer.dims.events.current_step,
    }


@pytest.fixture
def listen(viewer: Any) -> Iterator[Callable[[str], list[Any]]]:
    """Connect a listener that raises; gives the calls that it got."""
    connected = []

    def connect(to: str) -> list[Any]:
        calls: list[Any] = []

        def histogram(event: Any) -> None:
            calls.append(event)
            raise ValueError("Labels have no histogram")

        histogram.__qualname__ = f"histogram[{to}]"  # one window serves all tests
        _emitters(viewer)[to].connect(histogram)
        connected.append((to, histogram))
        return calls

    yield connect
    for to, histogram in connected:
        _emitters(viewer)[to].disconnect(histogram)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What napari was told of, not shown."""
    found: list[str] = []

    def dispatch(notification: Any) -> None:
        assert notification.severity >= NotificationSeverity.ERROR
        found.append(str(notification.message))

    monkeypatch.setattr(notification_manager, "catch_error", True)
    monkeypatch.setattr(notification_manager, "dispatch", dispatch)
    return found


@pytest.mark.parametrize(
    "to",
    [
        "a layer comes",
        "a layer goes",
        "any change of the layers",
        "the selection changes",
        "another layer is active",
        "the frame changes",
    ],
)
def test_a_result_opens_and_closes_beside_a_listener_that_raises(
    viewer: Any,
    components: Components,
    listen: Callable[[str], list[Any]],
    told: list[str],
    to: str,
) -> None:
    session = session_of(viewer)
    calls = listen(to)
    result = session.show(finish(load_components(components)))
    assert result is not None
    assert set(result.layers.all_layers()) <= set(viewer.layers)
    assert viewer.layers.selection.active is result.layers.labels
    canvas = viewer.window._qt_viewer.canvas
    assert all(layer in canvas.layer_to_visual for layer in viewer.layers), "each one is drawn"
    session.select((1, 3))
    viewer.dims.set_current_step(0, 7)
    assert session.selection == (1, 3)
    session.close_result()
    assert session.result is None
    assert len(calls) > 0
    assert told == ["Labels have no histogram"], "once, however often it was raised"


def test_errors_of_ours_go_on(viewer: Any) -> None:
    session_of(viewer)

    def listener(_event: Any) -> None:
        raise ValueError("a fault of ours")

    listener.__module__ = "napari_cnmf.ui.somewhere"
    inserted = viewer.layers.events.inserted
    inserted.connect(listener)
    try:
        with pytest.raises(ValueError, match="a fault of ours"):
            viewer.add_image(np.zeros((4, 4)))
    finally:
        inserted.disconnect(listener)
