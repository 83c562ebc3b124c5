"""Chooser of the movie of an item: a layer, files, or what another item makes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from napari_cnmf.batch.status import State
from napari_cnmf.io import open_movie
from napari_cnmf.io.movies import movie_suffixes, natural_key
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui._background import run_in_background
from napari_cnmf.ui._loading import LoadedMovie, movie_steps
from napari_cnmf.ui._parts import fill, tool_button
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui._theme import connect_while_alive
from napari_cnmf.ui.batch._rows import ALGORITHM_TITLES, ItemRow
from napari_cnmf.ui.forms._editors import keep_wheel_for_scrolling
from napari_cnmf.ui.forms._recording import RecordingPanel
from napari_cnmf.ui.layers import KIND

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer


@dataclass(frozen=True)
class FileInput:
    """Files of one movie, in order, and the options that open them.

    ``open_with`` holds what `open_movie` has to be told beside the paths as pairs, where needed.
    """

    paths: tuple[Path, ...]
    open_with: tuple[tuple[str, Any], ...] = ()

    def open(self) -> Movie:
        """Open the files as a movie; raises ``MovieError`` for what is none."""
        paths = list(self.paths)
        return open_movie(paths[0] if len(paths) == 1 else paths, **dict(self.open_with))

    @property
    def name(self) -> str:
        """Name of the first file, without its ending."""
        return self.paths[0].stem


def bare(layer: Any) -> Any:
    """Layer behind a proxy: napari hands plugins proxies of layers, another one each time."""
    return getattr(layer, "__wrapped__", layer)


@dataclass(frozen=True, eq=False)
class LayerInput:
    """A layer without a file: an array, a crop."""

    layer: Layer

    @property
    def name(self) -> str:
        """Name of the layer."""
        return str(self.layer.name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LayerInput) and bare(other.layer) is bare(self.layer)

    def __hash__(self) -> int:
        return hash(id(bare(self.layer)))


@dataclass(frozen=True)
class ItemInput:
    """An item of the batch, whose output is taken."""

    uuid: str
    title: str = field(compare=False)
    """Its name, which may change."""

    @property
    def name(self) -> str:
        """Title of the item."""
        return self.title


ChosenInput = FileInput | LayerInput | ItemInput


def input_of_layer(layer: Layer) -> FileInput | LayerInput | None:
    """Input that a layer becomes in an item, or ``None`` when it is no movie.

    A layer with a file behind it goes by that file; one whose data are not the file's any more
    (a crop of it has no source) goes by its data.
    """
    from napari.layers import Image

    if not isinstance(layer, Image) or layer.ndim not in (3, 4) or layer.rgb:
        return None
    if KIND in layer.metadata:
        return None
    paths = layer.metadata.get("paths")
    if paths:
        told = layer.metadata.get("opened_with", {})
        return FileInput(tuple(Path(p) for p in paths), tuple(told.items()))
    path = layer.source.path
    if path and layer.source.parent is None and Path(path).exists():
        return FileInput((Path(path),))
    return LayerInput(layer)


def movie_of_layer(layer: Layer) -> Movie:
    """The data of a layer as a movie, with the frame rate that its reader noted."""
    import dask.array as da

    data = layer.data
    if not isinstance(data, da.Array):
        data = da.from_array(data, chunks=(1, *data.shape[1:]))
    rate = layer.metadata.get("frame_rate_hz")
    return Movie(data=data, name=str(layer.name), frame_rate_hz=rate or None)


class InputChooser(QWidget):
    """List of the inputs there are, and a button for files.

    The list stands in a container of its own: choices in the root of a form freeze the whole form
    whenever a layer comes or goes.
    """

    changed = Signal()

    def __init__(self, viewer: napari.Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._files: list[FileInput] = []
        self._items: list[ItemInput] = []
        self.combo = ComboBox(choices=self._choices, nullable=True)
        """List widget of the inputs."""
        keep_wheel_for_scrolling(self.combo.native)
        # A long name makes the list as wide as its text otherwise, and the dock with it.
        self.combo.native.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.combo.native.setMinimumContentsLength(8)
        self.combo.native.setToolTip(
            "A layer, a file, or the corrected movie of an item in the batch"
        )
        self.combo.changed.connect(lambda _: self._on_chosen())
        self.recording = RecordingPanel()
        self.recording.hide()
        self.recording.changed.connect(self.changed.emit)
        self.recording.show_clicked.connect(self._show_as_layer)
        browse = tool_button(
            "File…",
            "Choose one file, or several that follow each other in one session",
            self._browse,
        )
        line = fill(QHBoxLayout(), (self.combo.native, 1), browse, margins=0)
        fill(QVBoxLayout(self), line, self.recording, margins=0)
        self._opened: Layer | None = None
        events = viewer.layers.events
        connect_while_alive(
            self,
            (events.inserted, self._on_inserted),
            (events.removed, self.refresh),
            (events.reordered, self.refresh),
            (viewer.layers.selection.events.active, self._follow),
        )

    def _choices(self, _widget: Any = None) -> list[tuple[str, ChosenInput]]:
        choices: list[tuple[str, ChosenInput]] = []
        for layer in reversed(self._viewer.layers):
            chosen = input_of_layer(layer)
            if chosen is not None:
                choices.append((str(layer.name), chosen))
        taken = {chosen for _, chosen in choices}
        choices += [(_file_title(f), f) for f in self._files if f not in taken]
        choices += [(f"{item.title}  (item)", item) for item in self._items]
        return tell_apart(choices)

    def value(self) -> ChosenInput | None:
        """Input that is chosen, or ``None``; a file with what is set below it."""
        chosen: ChosenInput | None = self.combo.value
        if isinstance(chosen, FileInput):
            return FileInput(chosen.paths, tuple(self.recording.told().items()))
        return chosen

    def _on_chosen(self) -> None:
        chosen = self.combo.value
        self.recording.setVisible(isinstance(chosen, FileInput))
        self.recording.clear()
        self._show_open_with(chosen)
        self.changed.emit()

    def _show_open_with(self, chosen: ChosenInput | None) -> None:
        if isinstance(chosen, FileInput):
            self.recording.show_told(chosen.paths, dict(chosen.open_with))

    def _show_as_layer(self) -> None:
        """Open the chosen files as a layer, which is then what is chosen."""
        chosen = self.value()
        if not isinstance(chosen, FileInput):
            return
        session = session_of(self._viewer)

        def show(loaded: LoadedMovie) -> None:
            session.show_movie(loaded)
            self.set_value(chosen)

        run_in_background(
            lambda: movie_steps(chosen.paths, dict(chosen.open_with)), title="CNMF", done=show
        )

    def set_value(self, chosen: ChosenInput | None) -> None:
        """Choose an input; a file that is not listed yet is added to the list."""
        if isinstance(chosen, FileInput) and chosen not in self._files:
            self._files.append(chosen)
        if isinstance(chosen, ItemInput) and chosen not in self._items:
            self._items.append(chosen)
        read_again(self.combo)
        self.combo.value = chosen
        self._show_open_with(chosen)

    def _on_inserted(self, event: Any) -> None:
        self._opened = event.value
        self.refresh()

    def _follow(self, _event: Any = None) -> None:
        """Take the movie that was opened, or clicked in the list of layers.

        A click leaves what was chosen here and is no layer, such as an item's corrected movie; a
        movie that is opened takes its place too.
        """
        layer = self._viewer.layers.selection.active
        clicked = None if layer is None else input_of_layer(layer)
        if layer is None or clicked is None:
            return
        was_opened, before = layer is self._opened, self.combo.value
        if was_opened:
            self._opened = None
        if clicked == before:
            return
        shown = [input_of_layer(other) for other in self._viewer.layers]
        if was_opened or before is None or before in shown:
            read_again(self.combo)
            self.combo.value = clicked

    def set_items(self, items: Iterable[ItemInput]) -> None:
        """Set the items of the batch that can be chosen."""
        items = list(items)
        if titles_of(items) != titles_of(self._items):
            self._items = items
            self.refresh()

    def refresh(self, _event: Any = None) -> None:
        """Read the layers again; what was chosen stays chosen while it is there."""
        if read_again(self.combo):
            self._on_chosen()
            return
        before = self.combo.value
        first = next((one for one in self.combo.choices if one is not None), None)
        if before is None and first is not None:
            self.combo.value = first

    def _browse(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Choose a movie", filter=movie_file_filter())
        if paths:
            self.set_value(FileInput(tuple(Path(p) for p in sorted(paths, key=natural_key))))


_GIVES_A_MOVIE = frozenset({ALGORITHM_TITLES["mcorr"]})
_NEVER_WILL = frozenset({State.FAILED, State.CANCELLED, State.INTERRUPTED})


def inputs_of_rows(rows: Iterable[ItemRow], algorithm: str) -> list[ItemInput]:
    """Items whose output a method can take: movies, or results to evaluate again."""
    gives_a_result = frozenset(ALGORITHM_TITLES.values()) - _GIVES_A_MOVIE
    wanted = gives_a_result if algorithm == "evaluate" else _GIVES_A_MOVIE
    return [
        ItemInput(row.uuid, row.name)
        for row in rows
        if row.algorithm in wanted and row.state not in _NEVER_WILL
    ]


def titles_of(items: Iterable[ItemInput]) -> list[tuple[str, str]]:
    """Titles of a list of items: they are equal under another name too."""
    return [(item.uuid, item.title) for item in items]


def movie_file_filter() -> str:
    """Filter of a dialog that asks for movies."""
    patterns = " ".join(f"*{suffix}" for suffix in movie_suffixes())
    return f"Movies ({patterns});;All files (*)"


def _file_title(chosen: FileInput) -> str:
    more = f" + {len(chosen.paths) - 1} more" if len(chosen.paths) > 1 else ""
    channel = dict(chosen.open_with).get("channel")
    return chosen.paths[0].name + more + ("" if channel is None else f" · channel {channel}")


_Choice = TypeVar("_Choice")


def read_again(combo: ComboBox) -> bool:
    """Read the choices of a list that is given a function for them.

    magicgui goes by titles: a value that is called something else now, such as a file that has
    become a layer, would be lost to whatever comes first.

    Returns
    -------
    bool
        Whether another value is chosen now; ``changed`` is not emitted.
    """
    before = combo.value
    with combo.changed.blocked():
        # Emptied first: what is new would stand at the end, wherever it belongs.
        read, combo.choices = combo.options["choices"], ()
        combo.choices = read
        if before in combo.choices:
            combo.value = before
    return bool(combo.value != before)


def tell_apart(choices: Iterable[tuple[str, _Choice]]) -> list[tuple[str, _Choice]]:
    """Give entries titles of their own: magicgui keeps one of those that have the same.

    Files are told apart by their folders, what remains by numbers.
    """
    listed = list(choices)
    n_of = Counter(title for title, _ in listed)
    listed = [
        (_with_folder(title, one) if n_of[title] > 1 else title, one) for title, one in listed
    ]
    seen: Counter[str] = Counter()
    apart = []
    for title, one in listed:
        seen[title] += 1
        apart.append((title if seen[title] == 1 else f"{title} · {seen[title]}", one))
    return apart


def _with_folder(title: str, chosen: Any) -> str:
    paths = getattr(chosen, "paths", ())
    return f"{title} · {paths[0].parent.name}" if paths else title
