"""The docks one by one, each filled as a user would: scenes for ``screenshots.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf.ui.workspace._steps import Step

_STUDY = (("m1", "day 1", "wt"), ("m1", "day 2", "wt"), ("m2", "day 1", "ko"))


def photograph_docks(studio: Any) -> None:
    """Every dock on the result that is on screen."""
    photograph_form(studio)
    photograph_variants(studio)
    photograph_curation(studio)
    photograph_plots(studio)
    photograph_export(studio)
    photograph_project(studio)
    photograph_settings(studio)


def photograph_form(studio: Any) -> None:
    """Movie, preset and the group to look at first."""
    form = studio.docks["CNMF parameters"]
    studio.docks["Workspace"].go_to(Step.CELLS)
    form.form.section("init").expand()
    studio.shoot_widget(form, "dock-parameters.png")


def photograph_variants(studio: Any) -> None:
    """Two parameters of three and two values."""
    from napari_cnmf.ui.grid import GridDialog

    studio.docks["CNMF parameters"].edit_variants()
    window = studio.viewer.window._qt_window
    studio.wait_for(lambda: bool(window.findChildren(GridDialog)))
    (dialog,) = window.findChildren(GridDialog)
    dialog.rows[0].choose("init.gSig")
    dialog.rows[0].values.setText("4, 4; 5, 5; 6, 6")
    row = dialog.add_parameter()
    row.choose("merging.merge_thr")
    row.values.setText("0.7, 0.85")
    studio.wait_for(dialog.add_button.isEnabled)
    studio.shoot_widget(dialog, "dialog-variants.png")
    dialog.close()


def photograph_curation(studio: Any) -> None:
    """A few decisions, tags and a note; the table, then the other tabs."""
    dock = studio.docks["Curation"]
    studio.raise_dock("Curation")
    result = studio.session.result
    cur = result.curation
    ids = [int(i) for i in cur.ids]
    cur.reject(ids[-1])
    cur.unsure(ids[4])
    cur.tag(ids[:2], "bright")
    cur.note(ids[4], "look again")
    tabs = dock.panel.tabs
    studio.settle(1.0)
    for index in range(tabs.count()):
        tabs.setCurrentIndex(index)
        name = tabs.tabText(index).lower().replace(" ", "-")
        if name == "why":
            ask_why(studio, dock)
        studio.shoot_widget(dock, f"dock-curation-{name}.png")
    tabs.setCurrentIndex(0)


def ask_why(studio: Any, dock: Any) -> None:
    """At the first rejected component."""
    components = studio.session.result.components
    row = int(np.flatnonzero(~components.accepted)[0])
    place = np.unravel_index(components.A[:, [row]].argmax(), components.dims)
    page = dock.places
    page.ask(tuple(int(i) for i in place))
    studio.wait_for(lambda: page.details.count() > 0)


def photograph_plots(studio: Any) -> None:
    """Scatter of the scores, and the heat map of all traces."""
    plots = studio.docks["Plots"]
    studio.raise_dock("Plots")
    studio.settle(1.0)
    for index, name in enumerate(("scatter", "heat-map")):
        plots.tabs.setCurrentIndex(index)
        studio.settle(1.5)
        studio.shoot_widget(plots, f"dock-plots-{name}.png")
    studio.raise_dock("Traces")
    studio.settle(1.0)
    studio.shoot_widget(studio.docks["Traces"], "dock-traces.png")


def photograph_export(studio: Any) -> None:
    """NWB with what is known of the session."""
    space = studio.docks["Workspace"]
    space.go_to(Step.EXPORT)
    dock = space.export
    dock.ticked.boxes["nwb"].setChecked(True)
    said = {
        "subject_id": "m1", "species": "Mus musculus", "sex": "F", "age": "P90D",
        "indicator": "GCaMP6f", "location": "V1", "experimenter": "Doe, Jane",
    }  # fmt: skip
    for field, text in said.items():
        dock.session_form.fields[field].setText(text)
    dock.ticked.path.setText("my results/m1 day 1")
    studio.shoot_widget(dock, "dock-export.png")
    dock.ticked.boxes["nwb"].setChecked(False)


def photograph_project(studio: Any) -> None:
    """Three samples of a study, added by the dock's own button."""
    dock = studio.open_dock("Project", (1250, 420))
    dock.open(studio.folder / "my study")
    studio.wait_for(lambda: dock.project is not None)
    for animal, trial, genotype in _STUDY:
        values = {"AnimalID": animal, "TrialID": trial, "date": "2026-03-01", "genotype": genotype}
        dock.form.set_value(values)
        before = dock.table.n_rows
        dock.add_button.click()
        studio.wait_for(lambda n=before: dock.table.n_rows == n + 1)
    dock.table.select_rows([1])
    studio.shoot_widget(dock, "dock-project.png")
    studio.close_dock("Project")


def photograph_settings(studio: Any) -> None:
    """Where CaImAn is looked for, and how to get it."""
    dock = studio.open_dock("CaImAn and settings", (560, 640))
    studio.settle(4.0)
    studio.shoot_widget(dock, "dock-settings.png")
    studio.close_dock("CaImAn and settings")


def photograph_volume(studio: Any) -> None:
    """A volume's cells, rendered in 3D."""
    from napari_cnmf.testing import simulate_volume

    recording = simulate_volume(seed=1)
    (result,) = run_all(studio, {"volume": recording}, "volumetric")
    studio.show_result(result)
    studio.viewer.dims.ndisplay = 3
    studio.viewer.reset_view()
    studio.viewer.scene.camera.angles = (10, 35, -60)
    studio.settle(2.0)
    studio.shoot("volume-result.png")
    studio.viewer.dims.ndisplay = 2


def photograph_sessions(studio: Any) -> None:
    """Three days of one field, each run by the engine, then matched; the viewer is theirs."""
    sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
    from session_simulator import simulate_sessions

    days = simulate_sessions(
        n_frames=800, n_sessions=3, seed=3, size=(128, 160), n_cells=40, present_fraction=0.85
    )
    recordings = {f"day {n}": recording for n, recording in enumerate(days.recordings, 1)}
    uuids = run_all(studio, recordings, "two-photon somata")
    studio.raise_dock("Batch manager")
    studio.table.table.choose(uuids[0])
    studio.settle(1.0)
    studio.shoot_widget(studio.table, "dock-batch.png")
    studio.session.close_result()
    for name in ("Workspace", "Plots", "Traces", "Batch manager"):
        studio.close_dock(name)
    for layer in list(studio.viewer.layers):
        studio.viewer.layers.remove(layer)
    dock = studio.open_dock("Same cells over sessions", below=True)
    dock.add_results([studio.batch[uuid].result_path for uuid in uuids])
    dock.match()
    studio.wait_for(lambda: dock.matched is not None)
    cells = dock.matched.matches.cells
    shared = [n for n, cell in cells.items() if len(cell.components) == 3]
    dock.table.select_rows([list(cells).index(shared[0])])
    dock.accept()
    studio.viewer.reset_view()
    studio.settle(1.5)
    studio.shoot("sessions.png")


def run_all(studio: Any, recordings: dict[str, Any], preset: str) -> list[str]:
    """Simulated recordings through the built-in engine; the uuids of their items."""
    from napari_cnmf.params import CNMFParams

    uuids = []
    for name, recording in recordings.items():
        movie = studio.folder / f"{name}.tif"
        recording.write(movie)
        params = CNMFParams.preset(preset).replace(
            init={"gSig": recording.gSig}, data={"decay_time": recording.decay_time_s}
        )
        item = studio.batch.add("cnmf", movie, params=params, name=name, engine="builtin")
        uuids.append(item.uuid)
    studio.wait_for(lambda: all(studio.table.model.row_of(u) is not None for u in uuids))
    studio.session.bridge.start(uuids)
    studio.wait_for(lambda: all(studio.has_ended(u) for u in uuids))
    return uuids
