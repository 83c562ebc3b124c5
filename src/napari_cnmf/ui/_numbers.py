"""Boxes for numbers that take a decimal point and a decimal comma on every desktop.

Qt's own boxes go by the language of the desktop and drop signs that it does not use: on a German
desktop 2.5 becomes 25, on an English one 2,5 does.
"""

from __future__ import annotations

from typing import Any, cast

from qtpy.QtCore import QLocale, QPoint
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QDoubleSpinBox, QSpinBox, QToolTip, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params.numbers import parse_number

_SIGNS = frozenset("+-−.,٫٬،'’_ \u00a0\u202feE")
_MOST_DECIMALS = 6


class _Reader:
    """Reading of a text in both boxes; a text that is refused gets its reason beside the box."""

    whole = False

    def _stripped(self, text: str) -> str:
        box = cast(Any, self)
        return str(text).removeprefix(box.prefix()).removesuffix(box.suffix()).strip()

    def _number(self, text: str) -> float | None:
        try:
            number = parse_number(self._stripped(text), whole=self.whole)
        except ParameterError:
            return None
        if number is None or (self.whole and number != int(number)):
            return None
        return number

    def _is_special(self, text: str) -> bool:
        special = cast(Any, self).specialValueText()
        return bool(special) and str(text) == special

    def _state(self, text: str) -> QValidator.State:
        """Keep everything that belongs to numbers while it is typed: it is read at the end."""
        box, number = cast(Any, self), self._number(text)
        if self._is_special(text):
            return QValidator.State.Acceptable
        if number is not None and box.minimum() <= number <= box.maximum():
            return QValidator.State.Acceptable
        typed = self._stripped(text)
        is_like_number = all(sign.isdecimal() or sign in _SIGNS for sign in typed)
        return QValidator.State.Intermediate if is_like_number else QValidator.State.Invalid

    def _say_why(self, text: str) -> None:
        box, typed = cast(Any, self), self._stripped(text)
        if not typed or self._state(text) == QValidator.State.Acceptable:
            return
        try:
            number = parse_number(typed, whole=self.whole)
        except ParameterError as error:
            why = str(error)
        else:
            kind = "a whole number" if self.whole else "a number"
            limits = f"from {box.minimum():.10g} to {box.maximum():.10g}"
            got = typed if number is None else f"{number:.10g}"
            why = f"The value must be {kind} {limits}, got {got}. The value before stays."
        QToolTip.showText(box.mapToGlobal(QPoint(0, box.height())), why, box)
        box.setProperty("refused", why)

    def validate(self, text: str | None, position: int) -> Any:
        """Accept what may become a number while it is typed."""
        return self._state(text or ""), text, position

    def fixup(self, text: str | None) -> str:
        """Show why a text is refused, and leave the text as it is."""
        self._say_why(text or "")
        return text or ""


class DecimalBox(_Reader, QDoubleSpinBox):
    """A spin box for decimal numbers; ``decimals`` is how many it keeps at most."""

    def __init__(self, parent: QWidget | None = None) -> None:
        QDoubleSpinBox.__init__(self, parent)
        self.setLocale(QLocale.c())
        # Half of a text is another number: it is read when the typing ends.
        self.setKeyboardTracking(False)
        self.setDecimals(_MOST_DECIMALS)

    def valueFromText(self, text: str | None) -> float:
        """Read the number in a text, with decimal point or comma, else keep the old value."""
        number = self._number(text or "")
        return self.value() if number is None else float(number)

    def textFromValue(self, value: float) -> str:
        """Write a number with a decimal point, without zeros at its end."""
        return f"{round(value, self.decimals()) + 0.0:.12g}"


class WholeBox(_Reader, QSpinBox):
    """A spin box for whole numbers."""

    whole = True

    def __init__(self, parent: QWidget | None = None) -> None:
        QSpinBox.__init__(self, parent)
        self.setLocale(QLocale.c())
        self.setKeyboardTracking(False)

    def valueFromText(self, text: str | None) -> int:
        """Read the whole number in a text, else keep the old value."""
        number = self._number(text or "")
        return self.value() if number is None else int(number)

    def textFromValue(self, value: int) -> str:
        """Write a whole number without separators."""
        return str(value)
