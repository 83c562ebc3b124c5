"""The batch table and its dock on real batches."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import QAbstractItemModel, Qt

from napari_cnmf.batch import Batch, State
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.batch._dock import BatchWidget
from napari_cnmf.ui.batch._rows import ItemRow, format_duration
from napari_cnmf.ui.batch._states import STATE_COLORS, state_icon
from napari_cnmf.ui.batch._table_model import BatchTableModel, Column
from napari_cnmf.ui.batch._table_view import BatchTable


def row(index: int, state: State = State.QUEUED, **facts: Any) -> ItemRow:
    return ItemRow(f"uuid-{index}", f"item {index}", state, **facts)


def text(model: QAbstractItemModel, position: int, column: Column) -> Any:
    return model.index(position, column).data()


@pytest.fixture
def movie_file(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    path = tmp_path / "movie.tif"
    tifffile.imwrite(path, frames, photometric="minisblack")
    return path


def test_the_table_says_what_an_item_is(qtbot: Any) -> None:
    model = BatchTableModel()
    done = row(
        1, State.COMPLETED, algorithm="CNMF", engine="builtin", seconds=187.0, movie="a.tif",
        n_components=12, n_accepted=9,
    )  # fmt: skip
    model.set_rows([row(0), done])
    assert text(model, 1, Column.NAME) == "item 1"
    assert text(model, 1, Column.STATE) == "completed"
    assert text(model, 1, Column.CELLS) == "9 / 12"
    assert text(model, 1, Column.TIME) == "3:07"
    assert text(model, 0, Column.CELLS) == ""
    icon = model.index(1, 0).data(Qt.ItemDataRole.DecorationRole)
    color = icon.pixmap(32, 32).toImage().pixelColor(16, 16).name()
    assert color == STATE_COLORS[State.COMPLETED]


def test_warnings_are_seen_in_the_table(qtbot: Any) -> None:
    model = BatchTableModel()
    model.set_rows([row(1, State.COMPLETED, warnings=("The movie still moves: 0.8 px.",))])
    assert text(model, 0, Column.STATE) == "completed ⚠"
    tooltip = model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)
    assert "⚠ The movie still moves: 0.8 px." in tooltip


def test_states_have_the_colours_users_know() -> None:
    wanted = {State.COMPLETED: "green", State.FAILED: "red", State.RUNNING: "yellow"}
    hues = {"green": (90, 160), "red": (-10, 15), "yellow": (40, 65), "orange": (25, 40)}
    wanted[State.CANCELLED] = "orange"
    for state, name in wanted.items():
        color = state_icon(state).pixmap(32, 32).toImage().pixelColor(16, 16)
        low, high = hues[name]
        hue = color.hue() if color.hue() < 350 else color.hue() - 360
        assert low <= hue <= high, (state, color.name())


def test_updates_touch_their_rows_alone(qtbot: Any) -> None:
    model = BatchTableModel()
    model.set_rows(row(i) for i in range(5))
    changed = []
    model.dataChanged.connect(lambda first, last, _roles: changed.append((first.row(), last.row())))
    model.update_rows([row(3, State.RUNNING)])
    assert changed == [(3, 3)]
    model.remove_rows(["uuid-1", "uuid-4"])
    assert [r.uuid for r in model.rows] == ["uuid-0", "uuid-2", "uuid-3"]
    model.add_rows([row(3, State.COMPLETED), row(9)])
    assert [r.state.value for r in model.rows] == ["queued", "queued", "completed", "queued"]
    assert model.position_of("uuid-9") == 3


def test_two_thousand_items_are_quick(qtbot: Any) -> None:
    model = BatchTableModel()
    table = BatchTable(model)
    qtbot.addWidget(table)
    table.show()
    began = time.process_time()
    model.set_rows(row(i, State.COMPLETED if i % 2 else State.FAILED) for i in range(2000))
    model.update_rows([row(7, State.RUNNING)])
    table.set_filter("failed item 1")
    seconds = time.process_time() - began
    assert table.n_shown == sum("1" in str(i) and i % 2 == 0 for i in range(2000))
    table.set_filter("")
    table.sortByColumn(Column.STATE, Qt.SortOrder.AscendingOrder)
    assert table.n_shown == 2000
    assert seconds < 0.5


@pytest.mark.parametrize(("seconds", "shown"), [(None, ""), (0.2, "0 s"), (3753, "1:02:33")])
def test_durations(seconds: float | None, shown: str) -> None:
    assert format_duration(seconds) == shown


def test_the_dock_follows_what_scripts_do(
    viewer: Any, tmp_path: Path, movie_file: Path, qtbot: Any
) -> None:
    dock = BatchWidget(viewer)
    viewer.window.add_dock_widget(dock, area="bottom")
    batch = Batch.create(tmp_path / "my batch")
    session_of(viewer).set_batch(batch)
    params = {"data": {"fr": 10}}
    elsewhere = Batch.open(batch.path)
    first = elsewhere.add("mcorr", movie_file, params=params, name="first")
    second = elsewhere.add("cnmf", first, params=params, name="second")
    qtbot.waitUntil(lambda: len(dock.model.rows) == 2)
    assert [(r.name, r.state) for r in dock.model.rows] == [
        ("first", State.QUEUED),
        ("second", State.WAITING),
    ]
    assert dock.model.rows[1].movie == "← first"
    qtbot.waitUntil(dock.menus.start_button.isEnabled)

    second.rename("renamed")
    qtbot.waitUntil(lambda: dock.model.rows[1].name == "renamed")
    dock.table.choose(second.uuid)
    qtbot.waitUntil(lambda: dock.details.tree.topLevelItemCount() > 5)
    dock.menus.actions["cancel"].trigger()
    qtbot.waitUntil(lambda: dock.model.rows[1].state is State.CANCELLED)
    elsewhere.remove(second)
    qtbot.waitUntil(lambda: len(dock.model.rows) == 1)


def test_opening_what_is_not_done_says_why(
    viewer: Any, tmp_path: Path, movie_file: Path, qtbot: Any
) -> None:
    from napari.utils.notifications import notification_manager

    dock = BatchWidget(viewer)
    viewer.window.add_dock_widget(dock, area="bottom")
    batch = Batch.create(tmp_path / "my batch")
    batch.add("cnmf", movie_file, params={"data": {"fr": 10}}, name="waits")
    session_of(viewer).set_batch(batch)
    qtbot.waitUntil(lambda: len(dock.model.rows) == 1)
    with notification_manager:
        dock.commands.open_row(dock.model.rows[0])
        assert "waits is queued" in notification_manager.records[-1].message
    assert not dock.menus.load_button.isEnabled()
