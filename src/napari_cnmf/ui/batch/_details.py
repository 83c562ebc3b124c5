"""Shows what is known about items: facts and parameters, images, log, error."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QFontDatabase, QTextCursor
from qtpy.QtWidgets import (
    QLabel,
    QPlainTextEdit,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.io.motion import MotionRecord
from napari_cnmf.ui._parts import STRETCH, fill, in_column, text_label
from napari_cnmf.ui._theme import WARNING_COLOR
from napari_cnmf.ui.batch._facts import FactsTree
from napari_cnmf.ui.batch._motion_view import MotionView
from napari_cnmf.ui.batch._pictures import PicturesView
from napari_cnmf.ui.batch._read_details import Details, Pictures
from napari_cnmf.ui.forms._sections import FoldingBox

_N_WARNINGS = 4


class DetailsPanel(QTabWidget):
    """Tabs about one item; of several, what differs between them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.tree = FactsTree()
        self.pictures = PicturesView()
        self.motion = MotionView()
        self._log = _text_view()
        self.problem = ErrorView()
        self.warnings = WarningsLabel()
        self.addTab(in_column(self.warnings, (self.tree, 1), spacing=0), "Item")
        self.addTab(self.pictures, "Images")
        self.addTab(self.motion, "Motion")
        self.addTab(self._log, "Log")
        self.addTab(self.problem, "Error")
        self.setDocumentMode(True)
        self._uuids: tuple[str, ...] = ()
        self.clear_details()

    def clear_details(self) -> None:
        """Clear the details of every tab."""
        self._uuids = ()
        self.tree.clear_details()
        self.warnings.show_warnings(())
        self.pictures.clear_pictures()
        self._show_motion(None)
        self._log.clear()
        self.problem.show_error("", "")
        self._show_tabs(one=True, error=False)

    def _show_tabs(self, *, one: bool, error: bool) -> None:
        for page, is_shown in ((self.pictures, one), (self._log, one), (self.problem, error)):
            self.setTabVisible(self.indexOf(page), is_shown)

    def _show_motion(self, record: MotionRecord | None) -> None:
        self.setTabVisible(self.indexOf(self.motion), record is not None)
        self.motion.show_record(record)

    def show_details(self, details: Sequence[Details]) -> None:
        """Show items; the same ones again keep scroll position and tab."""
        uuids = tuple(each.uuid for each in details)
        is_same = uuids == self._uuids
        self._uuids = uuids
        self.tree.show_details(details)
        self.warnings.show_warnings(details[0].warnings if len(details) == 1 else ())
        if len(details) != 1:
            self._show_motion(None)
            self._show_tabs(one=False, error=False)
            return
        one = details[0]
        if not is_same:
            self.pictures.clear_pictures()
        if not is_same or (one.motion is None) != (self.motion.record is None):
            self._show_motion(one.motion)
        _set_log(self._log, one.log or "Nothing was written yet.")
        is_news = not is_same or one.error != self.problem.message.text()
        self.problem.show_error(one.error, one.traceback)
        self._show_tabs(one=True, error=bool(one.error))
        if one.error and is_news:
            self.setCurrentWidget(self.problem)

    def show_pictures(self, pictures: Pictures) -> None:
        """Show summary images, when they are still those of the item on show."""
        if self._uuids == (pictures.uuid,):
            self.pictures.show_pictures(pictures)

    @property
    def wants_pictures(self) -> bool:
        """Whether the tab of images is in front, and empty."""
        return self.currentWidget() is self.pictures and not self.pictures.is_filled

    @property
    def log(self) -> str:
        """Text of the log that is shown."""
        return self._log.toPlainText()


class ErrorView(QWidget):
    """Error of an item: the sentence for the user, and the traceback, which folds out."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.message = text_label(selectable=True)
        self.traceback = _text_view()
        self.traceback.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.fold = FoldingBox("Traceback", [self.traceback])
        fill(QVBoxLayout(self), self.message, (self.fold, 1), STRETCH, margins=(6, 8, 6, 6))

    def show_error(self, message: str, traceback: str) -> None:
        """Show an error; another one than before is folded."""
        if message == self.message.text() and traceback == self.traceback.toPlainText():
            return
        self.message.setText(message)
        self.traceback.setPlainText(traceback)
        self.fold.setVisible(bool(traceback))
        self.fold.collapse()


class WarningsLabel(QLabel):
    """Warnings of an item, a sentence each; hidden where there are none."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setMargin(6)
        self.setStyleSheet(f"color: {WARNING_COLOR};")
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def show_warnings(self, warnings: Sequence[str]) -> None:
        """Show warnings; the log has those beyond the first few."""
        shown = [f"⚠ {text}" for text in warnings[:_N_WARNINGS]]
        if len(warnings) > _N_WARNINGS:
            shown.append(f"{len(warnings) - _N_WARNINGS} more are in the log.")
        self.setText("\n".join(shown))
        self.setToolTip("\n".join(warnings))
        self.setVisible(bool(warnings))


def _text_view() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setReadOnly(True)
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
    return view


def _set_log(view: QPlainTextEdit, text: str) -> None:
    """Show a log; what is new is appended, and followed unless the user has scrolled up."""
    before = view.toPlainText()
    if text == before:
        return
    bar = view.verticalScrollBar()
    at_end = bar is None or bar.value() >= bar.maximum() - 2
    if before and text.startswith(before):
        cursor = QTextCursor(view.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text[len(before) :])
    else:
        view.setPlainText(text)
    if bar is not None and at_end:
        bar.setValue(bar.maximum())
