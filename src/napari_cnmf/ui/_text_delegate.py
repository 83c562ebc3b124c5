"""Keeps what is being typed into a table, whatever happens to the row meanwhile."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex
from qtpy.QtWidgets import QLineEdit, QStyledItemDelegate, QWidget


class TextDelegate(QStyledItemDelegate):
    """Delegate that leaves an open editor alone once the user has typed into it.

    Qt writes the value of a cell into its open editor at every ``dataChanged``; a row whose clock
    ticks each second would take away what was typed, or the selection of the text to replace.
    """

    def setEditorData(self, editor: QWidget | None, index: QModelIndex) -> None:
        """Fill the editor with the text of the cell, unless the user has typed into it."""
        if isinstance(editor, QLineEdit) and (editor.isModified() or editor.text() == index.data()):
            return
        super().setEditorData(editor, index)
