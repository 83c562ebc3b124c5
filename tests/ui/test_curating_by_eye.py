"""Colours, filter, right click, thresholds and words of the curation, in a real viewer."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from skimage.color import rgb2lab

from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Decision
from napari_cnmf.model.verdict_colors import VERDICT_COLORS
from napari_cnmf.model.why import CandidateHere, ComponentHere, Explanation
from napari_cnmf.params import QualityParams
from napari_cnmf.ui._canvas import camera_of, canvas_widget
from napari_cnmf.ui._docks import dock_of
from napari_cnmf.ui._loading import finish, load_components
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._thresholds import effects_of_thresholds
from napari_cnmf.ui.curation._why_words import describe_candidate, describe_place
from napari_cnmf.ui.layers._colors import SELECTION_COLORS

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}


def as_seen(color: str, deficiency: str) -> np.ndarray:
    """CIELAB of a colour as somebody with a colour vision deficiency sees it."""
    rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(DEFICIENCIES[deficiency] @ linear, 0, 1)
    srgb = np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(srgb[np.newaxis, np.newaxis])[0, 0])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_differ_for_colour_blind_eyes(deficiency: str) -> None:
    for palette in (tuple(VERDICT_COLORS.values()), SELECTION_COLORS):
        for one, other in itertools.combinations(palette, 2):
            distance = np.linalg.norm(as_seen(one, deficiency) - as_seen(other, deficiency))
            assert distance > 30, (one, other)
    # The first selected component is told from every verdict, too.
    for color in VERDICT_COLORS.values():
        first = as_seen(SELECTION_COLORS[0], deficiency)
        assert np.linalg.norm(first - as_seen(color, deficiency)) > 30, color


@pytest.fixture
def dock(viewer: Any, qtbot: Any, components: Components) -> Any:
    _, dock = viewer.window.add_plugin_dock_widget("napari-cnmf", "Curation")
    session_of(viewer).show(
        finish(
            load_components(
                components.replace(params={"quality": {"min_SNR": 2.5, "rval_thr": 0.8}})
            )
        )
    )
    qtbot.waitUntil(lambda: len(dock.panel.model.figures) == 5)
    return dock


def alpha(dock: Any, row: int) -> float:
    labels = dock.session.result.layers.labels
    return float(labels.colormap.map(np.array([row + 1], np.uint16))[0, 3])


def test_the_filter_counts_and_drives_the_canvas(dock: Any) -> None:
    panel = dock.panel
    assert panel.matches.text() == ""
    QTest.keyClicks(panel.filter, "snr>4")
    assert panel.matches.text() == "3 of 5 match"
    assert [alpha(dock, row) > 0 for row in range(5)] == [False, False, True, True, True]
    panel.switches["rejected"].setChecked(False)
    assert [alpha(dock, row) > 0 for row in range(5)] == [False, False, True, False, True]
    panel.switches["rejected"].setChecked(True)
    panel.filter.clear()
    assert panel.matches.text() == ""
    assert all(alpha(dock, row) > 0 for row in range(5))


def click(viewer: Any, world: tuple[float, float], button: Any) -> None:
    canvas, camera = canvas_widget(viewer), camera_of(viewer)
    y = canvas.height() / 2 + (world[0] - camera.center[-2]) * camera.zoom
    x = canvas.width() / 2 + (world[1] - camera.center[-1]) * camera.zoom
    QTest.mouseClick(canvas, button, Qt.KeyboardModifier.NoModifier, QPoint(round(x), round(y)))


def test_a_right_click_flips_the_verdict(dock: Any, viewer: Any, qtbot: Any) -> None:
    canvas = canvas_widget(viewer)
    qtbot.waitUntil(lambda: canvas.isVisible() and canvas.width() > 200)
    viewer.reset_view()
    zoom = camera_of(viewer).zoom
    cur = dock.curation
    assert cur.accepted[1] == False  # noqa: E712
    click(viewer, (8, 30), Qt.MouseButton.RightButton)
    assert cur.decisions[1] == Decision.ACCEPTED
    assert dock.session.selection == (1,)
    assert dock.panel.status.text() == "Component 1 is accepted. Undo takes that back."
    click(viewer, (8, 30), Qt.MouseButton.RightButton)
    assert cur.decisions[1] == Decision.REJECTED
    cur.undo()
    assert cur.decisions[1] == Decision.ACCEPTED
    assert dock.panel.status.text() == ""
    click(viewer, (35, 5), Qt.MouseButton.RightButton)
    assert cur.decisions.tolist() == [0, Decision.ACCEPTED, 0, 0, 0], "no cell, no decision"
    assert camera_of(viewer).zoom == zoom
    # Where the user draws in a layer of his own, the click is his.
    viewer.add_labels(np.zeros((40, 52), np.uint8)).mode = "paint"
    click(viewer, (8, 30), Qt.MouseButton.RightButton)
    assert cur.decisions[1] == Decision.ACCEPTED


def test_the_sliders_say_their_rule_and_what_each_decides(dock: Any, qtbot: Any) -> None:
    sliders = dock.panel.thresholds
    seen = [text for text, label in sliders.rules.items() if not label.isHidden()]
    assert seen == [
        "A component needs one of these to be accepted:",
        "and is rejected by any of these:",
    ]
    # SNR is 2 to 8, r 0.3 to 0.9: four have the SNR, one of them the r as well.
    effects = effects_of_thresholds(dock.curation)
    assert (effects["min_SNR"], effects["rval_thr"]) == (3, 0)
    qtbot.waitUntil(lambda: sliders.rows["min_SNR"].effect.text() == "3")
    dock.curation.reject([1, 2])
    qtbot.waitUntil(lambda: sliders.rows["min_SNR"].effect.text() == "1")


def test_the_export_dock_comes_to_the_front_with_one_click(dock: Any, qtbot: Any) -> None:
    from napari_cnmf.ui.exporting._dock import ResultButtons

    (buttons,) = dock.findChildren(ResultButtons)
    qtbot.waitUntil(buttons.export.isVisible)
    QTest.mouseClick(buttons.export, Qt.MouseButton.LeftButton)
    export = dock_of(dock).window().findChildren(type(dock_of(dock)))
    (front,) = [d for d in export if d.windowTitle().startswith("Export")]
    # Hidden tabs have no visible region.
    qtbot.waitUntil(lambda: not front.visibleRegion().isEmpty())
    for _ in range(10):
        QApplication.processEvents()
    assert not front.visibleRegion().isEmpty()


# -- words


def explanation(**changes: Any) -> Explanation:
    known: dict[str, Any] = {
        "at": (3, 4),
        "components": (),
        "candidates": (),
        "images": {},
        "least_energy": 6000.0,
        "least_area_px": 20,
    }
    return Explanation(**known | changes)


QUALITY = QualityParams(min_SNR=2.5, rval_thr=0.8)


def test_why_speaks_of_cells_and_not_of_maps() -> None:
    rules = ("SNR 1.20 <= min_SNR 2.5 and r 0.30 < rval_thr 0.8",)
    weak = ComponentHere(7, False, "soma", 1.0, 1.2, 0.3, None, rules)
    said = describe_place(explanation(components=(weak,)), QUALITY)
    assert said == (
        "Component 7 was rejected: its transients are weak (SNR 1.20, min_SNR is 2.5) and the "
        "movie follows its shape too little (r 0.30, rval_thr is 0.8)."
    )
    by_hand = ComponentHere(7, False, "soma", 1.0, 9.0, 0.9, None, ("by hand",))
    assert "rejected by hand" in describe_place(explanation(components=(by_hand,)), QUALITY)
    tried = CandidateHere((3, 4), 2.2, 6560.0, 3000.0, 12, "too small")
    found = explanation(candidates=(tried,))
    assert "it is too small (12 px, at least 20 px are needed)" in describe_place(found, QUALITY)
    faint = CandidateHere((3, 4), 2.2, 6560.0, 3000.0, 30, "too little energy of its own")
    assert describe_candidate(faint, found) == (
        "A bright spot 2 px from here was tried and dropped: its own activity is too weak "
        "(50% of what a cell needs)."
    )
    silent = describe_place(explanation(images={"energy": 1.0}), QUALITY)
    for text in (said, describe_place(found, QUALITY), describe_candidate(faint, found), silent):
        assert "map" not in text
        assert "energy" not in text
