"""Numbers typed with real keys, on desktops of several languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtCore import QLocale, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit

import napari_cnmf.ui
from napari_cnmf.params import iter_fields
from napari_cnmf.ui._numbers import DecimalBox, WholeBox
from napari_cnmf.ui.curation._thresholds import ThresholdSliders
from napari_cnmf.ui.forms._params_form import ParamsForm
from napari_cnmf.ui.grid._axis import read_values

LOCALES = ["C", "en_US", "de_DE", "fr_FR", "de_CH", "ar_EG", "hi_IN", "fa_IR"]


@pytest.fixture(params=LOCALES)
def desktop(request: Any, qapp: Any) -> Iterator[str]:
    """A desktop in another language."""
    before = QLocale()
    QLocale.setDefault(QLocale(request.param))
    yield request.param
    QLocale.setDefault(before)


def type_into(widget: Any, text: str) -> None:
    """Replace what stands in a box or line, by keys; other scripts come from an input method."""
    widget.setFocus()
    widget.selectAll()
    if text.isascii():
        QTest.keyClicks(widget, text)
    else:
        line = widget if isinstance(widget, QLineEdit) else widget.lineEdit()
        line.insert(text)
    QTest.keyClick(widget, Qt.Key.Key_Return)


@pytest.mark.parametrize(
    ("text", "value"),
    [("2.5", 2.5), ("2,5", 2.5), ("0.85", 0.85), ("0,855", 0.855), ("٢٫٥", 2.5), ("1e1", 10)],
)
def test_a_box_takes_point_and_comma(desktop: str, qtbot: Any, text: str, value: float) -> None:
    box = DecimalBox()
    qtbot.addWidget(box)
    box.setRange(-100, 100)
    box.setSuffix(" px")
    box.show()
    type_into(box, text)
    assert box.value() == pytest.approx(value)
    assert box.cleanText() == f"{value:g}"


def test_a_box_shows_numbers_alike_everywhere(desktop: str, qtbot: Any) -> None:
    box, whole = DecimalBox(), WholeBox()
    for one in (box, whole):
        qtbot.addWidget(one)
        one.setRange(0, 2000)
    box.setValue(1234.5)
    whole.setValue(1234)
    assert (box.text(), whole.text()) == ("1234.5", "1234")


@pytest.mark.parametrize("text", ["1,000", "3000", "1,2,3", "-"])
def test_a_box_that_cannot_read_keeps_its_value_and_says_why(
    desktop: str, qtbot: Any, text: str
) -> None:
    box = DecimalBox()
    qtbot.addWidget(box)
    box.setRange(0, 2000)
    box.setValue(7)
    box.show()
    type_into(box, text)
    assert box.value() == 7
    assert box.property("refused")


def test_a_whole_box_never_drops_a_sign(desktop: str, qtbot: Any) -> None:
    box = WholeBox()
    qtbot.addWidget(box)
    box.setRange(0, 5000)
    box.setValue(3)
    box.show()
    for text in ("2.5", "2,5", "1.000", "1,000"):
        type_into(box, text)
        assert box.value() == 3
    type_into(box, "1 200")
    assert box.value() == 1200


TYPED = [
    ("data.fr", "30,5", 30.5),
    ("data.fr", "30.5", 30.5),
    ("init.gSig", "4,6", (4, 6)),
    ("init.nb", "3", 3),
    ("data.dxy", "1,5; 1,5", (1.5, 1.5)),
    ("merging.merge_thr", "0,7", 0.7),
]


def test_the_form(desktop: str, qtbot: Any) -> None:
    form = ParamsForm()
    qtbot.addWidget(form)
    form.show()
    for name, text, value in TYPED:
        row = form.row(name)
        if row._tick is not None and not row._tick.isChecked():
            row._tick.click()
        type_into(row.editor.native, text)
        group, _, key = name.partition(".")
        assert form.problems == {}, (name, text)
        assert getattr(getattr(form.value(), group), key) == value, (name, text)


def test_the_form_refuses_in_a_sentence(desktop: str, qtbot: Any) -> None:
    form = ParamsForm()
    qtbot.addWidget(form)
    form.show()
    line = form.row("init.nb").editor.native
    for text in ("1,000", "2,5", "2.5", "x", ""):
        line.clear()
        type_into(line, text)
        assert "init.nb" in form.problems["init.nb"], text
        assert line.text() == text


def test_thresholds_of_the_curation(desktop: str, qtbot: Any, components: Any) -> None:
    sliders = ThresholdSliders()
    qtbot.addWidget(sliders)
    sliders.set_components(components)
    sliders.show()
    box = sliders.rows["min_SNR"].box
    for text, value in (("2.5", 2.5), ("3,25", 3.25)):
        with qtbot.waitSignal(sliders.settled) as told:
            type_into(box, text)
        assert told.args == [{"min_SNR": value}]


def test_no_number_is_typed_into_a_box_of_qt() -> None:
    """Qt's own boxes drop a comma or a point: every dock has ours."""
    root = Path(napari_cnmf.ui.__file__).parent
    users = [
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if re.search(r"\bQ(Double)?SpinBox\b", path.read_text(encoding="utf-8"))
    ]
    assert users == ["_numbers.py"]


def test_values_of_a_grid(desktop: str) -> None:
    field = next(f for f in iter_fields() if f.name == "merging.merge_thr")
    from napari_cnmf.params import CNMFParams

    assert read_values("0,7; 0,85", field, CNMFParams()) == (0.7, 0.85)
    assert read_values("0.7, 0.85", field, CNMFParams()) == (0.7, 0.85)


def test_a_typed_digit_joins_nothing(qtbot: Any) -> None:
    """Of every optional number: a click, then digits; the digits are all of the value."""
    form = ParamsForm()
    qtbot.addWidget(form)
    form.show()
    n_tried = 0
    for field in iter_fields():
        if not field.optional:
            continue
        row = form.row(field.name)
        row.set_value(None)
        row._automatic.click()
        native = row.editor.native
        has_text = hasattr(native, "text") and native.text() is not None
        if not has_text or field.choices or isinstance(row.value, bool):
            row.set_value(None)
            continue
        assert row.value == "", field.name
        QTest.keyClicks(native, "30")
        assert row.value == 30, field.name
        row._tick.click()
        row._tick.click()
        assert row.value == "", field.name
        assert field.name in form.problems
        row.set_value(None)
        n_tried += 1
    assert n_tried > 5
