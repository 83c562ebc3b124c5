"""Shows facts and parameters: of one item beside the defaults, of several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtGui import QBrush, QColor
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem, QWidget

from napari_cnmf.ui._theme import WARNING_COLOR
from napari_cnmf.ui.batch._read_details import Details

_N_COMPARED = 6
_HINT = "Select two items or more to see what differs between them."


class FactsTree(QTreeWidget):
    """A tree of names and values."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setUniformRowHeights(True)
        self.setIndentation(12)
        self._shown: tuple[Any, ...] = ()

    def clear_details(self) -> None:
        """Clear the tree."""
        self._shown = ()
        self.clear()
        self.setHeaderLabels(["", "Value", "Default"])

    def show_details(self, details: Sequence[Details]) -> None:
        """Show items; nothing happens when all of it is shown already."""
        wanted = tuple((d.uuid, d.facts, d.parameters, d.used) for d in details)
        if wanted == self._shown:
            return
        self.clear_details()
        self._shown = wanted
        if len(details) == 1:
            self._show_one(details[0])
        else:
            self._show_difference(details[:_N_COMPARED])
        header = self.header()
        if header is None:
            return
        header.setStretchLastSection(False)
        for column in range(self.columnCount()):
            is_value = column == 1 or (column > 1 and len(details) > 1)
            mode = QHeaderView.ResizeMode
            header.setSectionResizeMode(column, mode.Stretch if is_value else mode.ResizeToContents)

    def _show_one(self, details: Details) -> None:
        for name, value in details.facts.items():
            self._add(name, value)
        groups: dict[str, dict[str, Any]] = {}
        for name, value in details.parameters.items():
            group, _, key = name.rpartition(".")
            groups.setdefault(group or "other", {})[key] = value
        for group, values in groups.items():
            prefix = "" if group == "other" else f"{group}."
            defaults = {key: details.defaults.get(prefix + key) for key in values}
            changed = [key for key in values if values[key] != defaults[key]]
            node = self._add(group, f"{len(changed)} changed" if changed else "as by default")
            for key in sorted(values, key=lambda k: (k not in changed, k)):
                leaf = QTreeWidgetItem([key, _shown(values[key]), _shown(defaults[key])])
                if key in changed:
                    _make_bold(leaf, 1)
                if prefix + key in details.used:
                    _show_used(leaf, values[key], details.used[prefix + key])
                node.addChild(leaf)
            node.setExpanded(bool(changed))
        if details.parameters:
            self.setToolTip(_HINT)

    def _show_difference(self, details: Sequence[Details]) -> None:
        """Add a column for each item, and a row for everything that is not the same in all."""
        self.setHeaderLabels(["What differs", *(each.name for each in details)])
        found = False
        for values in ([d.facts for d in details], [d.parameters for d in details]):
            names = dict.fromkeys(name for each in values for name in each)
            for name in names:
                row = [each.get(name) for each in values]
                if name != "folder" and any(value != row[0] for value in row):
                    cells = ["" if name not in each else _shown(each[name]) for each in values]
                    self._add(name, *cells)
                    found = True
        if not found:
            self._add("nothing", *("" for _ in details))

    def _add(self, *texts: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem(list(texts))
        for column, text in enumerate(texts):
            item.setToolTip(column, text)
        self.addTopLevelItem(item)
        return item

    def texts(self) -> dict[str, tuple[str, ...]]:
        """Texts of the top rows, by their names."""
        rows = [self.topLevelItem(i) for i in range(self.topLevelItemCount())]
        columns = range(1, self.columnCount())
        return {row.text(0): tuple(row.text(c) for c in columns) for row in rows if row is not None}


def _show_used(item: QTreeWidgetItem, asked: Any, used: Any) -> None:
    """Show the value that the engine computed with, beside what was asked for."""
    if asked is None:
        item.setText(1, f"{_shown(asked)}: {_shown(used)}")
        item.setToolTip(1, "What the engine took")
        return
    item.setText(1, f"{_shown(asked)} → {_shown(used)}")
    item.setForeground(1, QBrush(QColor(WARNING_COLOR)))
    item.setToolTip(1, "What was asked for, and what the engine computed with")


def _make_bold(item: QTreeWidgetItem, column: int) -> None:
    font = item.font(column)
    font.setBold(True)
    item.setFont(column, font)


def _shown(value: Any) -> str:
    if value is None:
        return "automatic"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)
