"""A fixed tour through the plugin in a real window; used with every napari and Qt that we support.

It opens each dock through napari's plugin manager, opens a result file, selects, decides and
merges with real key and mouse events, fills in the form and lets it run, and opens the sample.
An error that napari was told of, an exception in a slot or a step that does not come to its end
makes the tour fail.

    xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/gui_tour.py [folder for pictures]
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import tifffile

_PATIENCE_S = 240
_DIMS = (60, 80)
_CENTRES = ((12, 14), (12, 60), (30, 34), (30, 41), (48, 20), (48, 66))


def main() -> int:
    """Take the tour; returns the exit code."""
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        # napari's settings, the plugin's and the caches are those of a new user.
        os.environ["NAPARI_CONFIG"] = f"{folder}/napari.yaml"
        os.environ["XDG_CONFIG_HOME"] = f"{folder}/config"
        os.environ.setdefault("XDG_CACHE_HOME", f"{folder}/cache")
        tour = Tour(Path(folder), pictures)
        try:
            tour.run()
        finally:
            tour.close()
    print(f"The tour is over: {len(tour.problems)} problems.")
    return 1 if tour.problems else 0


class Tour:
    """One viewer, and the steps of the tour.

    Parameters
    ----------
    folder
        Where files are written.
    pictures
        Where pictures of the window go; none are taken without it.
    """

    def __init__(self, folder: Path, pictures: Path | None) -> None:
        import napari
        from qtpy import API_NAME, QT_VERSION
        from qtpy.QtWidgets import QApplication

        python = sys.version.split()[0]
        print(f"Python {python}, napari {napari.__version__}, {API_NAME}, Qt {QT_VERSION}")
        self.folder, self.pictures = folder, pictures
        self.problems: list[str] = []
        self.docks: dict[str, Any] = {}
        sys.excepthook = self._on_exception
        self.viewer = napari.Viewer()
        # napari puts its own hook there; what it is told of is read at the end of each step.
        sys.excepthook = self._on_exception
        self.app = QApplication.instance()
        self.window = self.viewer.window._qt_window
        self.window.resize(1366, 768)
        self.window.activateWindow()
        self._n_told = 0

    def run(self) -> None:
        """All steps in their order; one that fails does not keep the others from being tried."""
        for step in (
            self.open_every_dock,
            self.open_a_result,
            self.select_with_the_mouse,
            self.decide_with_keys,
            self.merge,
            self.look_at_a_volume,
            self.run_from_the_form,
            self.open_the_sample,
            self.walk_through_the_workspace,
            self.close_every_dock,
        ):
            self._take(step)

    # -- steps

    def open_every_dock(self) -> None:
        """Each widget of the manifest, as napari's menu opens it."""
        from npe2 import PluginManager

        manifest = PluginManager.instance().get_manifest("napari-cnmf")
        for widget in manifest.contributions.widgets or ():
            if widget.display_name == "Workspace":
                continue  # it takes others in: see below
            _, self.docks[widget.display_name] = self.viewer.window.add_plugin_dock_widget(
                "napari-cnmf", widget.display_name
            )
            self._settle()
        assert len(self.docks) >= 10

    def open_a_result(self) -> None:
        """A file of CaImAn's form, read by napari through the plugin."""
        from napari_cnmf.io.caiman import write_caiman

        path = write_caiman(_components(_DIMS, _CENTRES), self.folder / "result.hdf5")
        self.viewer.open(path, plugin="napari-cnmf")
        curation = self.docks["Curation"]
        self._wait(lambda: len(curation.panel.model.figures) == len(_CENTRES))

    def select_with_the_mouse(self) -> None:
        """A click on a cell selects it in the table and in the traces."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        from napari_cnmf.ui._canvas import camera_of, canvas_widget

        self._leave_room()
        self.viewer.reset_view()
        self._settle()
        canvas, camera = canvas_widget(self.viewer), camera_of(self.viewer)
        y, x = (
            size / 2 + (at - middle) * camera.zoom
            for size, at, middle in zip(
                (canvas.height(), canvas.width()), _CENTRES[1], camera.center[-2:], strict=True
            )
        )
        QTest.mouseClick(
            canvas,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
            QPoint(round(x), round(y)),
        )
        self._wait(lambda: self._session.selection == (1,))
        # One that is out of view is brought there.
        camera.zoom *= 8
        self._session.select((4,))
        self._settle()

    def decide_with_keys(self) -> None:
        """Reject, undo and tag from the keyboard."""
        curation = self.docks["Curation"]
        self._press(curation.panel.table, "R")
        assert int(curation.curation.decisions[4]) != 0, "R must reject the selected cell"
        self._press(curation.panel.table, "Ctrl+Z")
        assert int(curation.curation.decisions[4]) == 0, "Ctrl+Z must take that back"

    def merge(self) -> None:
        """Two neighbours become one."""
        curation = self.docks["Curation"]
        self._session.select((2, 3))
        self._press(curation.panel.table, "M")
        self._wait(lambda: len(self._session.result.ids) == len(_CENTRES) - 1)
        self._wait(lambda: not curation.edits.editor.is_busy)
        for tab in range(curation.panel.tabs.count()):
            curation.panel.tabs.setCurrentIndex(tab)
            self._settle()
        curation.panel.tabs.setCurrentIndex(0)

    def look_at_a_volume(self) -> None:
        """A result of several planes, in 2D and 3D."""
        from napari_cnmf.ui._loading import finish, load_components

        volume = _components((4, *_DIMS), tuple((i % 4, *c) for i, c in enumerate(_CENTRES)))
        self._session.show(finish(load_components(volume)))
        self._session.select((3,))
        self._settle()
        self.viewer.dims.ndisplay = 3
        self._settle()
        self.viewer.dims.ndisplay = 2
        self._session.close_result()

    def run_from_the_form(self) -> None:
        """A movie goes through the form into a batch, runs, and is opened from the table."""
        from napari_cnmf.batch import Batch, State
        from napari_cnmf.ui.forms._input import FileInput

        movie = self.folder / "movie.tif"
        tifffile.imwrite(movie, _movie(), photometric="minisblack")
        batch, form = self.docks["Batch manager"], self.docks["CNMF parameters"]
        self._session.set_batch(Batch.create(self.folder / "batch"))
        form.show_movie(FileInput((movie,)))
        # The form asks for the frame rate, because this file does not say it.
        params = form.value()
        form.set_value(params.replace(data={"fr": 10.0}, init={"gSig": (3, 3), "K": 6}))
        self._wait(form.add_button.isEnabled)
        form.add(run=True)
        self._wait(lambda: any(r.state is State.COMPLETED for r in batch.model.rows))
        (row,) = batch.model.rows
        batch.commands.open_row(row)
        self._wait(lambda: self._session.result is not None)

    def open_the_sample(self) -> None:
        """The simulated recording of napari's sample menu."""
        self._session.close_result()
        self.viewer.layers.clear()
        self.viewer.open_sample("napari-cnmf", "demo")
        self._wait(lambda: [layer.ndim for layer in self.viewer.layers] == [3])

    def walk_through_the_workspace(self) -> None:
        """It takes the open docks in, and every step can be seen."""
        from napari_cnmf.ui.workspace._steps import Step

        _, space = self.viewer.window.add_plugin_dock_widget("napari-cnmf", "Workspace")
        self._settle()
        assert space.isAncestorOf(self.docks["CNMF parameters"])
        for step in Step:
            space.strip.buttons[step].click()
            self._settle()
            assert space.step is step
        space.strip.buttons[Step.MOVIE].click()
        self._wait(lambda: space.form.facts is not None)
        self._wait(space.next_button.isEnabled)

    def close_every_dock(self) -> None:
        """Docks go away as they do when a user closes them."""
        for widget in list(self.viewer.window.dock_widgets.values()):
            self.viewer.window.remove_dock_widget(widget)
            self._settle()

    # -- how

    @property
    def _session(self) -> Any:
        from napari_cnmf.ui._session import session_of

        return session_of(self.viewer)

    def _take(self, step: Callable[[], None]) -> None:
        began = time.monotonic()
        n_before = len(self.problems)
        try:
            step()
            self._settle()
        except Exception:  # noqa: BLE001  (the tour goes on, and fails in the end)
            self.problems.append(traceback.format_exc())
        self._read_notifications()
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.window.grab().save(str(self.pictures / f"{step.__name__}.png"))
        new = self.problems[n_before:]
        words = step.__name__.replace("_", " ")
        print(f"{'FAILED' if new else 'ok    '} {words} ({time.monotonic() - began:.1f} s)")
        for problem in new:
            print(problem)

    def _read_notifications(self) -> None:
        from napari.utils.notifications import NotificationSeverity, notification_manager

        records = list(notification_manager.records)
        for record in records[self._n_told :]:
            if record.severity >= NotificationSeverity.ERROR:
                self.problems.append(f"napari was told of an error: {record.message}")
        self._n_told = len(records)

    def _on_exception(self, kind: Any, error: Any, trace: Any) -> None:
        told = "".join(traceback.format_exception(kind, error, trace))
        # An old napari with a new Qt binding has faults of its own, which are not to be hidden.
        if "napari_cnmf" in told or "gui_tour" in told:
            self.problems.append(told)
        else:
            print(f"In napari itself: {told.strip().splitlines()[-1]}")

    def _settle(self) -> None:
        for _ in range(5):
            self.app.processEvents()

    def _wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not until():
            if time.monotonic() > end:
                raise TimeoutError(f"A step did not end within {_PATIENCE_S} s.")
            self.app.processEvents()
            time.sleep(0.01)
        self._settle()

    def _leave_room(self) -> None:
        """Give the canvas most of the window: hide all docks but curation."""
        for title, widget in self.docks.items():
            if title != "Curation" and widget.parentWidget() is not None:
                widget.parentWidget().hide()
        self.docks["Curation"].parentWidget().show()
        self._settle()

    def _press(self, widget: Any, key: str) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        self.docks["Curation"].parentWidget().raise_()
        self._wait(widget.isVisible)
        widget.setFocus()
        self._wait(widget.hasFocus)
        *modifiers, last = key.split("+")
        held = Qt.KeyboardModifier.NoModifier
        if "Ctrl" in modifiers:
            held |= Qt.KeyboardModifier.ControlModifier
        QTest.keyClick(widget, getattr(Qt.Key, f"Key_{last}"), held)
        self._settle()

    def close(self) -> None:
        """Close the viewer, as a user would."""
        self._session.set_batch(None)
        self.viewer.close()
        self._settle()


def _footprints(dims: tuple[int, ...], centres: tuple[Any, ...]) -> sp.csc_matrix:
    """Bumps of 3 pixels radius, ``(n_pixels, n_components)``."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in dims), indexing="ij"))
    columns = []
    for centre in centres:
        distance = sum((grid[i] - c) ** 2 for i, c in enumerate(centre))
        values = np.exp(-np.log(2) * distance / 9.0)
        values[values < 0.05] = 0
        columns.append(values.ravel())
    return sp.csc_matrix(np.stack(columns, axis=1).astype(np.float32))


def _traces(n: int, n_frames: int) -> Any:
    rng = np.random.default_rng(1)
    spikes = (rng.random((n, n_frames)) < 0.05) * rng.uniform(5, 10, (n, n_frames))
    traces = np.zeros((n, n_frames))
    for t in range(n_frames):
        traces[:, t] = (0.9 * traces[:, t - 1] if t else 0) + spikes[:, t]
    return traces


def _components(dims: tuple[int, ...], centres: tuple[Any, ...]) -> Any:
    from napari_cnmf.model.components import Components

    n = len(centres)
    return Components(
        A=_footprints(dims, centres),
        C=_traces(n, 60),
        dims=dims,
        YrA=np.random.default_rng(2).normal(0, 0.5, (n, 60)),
        b=np.full((int(np.prod(dims)), 1), 3.0),
        f=np.ones((1, 60)),
        snr=np.linspace(2, 8, n),
        r_values=np.linspace(0.3, 0.9, n),
        accepted=np.arange(n) % 2 == 0,
        frame_rate_hz=10.0,
    )


def _movie() -> Any:
    """A recording of the same cells, ``(300, *_DIMS)``."""
    clean = _footprints(_DIMS, _CENTRES) @ _traces(len(_CENTRES), 300)
    noise = np.random.default_rng(3).normal(0, 0.5, clean.shape)
    frames = (clean + noise).T.reshape(-1, *_DIMS)
    return np.clip(frames * 50 + 500, 0, 65535).astype(np.uint16)


if __name__ == "__main__":
    sys.exit(main())
