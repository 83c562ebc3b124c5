"""The grid editor: what it says beforehand is what it adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cnmf.batch import Batch
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, iter_fields
from napari_cnmf.ui._background import is_busy
from napari_cnmf.ui._docks import show_docks
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.forms._input import FileInput
from napari_cnmf.ui.forms._request import Request
from napari_cnmf.ui.grid import GridDialog, edit_grid
from napari_cnmf.ui.grid._axis import read_values
from napari_cnmf.ui.grid._plan import GridRequest, add_grid, plan_grid

FIELDS = {field.name: field for field in iter_fields()}


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("init.gSig", "4, 4; 6,6; 4,4", ((4, 4), (6, 6))),
        ("merging.merge_thr", "0.7, 0.85", (0.7, 0.85)),
        ("init.K", "none, 20", (None, 20)),
    ],
)
def test_values_as_typed(name: str, text: str, values: tuple[Any, ...]) -> None:
    assert read_values(text, FIELDS[name], CNMFParams()) == values


@pytest.mark.parametrize("text", ["", "2", "many"])
def test_wrong_values_are_refused(text: str) -> None:
    with pytest.raises(ParameterError, match=r"merging\.merge_thr"):
        read_values(text, FIELDS["merging.merge_thr"], CNMFParams())


def test_a_grid_over_two_movies(viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    movies = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for i, path in enumerate(movies):
        tifffile.imwrite(path, frames + i, photometric="minisblack")
    batch = Batch.create(tmp_path / "my batch")
    params = {"data": {"fr": 10}, "init": {"gSig": (3, 3)}}
    same = batch.add("cnmf", movies[0], params=params, engine="builtin", name="known")
    docks = show_docks(viewer)
    session_of(viewer).set_batch(batch)
    form, table = docks["CNMF parameters"], docks["Batch manager"]
    qtbot.waitUntil(lambda: len(table.model.rows) == 1)
    table.table.choose(same.uuid)
    table._update()
    table.menus.actions["variants"].trigger()
    qtbot.waitUntil(lambda: bool(viewer.window._qt_window.findChildren(GridDialog)))
    (dialog,) = viewer.window._qt_window.findChildren(GridDialog)

    dialog.movies.add([FileInput((movies[1],))], ticked=True)
    dialog.rows[0].values.setText("3, 3; 4, 4")
    QTest.mouseClick(dialog.more_button, Qt.MouseButton.LeftButton)
    dialog.rows[1].choose("merging.merge_thr")
    dialog.rows[1].values.setText("0.8, 2")
    qtbot.waitUntil(lambda: "must be" in dialog.summary.text())
    assert not dialog.add_button.isEnabled()
    dialog.rows[1].values.setText("0.7, 0.8, 0.9")
    qtbot.waitUntil(dialog.add_button.isEnabled)
    assert "2 × 3 values × 2 movies = 12 items; 1 in the batch already" in dialog.summary.text()
    assert "same as known" in dialog.preview.topLevelItem(1).text(1)

    QTest.mouseClick(dialog.add_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(table.model.rows) == 12)
    added = [item for item in batch if item != same]
    combinations = {
        (i.input_movie().paths, i.params.init.gSig, i.params.merging.merge_thr) for i in added
    }
    assert len(combinations) == 11
    assert all(item.params.data.fr == 10 for item in added)
    assert form.variants_button.text() == "Variants…"


def test_variants_of_motion_and_cells_run_on_the_corrected_movie(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    frames = np.random.default_rng(0).integers(0, 200, (40, 32, 44), dtype=np.uint16)
    tifffile.imwrite(path, frames, photometric="minisblack")
    batch = Batch.create(tmp_path / "my batch")
    params = CNMFParams.from_any({"data": {"fr": 10}, "init": {"gSig": (3, 3)}})
    base = Request(
        algorithm="cnmf", input=FileInput((path,)), params=params, name="a",
        engine="builtin", motion_first=True,
    )  # fmt: skip
    grid = {"merging.merge_thr": (0.7, 0.8), "motion.max_shifts": ((4, 4), (6, 6))}
    request = GridRequest(base, (FileInput((path,)),), grid)
    planned = ended(plan_grid(batch, request))
    assert [item.duplicate_of for item in planned] == [""] * 4
    batch.add("cnmf", path, params=params.set("merging.merge_thr", 0.7), engine="builtin")

    added = [batch[uuid] for uuid in ended(add_grid(batch, request, skip_duplicates=False)).uuids]
    assert [item.name for item in added] == [item.name for item in planned]
    assert [item.algorithm for item in added] == ["cnmf"] * 4
    for item in added:
        motion = item.parent
        assert motion is not None
        assert motion.algorithm == "mcorr"
        assert motion.params.motion.max_shifts == item.params.motion.max_shifts
    assert len({item.parent.uuid for item in added}) == 2, "one correction for the same shifts"

    again = ended(plan_grid(batch, request))
    assert [item.duplicate_of.split(" (")[0] for item in again] == [item.name for item in added]
    assert ended(add_grid(batch, request, skip_duplicates=True)).uuids == ()
    assert len(batch) == 7


def ended(steps: Any) -> Any:
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("how", ["close", "reject"])
def test_closing_it_gives_up_what_is_looked_for(
    viewer: Any, tmp_path: Path, qtbot: Any, capsys: Any, how: str
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((40, 32, 44), np.uint16), photometric="minisblack")
    session = session_of(viewer)
    session.set_batch(Batch.create(tmp_path / "my batch"))
    request = Request(
        algorithm="cnmf", input=FileInput((path,)), params=CNMFParams(), name="a",
        refit=False, engine="builtin",
    )  # fmt: skip
    dialog = edit_grid(session, request)
    dialog._plan()
    assert dialog._planning is not None
    getattr(dialog, how)()
    assert dialog._planning is None
    qtbot.waitUntil(lambda: not is_busy())
    assert "Traceback" not in capsys.readouterr().err
