"""What is to be known about one item: parameters, log, error."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtGui import QFontDatabase
from qtpy.QtWidgets import (
    QHeaderView,
    QPlainTextEdit,
    QTabWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QWidget,
)

from napari_cnmf.errors import CnmfError
from napari_cnmf.params import CNMFParams

if TYPE_CHECKING:
    from napari_cnmf.batch import Batch


@dataclass(frozen=True)
class Details:
    """Everything the panel shows, read off the GUI thread.

    Attributes
    ----------
    facts
        Plain facts by name.
    parameters
        ``{group: {key: (value, default)}}``.
    log, error, traceback
        Text; empty where there is none.
    """

    uuid: str
    facts: dict[str, str]
    parameters: dict[str, dict[str, tuple[Any, Any]]]
    log: str = ""
    error: str = ""
    traceback: str = ""


def read_details(batch: Batch, uuid: str) -> Generator[str, None, Details]:
    """Read an item; what is damaged is said rather than raised."""
    yield "reading"
    item = batch[uuid]
    status = item.status
    facts = {"state": status.state.value, "folder": str(item.folder)}
    parameters: dict[str, dict[str, tuple[Any, Any]]] = {}
    try:
        spec = item.spec
        facts |= {
            "algorithm": spec.algorithm.value,
            "refit": "yes" if spec.refit else "no",
            "added": f"{spec.added.astimezone():%Y-%m-%d %H:%M:%S}",
        }
        if spec.comment:
            facts["comment"] = spec.comment
        if spec.movie is not None:
            facts["movie"] = "\n".join(spec.movie.paths)
        parameters = _compare(item.params)
    except CnmfError as error:
        facts["problem"] = str(error)
    if status.engine:
        facts["engine"] = f"{status.engine} {status.engine_version or ''}".strip()
    if status.engine_reason:
        facts["engine chosen because"] = status.engine_reason
    facts |= {name: f"{value:.4g}" for name, value in status.figures.items()}
    return Details(
        uuid=uuid,
        facts=facts,
        parameters=parameters,
        log=item.log_text(),
        error=status.error.message if status.error is not None else "",
        traceback=status.error.traceback if status.error is not None else "",
    )


def _compare(params: CNMFParams) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Every value beside its default, nested by group."""
    defaults = CNMFParams().to_dict()
    compared: dict[str, dict[str, tuple[Any, Any]]] = {}
    for group, values in params.to_dict().items():
        if isinstance(values, dict):
            known = defaults.get(group, {})
            compared[group] = {k: (v, known.get(k)) for k, v in values.items()}
        else:
            compared.setdefault("", {})[group] = (values, defaults.get(group))
    return compared


class DetailsPanel(QTabWidget):
    """Tabs about one item."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tree = QTreeWidget()
        self._tree.setHeaderLabels(["", "Value", "Default"])
        self._log = _text_view()
        self._error = _text_view()
        self.addTab(self._tree, "Item")
        self.addTab(self._log, "Log")
        self.addTab(self._error, "Error")
        self.setDocumentMode(True)
        self.clear_details()

    def clear_details(self) -> None:
        """Show nothing."""
        self._uuid = ""
        self._facts: dict[str, str] = {}
        self._tree.clear()
        self._log.clear()
        self._error.clear()
        self.setTabVisible(2, False)

    def show_details(self, details: Details) -> None:
        """Show an item; the same one again keeps scroll position and tab."""
        is_same = details.uuid == self._uuid
        self._uuid = details.uuid
        if details.facts != self._facts or not is_same:
            self._facts = details.facts
            self._fill_tree(details)
        _set_text(self._log, details.log or "Nothing was written yet.", follow=True)
        error = "\n\n".join(part for part in (details.error, details.traceback) if part)
        _set_text(self._error, error, follow=False)
        self.setTabVisible(2, bool(error))
        if error and not is_same:
            self.setCurrentIndex(2)

    def _fill_tree(self, details: Details) -> None:
        self._tree.clear()
        for name, value in details.facts.items():
            self._tree.addTopLevelItem(QTreeWidgetItem([name, value, ""]))
        for group, values in details.parameters.items():
            changed = [k for k, (value, default) in values.items() if value != default]
            node = QTreeWidgetItem([group or "other", f"{len(changed)} changed", ""])
            self._tree.addTopLevelItem(node)
            for key in sorted(values, key=lambda k: (k not in changed, k)):
                value, default = values[key]
                leaf = QTreeWidgetItem([key, _shown(value), _shown(default)])
                font = leaf.font(1)
                font.setBold(key in changed)
                leaf.setFont(1, font)
                node.addChild(leaf)
            node.setExpanded(bool(changed))
        header = self._tree.header()
        if header is not None:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)

    @property
    def log(self) -> str:
        """The log that is shown."""
        return self._log.toPlainText()

    @property
    def error(self) -> str:
        """The error that is shown."""
        return self._error.toPlainText()


def _shown(value: Any) -> str:
    if value is None:
        return "automatic"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def _text_view() -> QPlainTextEdit:
    view = QPlainTextEdit()
    view.setReadOnly(True)
    view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    view.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
    return view


def _set_text(view: QPlainTextEdit, text: str, *, follow: bool) -> None:
    """Replace the text; a view that was scrolled up by hand stays where it was."""
    if view.toPlainText() == text:
        return
    bar = view.verticalScrollBar()
    at_end = bar is None or bar.value() >= bar.maximum() - 2
    before = 0 if bar is None else bar.value()
    view.setPlainText(text)
    if bar is not None:
        bar.setValue(bar.maximum() if follow and at_end else before)
