"""Results side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from qtpy.QtCore import Qt

from napari_cnmf.model.agreement import shared_components
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui.batch._compare import ComparedResult, ComparisonWindow, as_path


def test_the_same_cells_are_found_in_two_results(components: Components) -> None:
    order = [4, 0, 2]
    pairs = shared_components(components.A, components.A[:, order])
    assert {(int(a), int(b)) for a, b in pairs} == {(4, 0), (0, 1), (2, 2)}
    moved = sp.csc_matrix(np.roll(components.A.toarray(), 10, axis=0))
    assert len(shared_components(components.A, moved)) == 0
    assert shared_components(components.A, components.A[:, []]).shape == (0, 2)


def test_contours_become_one_path() -> None:
    square = np.array([[0.0, 0.0], [0.0, 2.0], [3.0, 2.0]])
    path = as_path([square, square])
    assert path.shape == (7, 2)
    assert np.isnan(path[3]).all()
    np.testing.assert_allclose(path[1], (2.5, 0.5))
    assert as_path([]).shape == (0, 2)


def result(name: str, n: int, params: CNMFParams) -> ComparedResult:
    square = np.array([[5.0, 5.0], [5.0, 9.0], [9.0, 9.0], [5.0, 5.0]])
    return ComparedResult(
        uuid=name,
        name=name,
        n_found=n,
        n_accepted=n - 1,
        n_shared=None if name == "one" else 2,
        dims=(40, 52),
        accepted_path=as_path([square] * (n - 1)),
        rejected_path=as_path([square]),
        pictures={"mean": np.zeros((40, 52), np.uint8)},
        params=params,
    )


def test_the_window_compares(viewer: Any, qtbot: Any) -> None:
    first, second = CNMFParams(), CNMFParams().replace(merging={"merge_thr": 0.6})
    results = [result("one", 5, first), result("two", 7, second)]
    window = ComparisonWindow(results, viewer.window._qt_window)
    window.show()
    qtbot.waitUntil(lambda: window.fields.n_panels == 1)
    header = window.table.headerItem()
    titles = [header.text(i) for i in range(window.table.columnCount())]
    rows = [[window.table.topLevelItem(r).text(c) for c in range(len(titles))] for r in (0, 1)]
    assert titles == ["Result", "Found", "Accepted", "Rejected", "Also in one", "merging.merge_thr"]
    assert rows == [["one", "5", "4", "1", "", "0.8"], ["two", "7", "6", "1", "2", "0.6"]]
    window.apart.setChecked(True)
    qtbot.waitUntil(lambda: window.fields.n_panels == 2)
    window.table.topLevelItem(0).setCheckState(0, Qt.CheckState.Unchecked)
    qtbot.waitUntil(lambda: window.fields.n_panels == 1)
    window.close()
