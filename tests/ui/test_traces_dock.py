"""The trace dock with a real viewer: what is drawn, the cursor, the zoom, the peak."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_cnmf.model.components import Components
from napari_cnmf.ui._loading import finish, load_components
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.traces._curves import Trace
from napari_cnmf.ui.traces._dock import TracesWidget


class Desk:
    def __init__(self, viewer: Any, qtbot: Any) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.session = session_of(viewer)
        self.dock = TracesWidget(viewer)
        viewer.window.add_dock_widget(self.dock, area="bottom")

    def show(self, components: Components, *selection: int) -> None:
        self.session.show(finish(load_components(components)))
        self.session.select(selection)
        QApplication.processEvents()


@pytest.fixture
def desk(viewer: Any, qtbot: Any) -> Iterator[Desk]:
    there = Desk(viewer, qtbot)
    yield there
    there.session.timeline.stop()


def test_each_line_is_named_and_switched(desk: Desk, components: Components) -> None:
    desk.show(components, 1)
    assert len(desk.dock.plot.curves) == 3
    assert desk.dock.plot.explained == ["Raw", "Denoised", "Spikes"]
    desk.dock.buttons[Trace.RESIDUAL].setChecked(True)
    desk.dock.buttons[Trace.RAW].setChecked(False)
    desk.qtbot.waitUntil(
        lambda: desk.dock.plot.explained == ["Residual", "Denoised", "Spikes"]
    )  # fmt: skip
    desk.dock.buttons[Trace.DFF].setChecked(True)
    desk.qtbot.waitUntil(lambda: desk.dock.plot.explained == ["dF/F", "Spikes"])


def test_many_are_named_and_only_some_drawn(desk: Desk, result_of: Any) -> None:
    centres = [(4.0 + 6 * (i // 8), 4.0 + 6 * (i % 8)) for i in range(48)]
    desk.show(result_of((40, 52), centres).replace(images={}), *range(48))
    assert len(desk.dock.plot.curves) == 40 * 3
    assert "48 components, the first 40 drawn" in desk.dock._title.text()


def test_the_zoom_stays_and_follows_the_cursor(desk: Desk, components: Components) -> None:
    desk.show(components, 0)
    plot = desk.dock.plot
    plot.set_time_range(1.0, 2.0)
    desk.session.timeline.go_to(15)
    desk.session.select((3,))
    QApplication.processEvents()
    np.testing.assert_allclose(plot.time_range, (1.0, 2.0))
    desk.session.timeline.go_to(40)
    low, high = plot.time_range
    assert high - low == pytest.approx(1.0)
    assert low < 4.0 < high
    desk.dock._whole.click()
    assert plot.time_range[1] - plot.time_range[0] > 4.8


def test_cursor_and_slider_are_tied_both_ways(desk: Desk, components: Components) -> None:
    desk.show(components, 0)
    desk.session.timeline.go_to(12)
    assert desk.dock.plot.time == pytest.approx(1.2)
    desk.dock.plot.time_chosen.emit(3.34)
    assert desk.session.timeline.frame == 33


@pytest.mark.long
def test_the_peak_is_gone_to_and_played_around(desk: Desk, components: Components) -> None:
    C = np.array(components.C)
    C[2, 30] = C.max() + 5
    C[3] = np.nan
    desk.show(components.replace(C=C), 2)
    timeline = desk.session.timeline
    timeline.go_to(0)
    desk.dock._peak.click()
    assert timeline.frame == 30
    frames: list[int] = []
    desk.viewer.dims.events.current_step.connect(lambda _e: frames.append(timeline.frame))
    desk.dock._play.click()
    assert timeline.is_playing
    desk.qtbot.waitUntil(lambda: not timeline.is_playing)
    assert frames[0] == 15
    assert max(frames) > 30
    assert timeline.frame == 30, "when it is over the slider stands at the event"
    timeline.play_peak()
    timeline.play_peak()
    assert not timeline.is_playing, "again stops it"
    desk.session.select((3,))
    timeline.go_to_peak()
    assert timeline.frame == 0, "a trace without numbers has no event"


@pytest.mark.long
def test_one_frame_and_nothing(desk: Desk, result_of: Any) -> None:
    one = result_of((40, 52), [(8.0, 10.0), (20.0, 30.0)], 1).replace(images={})
    desk.show(one, 0, 1)
    assert len(desk.dock.plot.curves) == 6
    desk.session.timeline.go_to_peak()
    desk.session.timeline.play_peak()
    desk.qtbot.waitUntil(lambda: not desk.session.timeline.is_playing)
    bare = one.replace(S=None, YrA=None, b=None, f=None)
    desk.show(bare, 0)
    assert desk.dock.plot.explained == ["Denoised"]


@pytest.mark.long
def test_a_hidden_dock_draws_when_it_is_seen(desk: Desk, components: Components) -> None:
    desk.show(components, 1)
    assert len(desk.dock.plot.curves) == 3
    desk.dock.hide()
    desk.session.select((0, 2))
    QApplication.processEvents()
    assert len(desk.dock.plot.curves) == 3
    desk.dock.show()
    desk.qtbot.waitUntil(lambda: len(desk.dock.plot.curves) == 6)


@pytest.mark.long
def test_components_without_a_baseline_are_said_and_drawn_without_dff(
    desk: Desk, components: Components
) -> None:
    dark = components.replace(b=np.zeros_like(components.b), YrA=-np.abs(components.C) - 5)
    desk.show(dark, 1)
    desk.dock.buttons[Trace.DFF].setChecked(True)
    desk.qtbot.waitUntil(lambda: "no dF/F" in desk.dock._title.text())
    assert "component 1" in desk.dock._title.toolTip()
    desk.show(components, 1)
    desk.qtbot.waitUntil(lambda: "dF/F" in desk.dock.plot.explained)
    assert "no dF/F" not in desk.dock._title.text()
