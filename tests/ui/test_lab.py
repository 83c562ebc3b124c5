"""The parameter lab in a real window: what is drawn and slid goes into the form, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_cnmf.model.contours import contours
from napari_cnmf.testing import Recording, simulate_one_photon, simulate_volume
from napari_cnmf.ui._docks import dock_of, open_dock, show_dock
from napari_cnmf.ui._loading import finish, movie_steps
from napari_cnmf.ui._session import session_of
from napari_cnmf.ui.forms._dock import ParametersWidget
from napari_cnmf.ui.lab._dock import LabWidget
from napari_cnmf.ui.lab._seeds_panel import CORRELATION


@pytest.fixture(scope="module")
def recording() -> Recording:
    return simulate_one_photon(n_frames=400, size=(72, 90), n_cells=14, seed=2)


@pytest.fixture(scope="module")
def movie_path(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lab") / "movie.tif"
    recording.write(path)
    return path


@pytest.fixture
def lab(viewer: Any, movie_path: Path, qtbot: Any) -> Iterator[LabWidget]:
    """The lab over a movie that it has measured, beside the form of a one-photon method."""
    # Form before movie: with the method known, the movie is measured once.
    show_dock(viewer, "CNMF parameters").header.algorithm_combo.value = "cnmfe"
    session_of(viewer).show_movie(finish(movie_steps(movie_path)))
    dock = open_dock(viewer, LabWidget, "Parameter lab")
    qtbot.waitUntil(lambda: dock.recording is not None)
    yield dock
    dock.task.cancel()
    for panel in dock.panels:
        panel.set_shown(False)


def form_of(lab: LabWidget) -> ParametersWidget:
    return lab.link.form


def drag(
    lab: LabWidget, callback: Any, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """Press, move in two steps and let go, as napari calls a generator."""

    def event(kind: str, at: tuple[float, float]) -> SimpleNamespace:
        return SimpleNamespace(type=kind, position=(0.0, *at), button=1)

    moving = event("mouse_press", start)
    steps = callback(lab.stage.viewer, moving)
    next(steps)
    middle = tuple(0.5 * (a + b) for a, b in zip(start, end, strict=True))
    if start != end:
        for at in (middle, end):
            moving.type, moving.position = "mouse_move", (0.0, *at)
            next(steps)
    moving.type = "mouse_release"
    with pytest.raises(StopIteration):
        next(steps)


def test_a_circle_over_a_cell_sets_gsig_and_gsiz(lab: LabWidget, qtbot: Any) -> None:
    panel, form = lab.cell_size, form_of(lab)
    panel.measure_button.click()
    assert panel._on_drag in lab.stage.viewer.mouse_drag_callbacks
    drag(lab, panel._on_drag, (30, 40), (30, 46))
    params = form.value()
    assert (params.init.gSig, params.init.gSiz) == ((3, 3), (13, 13))  # one-photon
    drag(lab, panel._on_drag, (10, 10), (10, 20))
    assert form.value().init.gSig == (4, 4)  # the median of two
    measured = lab.recording
    form.header.algorithm_combo.value = "cnmf"
    qtbot.waitUntil(lambda: lab.recording is not measured)
    assert len(panel.drawn) == 2  # what was drawn stays
    drag(lab, panel._on_drag, (50, 50), (50, 58))
    assert (form.value().init.gSig, form.value().init.gSiz) == ((8, 8), (17, 17))
    # rings of three drawn circles, and of the set size
    layer = lab.stage.find("cell size")
    n = min(16, len(lab.recording.cells.at))
    assert len(layer.data) == 3 + n
    panel.clear_circles()
    assert len(lab.stage.find("cell size").data) == n
    panel.measure_button.click()
    assert panel._on_drag not in lab.stage.viewer.mouse_drag_callbacks


@pytest.mark.long
def test_what_was_measured_is_offered_and_rows_of_lab_and_form_are_one(
    lab: LabWidget, recording: Recording
) -> None:
    form = form_of(lab)
    assert "clear cells" in lab.cell_size.facts.text()
    lab.cell_size.take_button.click()
    assert abs(form.value().init.gSig[0] - recording.gSig[0]) <= 1
    mine = lab.time.link._rows["data.decay_time"][0]
    theirs = form.form.row("data.decay_time")
    mine.editor.value = "0.9"
    assert theirs.value == 0.9
    theirs.editor.value = "-1"
    assert mine.value == -1
    assert mine.editor.native.property("problem")  # the form's sentence, in its words
    assert lab.link.params() is None
    theirs.editor.value = "0.5"
    assert not mine.editor.native.property("problem")
    lab.tabs.setCurrentIndex(3)
    panel = lab.time
    assert "20 Hz" in panel.rate_facts.text()
    lab.link.set("data.fr", 10.0)
    assert "not 10 Hz" in panel.rate_facts.text()
    lab.link.set("data.fr", None)
    estimate = panel.estimate()
    assert estimate == pytest.approx(recording.decay_time_s, rel=0.6)
    lab.link.set("data.decay_time", 5.0)
    assert "times as fast" in panel.warning.text()
    panel.take_button.click()
    assert form.value().data.decay_time == round(estimate, 2)
    assert panel.warning.text() == ""


@pytest.mark.long
def test_seeds_are_counted_while_a_slider_moves(lab: LabWidget, qtbot: Any) -> None:
    lab.tabs.setCurrentIndex(1)
    panel = lab.seeds
    qtbot.waitUntil(lambda: panel.images is not None)
    assert not lab.stage.find("cell size").visible  # only the page that is seen draws
    lab.link.set("init.min_corr", 0.5)
    panel.pnr.setValue(30)
    few = len(panel.seeds())
    assert panel.count.text().startswith(f"{few} seed")
    np.testing.assert_array_equal(lab.stage.find("seeds").data, panel.seeds())
    panel.pnr.setValue(200)
    assert 0 < len(panel.seeds()) < few
    assert form_of(lab).value().init.min_pnr == panel.pnr.row.value
    lab.link.set("init.min_pnr", 1e4)
    assert len(lab.stage.find("seeds").data) == 0
    assert "No seed" in panel.count.text()
    assert "highest correlation" in panel.count.text()
    assert lab.stage.find(CORRELATION).visible
    # another gSig: other images
    before = panel.images
    lab.link.set("init.gSig", (6, 6))
    qtbot.waitUntil(lambda: panel.images is not before)


@pytest.mark.long
def test_patches_are_drawn_and_counted(lab: LabWidget) -> None:
    lab.tabs.setCurrentIndex(2)
    panel = lab.patches
    lab.link.set("init.gSig", (4, 4))
    lab.link.set("patch.rf", 15)
    lab.link.set("patch.stride", 6)
    layer = lab.stage.find("patches")
    assert len(layer.data) == len(panel.grid()) == 12
    assert "12 patches (3 × 4) of 31 × 31 px" in panel.facts.text()
    assert "GB" in panel.facts.text()
    panel.take_k_button.click()
    assert panel.expected_cells() == form_of(lab).value().init.K
    panel.motion_button.click()
    lab.link.set("motion.pw_rigid", True)
    lab.link.set("motion.strides", (200, 200))
    assert "must be smaller than the field" in panel.problem.text()
    lab.link.set("motion.strides", (24, 24))
    lab.link.set("motion.overlaps", (8, 8))
    assert len(lab.stage.find("patches").data) == len(panel.grid()) == 3 * 4
    # three numbers for a plane
    lab.link.set("motion.strides", (8, 24, 24))
    assert "Sizes must all be (y, x)" in panel.problem.text()
    assert panel.grid() is None


@pytest.mark.long
def test_a_click_previews_the_patch_and_parameters_run_it_again(lab: LabWidget, qtbot: Any) -> None:
    lab.tabs.setCurrentIndex(4)
    panel = lab.preview
    drag(lab, panel._on_click, (36, 45), (36, 45))
    qtbot.waitUntil(lambda: panel.found is not None)
    first = panel.found
    assert first.components.n_components > 0
    assert "found" in panel.summary.text()
    assert len(lab.stage.find("preview").data) >= first.components.n_components
    assert lab.stage.find("preview window") is not None
    qtbot.waitUntil(lambda: len(panel._item.listDataItems()) > 0)
    lab.link.set("init.gSig", (9, 9))
    qtbot.waitUntil(lambda: panel.found is not first)
    # what cannot be is said, and nothing pops up
    lab.link.set("data.decay_time", 1000.0)
    lab.link.set("init.gSig", (40, 40))
    qtbot.waitUntil(lambda: "gSig" in panel.summary.text())
    lab.tabs.setCurrentIndex(0)
    assert not lab.stage.find("preview").visible
    assert panel._on_click not in lab.stage.viewer.mouse_drag_callbacks


@pytest.mark.long
def test_nothing_of_the_lab_stays_when_its_movie_goes(lab: LabWidget, qtbot: Any) -> None:
    viewer = lab.stage.viewer
    viewer.layers.remove(lab.stage.layer)
    qtbot.waitUntil(lambda: lab.stage.layer is None)
    assert len(viewer.layers) == 0
    assert not lab.tabs.isVisible()
    # an array without a file, a volume: the lab goes on with it
    volume = np.random.default_rng(0).poisson(50, (60, 3, 40, 40)).astype(np.uint16)
    viewer.add_image(volume, name="volume")
    qtbot.waitUntil(lambda: lab.recording is not None)
    assert lab.recording.sample.plane == 1
    assert "too few" in lab.cell_size.facts.text()
    viewer.dims.set_current_step(1, 2)
    qtbot.waitUntil(lambda: lab.recording is not None and lab.recording.sample.plane == 2)


@pytest.mark.long
def test_closing_the_dock_takes_the_lab_out_of_the_viewer(
    viewer: Any, movie_path: Path, qtbot: Any
) -> None:
    session_of(viewer).show_movie(finish(movie_steps(movie_path)))
    callbacks = list(viewer.mouse_drag_callbacks)
    lab = open_dock(viewer, LabWidget, "Parameter lab")
    qtbot.waitUntil(lambda: lab.recording is not None and session_of(viewer).form is not None)
    lab.cell_size.measure_button.click()
    assert len(viewer.layers) == 2
    for widget in (lab, lab.link.form):
        dock_of(widget).titleBarWidget().close_button.click()
    qtbot.waitUntil(lambda: session_of(viewer).form is None)
    qtbot.waitUntil(lambda: len(viewer.layers) == 1)
    assert viewer.mouse_drag_callbacks == callbacks
    viewer.dims.set_current_step(0, 7)  # the movie goes on


def n_contours(components: Any, viewer: Any, *, plane: int) -> int:
    """How many a plane has, which is the one on screen."""
    assert viewer.dims.current_step[1] == plane
    outlines = [
        outline
        for k in range(components.n_components)
        for outline in contours(components.A, k, components.dims)
    ]
    n = sum(outline[0, 0] == plane for outline in outlines)
    assert 0 < n < len(outlines)
    return n


@pytest.mark.long
def test_a_volume_is_measured_along_all_three_axes(viewer: Any, tmp_path: Path, qtbot: Any) -> None:
    recording = simulate_volume(
        n_frames=300, size=(8, 56, 60), n_cells=14, radius_px=5.0, plane_distance_px=2.5, seed=1
    )
    recording.write(tmp_path / "volume.tif")
    session_of(viewer).show_movie(finish(movie_steps(tmp_path / "volume.tif")))
    dock = open_dock(viewer, LabWidget, "Parameter lab")
    qtbot.waitUntil(lambda: dock.recording is not None)
    assert "planes deep" in dock.cell_size.facts.text()
    measured = dock.recording.volume
    dock.cell_size.take_button.click()
    told = form_of(dock).form.row("init.gSig").value
    assert np.abs(np.subtract(told, recording.gSig)).max() <= 1
    assert form_of(dock).form.row("init.gSiz").value == [2 * g + 1 for g in told]
    assert dock.link.params() is not None  # no size of a plane is left beside them
    # a drawn circle is of a plane: the depth stays
    dock.cell_size.add_circle(np.array([20.0, 20.0]), 7.0)
    assert tuple(form_of(dock).form.row("init.gSig").value) == (told[0], 7, 7)
    dock.cell_size.take_button.click()
    dock.tabs.setCurrentIndex(4)
    dock.preview.look_at(28, 30)
    qtbot.waitUntil(lambda: dock.preview.found is not None, timeout=60_000)
    found = dock.preview.found
    assert found.components.n_components > 3
    assert len(dock.stage.find("preview").data) == n_contours(found.components, viewer, plane=3)
    viewer.dims.set_current_step(1, 2)
    qtbot.waitUntil(lambda: dock.recording.sample.plane == 2)
    assert dock.recording.volume is measured  # the cells are the same from any plane
    # and so is the preview: its contours in this plane are drawn, and nothing is computed again
    assert dock.preview.found is found
    assert len(dock.stage.find("preview").data) == n_contours(found.components, viewer, plane=2)
    dock.task.cancel()
    for panel in dock.panels:
        panel.set_shown(False)
