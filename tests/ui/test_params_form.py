"""The form over the parameter models."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import PRESETS, CNMFParams, iter_fields
from napari_cnmf.ui.forms._editors import KwargsBox
from napari_cnmf.ui.forms._params_form import ParamsForm


@pytest.fixture
def form(qtbot: Any) -> ParamsForm:
    form = ParamsForm()
    qtbot.addWidget(form)
    form.show()
    return form


def type_into(form: ParamsForm, name: str, text: str) -> None:
    """Replace the text of a row's editor by typing."""
    line = form.row(name).editor.native
    line.selectAll()
    QTest.keyClicks(line, text)


class _ShownWindows(QObject):
    """Names of the widgets that appear as windows of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Note a window that is shown; every event goes on."""
        assert event is not None
        is_window = isinstance(watched, QWidget) and watched.isWindow()
        if is_window and event.type() == QEvent.Type.Show:
            self.names.append(type(watched).__name__)
        return False


def test_no_part_of_it_is_shown_as_a_window(qtbot: Any, qapp: QApplication) -> None:
    shown = _ShownWindows()
    qapp.installEventFilter(shown)
    try:
        form = ParamsForm()
        qtbot.addWidget(form)
        form.show()
    finally:
        qapp.removeEventFilter(shown)
    assert shown.names == ["ParamsForm"]


def test_it_starts_with_the_defaults(form: ParamsForm) -> None:
    assert form.value() == CNMFParams()
    assert form.problems == {}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_value_comes_back_as_it_was_set(form: ParamsForm, preset: str) -> None:
    start = CNMFParams.preset(preset)
    params = start.replace(
        data={"fr": 29.97},
        init={"gSig": (2, 3, 4) if start.n_axes == 3 else (3, 4), "K": 12},
        spatial={"nrgthr": 0.99985},
        extra={"init": {"SC_nnn": 10}},
        random_seed=7,
    )
    form.set_value(params)
    assert form.value() == params
    form.set_value(CNMFParams())
    assert form.value() == CNMFParams()


def test_every_parameter_has_a_row_with_help(form: ParamsForm) -> None:
    for field in iter_fields():
        row = form.row(field.name)
        assert field.description.split()[0] in row.editor.native.toolTip()


def test_what_is_typed_becomes_the_value(form: ParamsForm, qtbot: Any) -> None:
    with qtbot.waitSignal(form.changed):
        type_into(form, "init.gSig", "4, 6")
    assert form.value().init.gSig == (4, 6)
    type_into(form, "quality.min_SNR", "3.25")
    assert form.value().quality.min_SNR == 3.25


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("init.gSig", "0, 4"),
        ("init.gSig", "five"),
        ("merging.merge_thr", "2"),
        ("data.decay_time", ""),
    ],
)
def test_wrong_input_is_marked_and_explained(form: ParamsForm, name: str, text: str) -> None:
    line = form.row(name).editor.native
    line.clear()
    QTest.keyClicks(line, text)
    assert set(form.problems) == {name}
    assert "border" in line.styleSheet()
    assert form.problems[name] == line.toolTip()
    with pytest.raises(ParameterError, match=name):
        form.value()
    form.row(name).set_value(form.row(name).field.default)
    assert form.problems == {}
    assert line.styleSheet() == ""


def test_code_is_never_evaluated(form: ParamsForm, tmp_path: Any) -> None:
    target = tmp_path / "made"
    type_into(form, "init.gSig", f"open({str(target)!r}, 'w')")
    assert "init.gSig" in form.problems
    assert not target.exists()


def test_an_optional_value_has_a_tick(form: ParamsForm) -> None:
    row = form.row("init.K")
    assert form.value().init.K is None
    assert not row.editor.native.isVisibleTo(row)
    row._tick.click()
    assert row.editor.native.isVisibleTo(row)
    row.editor.value = 30
    assert form.value().init.K == 30
    row._tick.click()
    assert form.value().init.K is None


def test_sections_fold_and_advanced_rows_appear(form: ParamsForm) -> None:
    section = form.section("init")
    assert not section.isExpanded()
    section.button.click()
    assert section.isExpanded()
    basic, advanced = form.row("init.gSig"), form.row("init.gSiz")
    assert not basic.isHidden()
    assert advanced.isHidden()
    form.show_advanced(True)
    assert not advanced.isHidden()
    form.show_groups(["data", "quality"])
    assert section.isHidden()
    assert not form.section("quality").isHidden()


def test_a_folded_section_shows_that_it_has_a_problem(form: ParamsForm) -> None:
    form.row("quality.min_SNR").editor.value = "x"
    marked = form.section("quality").button.styleSheet()
    assert marked != form.section("init").button.styleSheet()


def test_the_wheel_scrolls_the_form_and_changes_nothing(form: ParamsForm) -> None:
    from qtpy.QtCore import QPoint, QPointF
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QApplication

    spin = form.row("init.nb").editor.native
    before = form.value()
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(spin, event)
    assert form.value() == before


@pytest.mark.parametrize(
    "text", ["gSig=(4, 6), k=9", "{'gSig': [4, 6], 'K': 9}", "gSig = [4, 6]\nK = 9"]
)
def test_keyword_arguments_win(qtbot: Any, text: str) -> None:
    box = KwargsBox("CNMF", "")
    qtbot.addWidget(box)
    box.set_text(text)
    params = box.applied_to(CNMFParams().replace(merging={"merge_thr": 0.6}))
    assert (params.init.gSig, params.init.K, params.merging.merge_thr) == ((4, 6), 9, 0.6)
    box.set_text("gSigg=4")
    with pytest.raises(ParameterError, match="gSig"):
        box.applied_to(CNMFParams())


def test_a_click_at_automatic_starts_editing(form: ParamsForm) -> None:
    row = form.row("data.fr")
    assert form.value().data.fr is None
    row._automatic.click()
    type_into(form, "data.fr", "30")
    assert form.value().data.fr == 30
