"""Box for keyword arguments as scripts write them: parsed, never evaluated."""

from __future__ import annotations

from magicgui.widgets import TextEdit
from qtpy.QtCore import Signal
from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, read_foreign
from napari_cnmf.ui._theme import set_problem


class KwargsBox(QWidget):
    """Text such as ``gSig=(4, 4), merge_thr=0.7``, which wins over the form above it."""

    changed = Signal()

    def __init__(self, title: str, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.left_out = ""
        """What was typed and has no meaning here, in a sentence."""
        self._text = TextEdit()
        native = self._text.native
        native.setPlaceholderText(placeholder)
        native.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        native.setTabChangesFocus(True)
        native.setFixedHeight(56)
        native.setToolTip(
            "Python literals or TOML, with CaImAn's names. What stands here wins over the form. "
            "The text is parsed, never evaluated."
        )
        # magicgui's own signal does not fire here: QTextEdit's carries no value.
        native.textChanged.connect(self.changed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 4)
        layout.setSpacing(2)
        layout.addWidget(QLabel(title))
        layout.addWidget(native)

    @property
    def text(self) -> str:
        """Text that was typed."""
        text: str = self._text.value
        return text.strip()

    def set_text(self, text: str) -> None:
        """Set the text as if it was typed."""
        self._text.value = text

    def applied_to(self, params: CNMFParams) -> CNMFParams:
        """Parameters with what was typed on top.

        Raises
        ------
        ParameterError
            When it does not parse, or names what nobody knows.
        """
        self.left_out = ""
        if not self.text:
            return params
        foreign = read_foreign(self.text, params)
        self.left_out = foreign.report
        return params.replace(**foreign.groups)

    def show_problem(self, problem: ParameterError | None) -> None:
        """Show a red border, and the sentence as its tooltip."""
        set_problem(self._text.native, None if problem is None else str(problem))
