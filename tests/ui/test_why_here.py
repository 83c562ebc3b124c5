"""The question at the cursor, from the keyboard to the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie
from napari_cnmf.ui._loading import finish, load_components
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.curation._dock import CurationWidget


def test_the_key_explains_the_place_under_the_cursor(
    viewer: Any,
    qtbot: Any,
    components: Components,
    explained_movie: Callable[[Components], Movie],
) -> None:
    n = components.n_components
    components = components.replace(
        snr=np.full(n, 0.1),
        r_values=np.full(n, 0.1),
        params={"quality": {"min_SNR": 2.5, "rval_thr": 0.8}},
    )
    dock = CurationWidget(viewer)
    viewer.window.add_dock_widget(dock, area="right")
    session = session_of(viewer)
    session.show(finish(load_components(components, movie=explained_movie(components))))
    qtbot.waitUntil(lambda: len(dock.panel.model.figures) == n)
    window = viewer.window._qt_window
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)

    row, column = divmod(int(components.A[:, 1].toarray().argmax()), components.dims[1])
    viewer.cursor.position = (0, row, column)
    dock.panel.table.setFocus()
    QTest.keyClick(dock.panel.table, Qt.Key.Key_H)
    page = dock.places
    assert dock.panel.tabs.currentWidget() is page
    assert page.place.text() == f"{row}, {column}"
    assert "min_SNR" in page.answer.text()

    page.details.itemDoubleClicked.emit(page.details.item(0))
    assert session.selection == (1,)

    # The page explains what is selected while it is seen.
    row, column = divmod(int(components.A[:, 2].toarray().argmax()), components.dims[1])
    session.select([2])
    assert page.place.text() == f"{row}, {column}"
    # The key asks about the cursor, whatever is selected.
    dock.panel.tabs.setCurrentIndex(0)
    viewer.cursor.position = (0, 1, 2)
    dock.panel.table.setFocus()
    QTest.keyClick(dock.panel.table, Qt.Key.Key_H)
    assert page.place.text() == "1, 2"

    page.place.setText("5000, 0")
    QTest.keyClick(page.place, Qt.Key.Key_Return)
    assert "outside of the recording" in page.answer.text()
    assert f"y from 0 to {components.dims[0] - 1}" in page.answer.text()
    viewer.cursor.position = (0, -35, 11)
    dock.places.why()
    assert page.answer.text().startswith("The cursor is outside of the recording.")
