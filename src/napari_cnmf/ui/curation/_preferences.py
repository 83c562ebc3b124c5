"""Keys and tags as the user wants them."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor, QKeySequence
from qtpy.QtWidgets import (
    QColorDialog,
    QGridLayout,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.ui._parts import push_button, text_label, with_tip
from napari_cnmf.ui._theme import ERROR_COLOR
from napari_cnmf.ui.curation._actions import N_TAGS, Action, Tag

_RESERVED = {"Esc": "Stop drawing"}


class PreferencesPage(QScrollArea):
    """Page of each action with its key, each tag with its name and colour; all can be changed."""

    keys_changed = Signal(dict)
    """``{action: key}`` of all actions."""
    tags_changed = Signal(tuple)
    """The tags of the keys 1 to 9."""
    curator_changed = Signal(str)
    """Name under which results opened from now on are decided; empty for the main journal."""

    def __init__(self, actions: Sequence[Action], curator: str | None = None) -> None:
        super().__init__()
        self.curator = QLineEdit(curator or "")
        self.curator.setPlaceholderText("main journal")
        self.curator.setToolTip("Results opened from now on are decided under this name")
        self.curator.editingFinished.connect(
            lambda: self.curator_changed.emit(self.curator.text().strip())
        )
        self._actions = tuple(actions)
        self._tags: tuple[Tag, ...] = ()
        self._keys = {a.name: a.key for a in actions}
        self.problem = text_label()
        self.problem.setStyleSheet(f"color: {ERROR_COLOR};")
        self.problem.hide()
        self.keys = {a.name: self._key_edit(a) for a in actions}
        self.names = [self._name_edit(i) for i in range(N_TAGS)]
        self.colors = [self._color_button(i) for i in range(N_TAGS)]
        self.reset = push_button("Built-in keys", clicked=self._reset)
        self._lay_out()

    def _lay_out(self) -> None:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(6, 6, 6, 6)
        keys = QGridLayout()
        keys.setVerticalSpacing(2)
        listed = [action for action in self._actions if action.tag is None]
        for row, action in enumerate(listed):
            name = with_tip(QLabel(action.text), action.tooltip)
            keys.addWidget(self.keys[action.name], row, 0)
            keys.addWidget(name, row, 1)
        for key, what in _RESERVED.items():
            keys.addWidget(QLabel(f"<b>{key}</b>"), len(listed), 0)
            keys.addWidget(QLabel(what), len(listed), 1)
        keys.setColumnStretch(1, 1)
        tags = QGridLayout()
        tags.setVerticalSpacing(2)
        for i in range(N_TAGS):
            tags.addWidget(self.keys[f"tag_{i + 1}"], i, 0)
            tags.addWidget(self.names[i], i, 1)
            tags.addWidget(self.colors[i], i, 2)
        layout.addWidget(QLabel("<b>Keys</b>: click one, then press another"))
        layout.addWidget(self.problem)
        layout.addLayout(keys)
        layout.addWidget(self.reset)
        layout.addSpacing(8)
        layout.addWidget(QLabel("<b>Tags</b>: each key gives its tag, and takes it away"))
        layout.addLayout(tags)
        layout.addSpacing(8)
        layout.addWidget(QLabel("<b>Curate as</b>: a second curator has a journal of their own"))
        layout.addWidget(self.curator)
        layout.addStretch()
        self.setWidget(page)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def _key_edit(self, action: Action) -> QKeySequenceEdit:
        edit = QKeySequenceEdit(QKeySequence(action.key))
        if hasattr(edit, "setMaximumSequenceLength"):  # Qt 5 takes up to four keys
            edit.setMaximumSequenceLength(1)
        edit.setMaximumWidth(120)
        edit.setToolTip(action.tooltip)
        edit.editingFinished.connect(lambda: self._on_key(action))
        return edit

    def _name_edit(self, i: int) -> QLineEdit:
        edit = QLineEdit()
        edit.editingFinished.connect(lambda: self._on_name(i))
        return edit

    def _color_button(self, i: int) -> QToolButton:
        button = QToolButton()
        button.setToolTip("Choose another colour")
        button.clicked.connect(lambda _=False: self._ask_for_color(i))
        return button

    # -- keys

    def _on_key(self, action: Action) -> None:
        edit = self.keys[action.name]
        written = edit.keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        key = written.split(", ")[0]
        if key != written:
            edit.setKeySequence(QKeySequence(key))
        others = {k: name for name, k in self._keys.items() if name != action.name}
        if not key or key in _RESERVED or key in others:
            owner = next((a.text for a in self._actions if a.name == others.get(key)), None)
            owner = owner or _RESERVED.get(key, "")
            if key:
                self._show_problem(f"{key} is the key of {owner}: choose another one.")
            edit.setKeySequence(QKeySequence(self._keys[action.name]))
            return
        self._show_problem("")
        if key != self._keys[action.name]:
            self._keys[action.name] = key
            self.keys_changed.emit(dict(self._keys))

    def _reset(self) -> None:
        from napari_cnmf.ui.curation._actions import actions

        self._keys = {a.name: a.key for a in actions({})}
        for name, key in self._keys.items():
            self.keys[name].setKeySequence(QKeySequence(key))
        self._show_problem("")
        self.keys_changed.emit(dict(self._keys))

    def _show_problem(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))

    # -- tags

    def set_tags(self, tags: Sequence[Tag]) -> None:
        """Show tags without telling anyone."""
        self._tags = tuple(tags)
        for tag, edit, button in zip(tags, self.names, self.colors, strict=True):
            if edit.text() != tag.name:
                edit.setText(tag.name)
            button.setStyleSheet(f"background: {tag.color}; min-width: 28px;")

    def _on_name(self, i: int) -> None:
        name = self.names[i].text().strip()
        taken = {tag.name for j, tag in enumerate(self._tags) if j != i}
        if not name or name in taken:
            self.names[i].setText(self._tags[i].name)
        elif name != self._tags[i].name:
            self._change(i, Tag(name, self._tags[i].color))

    def _ask_for_color(self, i: int) -> None:
        dialog = QColorDialog(QColor(self._tags[i].color), self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda color: self.set_color(i, color.name()))
        dialog.open()

    def set_color(self, i: int, color: str) -> None:
        """Give a tag another colour."""
        self._change(i, Tag(self._tags[i].name, color))

    def _change(self, i: int, tag: Tag) -> None:
        tags = (*self._tags[:i], tag, *self._tags[i + 1 :])
        self.set_tags(tags)
        self.tags_changed.emit(tags)
