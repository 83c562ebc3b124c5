"""Make the pictures of the documentation from the real plugin.

``python scripts/screenshots.py [MOVIE] [--frame-rate HZ] [--gsig PX]`` runs the demo recording (and
a movie of yours, motion-corrected) through the docks and photographs them into ``docs/images``:
the whole window here, each dock in ``screenshots_docks.py``. Pictures are kept light: 256 colours.
Without a screen: ``xvfb-run -a -s "-screen 0 1920x1200x24" python scripts/screenshots.py``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage

from click_through import ClickThrough, write_movies
from napari_cnmf.ui.workspace._steps import Step
from screenshots_docks import photograph_docks, photograph_sessions, photograph_volume

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIZE = (1600, 1000)
_STEPS = ("movie", "motion", "cells", "running", "curate", "export")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("movie", nargs="?", type=Path)
    parser.add_argument("--frame-rate", type=float, default=30.0)
    parser.add_argument("--gsig", type=int, default=4)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--only-lab", action="store_true", help="the pictures of the lab alone")
    parser.add_argument(
        "--only-workspace", action="store_true", help="the pictures of the workspace alone"
    )
    parser.add_argument(
        "--only-docks", action="store_true", help="the demo's result and each dock alone"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="recordings-") as folder:
        # Settings of nobody: what this machine knows of its user is in no picture.
        os.environ["NAPARI_CNMF_CONFIG"] = str(Path(folder) / "settings.toml")
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari.yaml")
        os.environ.pop("NAPARI_CNMF_CAIMAN_PYTHON", None)
        if not args.only_docks:
            photograph_workspace(Path(folder), args.out)
        if args.only_workspace:
            return 0
        studio = Studio(Path(folder), args.out)
        if not args.only_docks:
            studio.photograph_lab()
        if args.only_lab:
            studio.close()
            return 0
        studio.photograph_demo()
        photograph_docks(studio)
        if args.only_docks:
            studio.close()
            return 0
        if args.movie is not None:
            studio.photograph_movie(args.movie, args.frame_rate, args.gsig)
        photograph_volume(studio)
        photograph_sessions(studio)
        studio.close()
    return 0


def photograph_workspace(folder: Path, out: Path) -> None:
    """Each step of the workspace, clicked through by hand, and an animation of them."""
    known, _ = write_movies(folder)
    ClickThrough(folder / "steps").run(known)
    paths = sorted((folder / "steps").glob("*.png"))
    pictures = [Image.open(path) for path in paths]
    for path, name in zip(paths, _STEPS, strict=True):
        # At a page's width a window cannot be read: where the text is of the dock, it stands alone.
        alone = path.parent / "docks" / path.name
        picture = Image.open(alone if alone.exists() else path)
        save(np.asarray(picture.convert("RGB")), out / f"workspace-{name}.png")
    small = [p.convert("RGB").resize((p.width * 2 // 3, p.height * 2 // 3)) for p in pictures]
    path = out / "workspace.webp"
    small[0].save(path, save_all=True, append_images=small[1:], duration=1800, loop=0, quality=70)
    print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


def save(pixels: Any, path: Path) -> None:
    """As PNG of 256 colours: a third of the bytes, and nobody sees it."""
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    palette = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(path, optimize=True)
    print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


class Studio:
    """A viewer with its docks, and a camera."""

    def __init__(self, folder: Path, out: Path) -> None:
        import napari

        from napari_cnmf.batch import Batch
        from napari_cnmf.ui._docks import show_dock, show_docks
        from napari_cnmf.ui._session import session_of

        self.folder, self.out = folder, out
        self.viewer = napari.Viewer(title="napari-cnmf")
        self.docks = show_docks(self.viewer)
        self.docks["Plots"] = show_dock(self.viewer, "Plots")
        self.session = session_of(self.viewer)
        self.batch = Batch.create(folder / "my batch")
        self.session.set_batch(self.batch)
        self.viewer.window.resize(*SIZE)
        self.settle(1.0)

    def photograph_lab(self) -> None:
        """Seeds of a one-photon recording, and a preview of the demo's."""
        from napari_cnmf.testing import demo_recording, simulate_one_photon
        from napari_cnmf.ui._docks import open_dock
        from napari_cnmf.ui.lab._dock import LabWidget

        form = self.docks["CNMF parameters"]
        simulate_one_photon(n_frames=1000).write(self.folder / "miniscope.tif")
        form.header.algorithm_combo.value = "cnmfe"
        self.show_movie("miniscope.tif")
        lab = self.docks["Parameter lab"] = open_dock(self.viewer, LabWidget, "Parameter lab")
        self.wait_for(lambda: lab.recording is not None)
        lab.cell_size.take_suggestion()
        lab.tabs.setCurrentIndex(1)
        self.wait_for(lambda: lab.seeds.images is not None)
        lab.link.set("init.min_corr", 0.8)
        lab.link.set("init.min_pnr", 10.0)
        self.raise_dock("Parameter lab")
        self.settle(2.0)
        self.shoot("lab-seeds.png")
        recording = demo_recording().write(self.folder / "lab.tif")
        form.header.algorithm_combo.value = "cnmf"
        form.header.preset_combo.value = "two-photon somata"
        self.viewer.layers.clear()
        self.wait_for(lambda: lab.recording is None)
        self.show_movie("lab.tif")
        self.wait_for(lambda: lab.recording is not None)
        lab.cell_size.take_suggestion()
        lab.link.set("data.decay_time", round(recording.decay_time_s, 2))
        lab.tabs.setCurrentIndex(4)
        lab.preview.look_at(*(n / 2 for n in recording.truth.dims))
        self.wait_for(lambda: lab.preview.found is not None)
        self.settle(3.0)
        self.shoot("lab-preview.png")
        lab.parentWidget().close()
        self.viewer.layers.clear()

    def show_movie(self, name: str) -> None:
        from napari_cnmf.ui._loading import finish, movie_steps

        self.session.show_movie(finish(movie_steps(self.folder / name)))
        self.viewer.reset_view()

    def photograph_demo(self) -> None:
        """Form and batch, then the result of the demo recording with its traces."""
        from napari_cnmf.testing import demo_recording
        from napari_cnmf.ui.forms._input import FileInput

        recording = demo_recording().write(self.folder / "demo.tif")
        form = self.docks["CNMF parameters"]
        form.header.input.set_value(FileInput((self.folder / "demo.tif",)))
        form.header.engine_combo.value = "builtin"
        form.form.row("init.gSig").editor.value = ", ".join(f"{r:.0f}" for r in recording.gSig)
        form.form.row("data.decay_time").editor.value = f"{recording.decay_time_s:.2f}"
        self.docks["Workspace"].go_to(Step.CELLS)
        self.wait_for(form.run_button.isEnabled)
        form.run_button.click()
        self.wait_for(lambda: bool(self.table.model.rows))
        self.raise_dock("Batch manager")
        uuid = self.table.model.rows[0].uuid
        self.table.table.choose(uuid)
        # It takes a second: the details beside it are those of a moment before.
        self.wait_for(lambda: self.table.model.rows[0].fraction > 0 or self.has_ended(uuid))
        if self.has_ended(uuid):
            raise RuntimeError(
                "The demo ended before it was seen running. Take the pictures again."
            )
        self.shoot("batch-running.png")
        self.wait_for(lambda: self.has_ended(uuid))
        self.show_result(uuid)
        self.shoot("demo-result.png")

    def photograph_movie(self, path: Path, frame_rate: float, gsig: int) -> None:
        """Motion correction, then CNMF on its movie."""
        params = {"data": {"fr": frame_rate}, "motion": {"max_shifts": (10, 10)}}
        steady = self.batch.add("mcorr", path, params=params, name=path.stem, engine="builtin")
        from napari_cnmf.params import CNMFParams

        cells = CNMFParams.preset("two-photon somata").replace(
            data={"fr": frame_rate}, init={"gSig": (gsig, gsig)}
        )
        item = self.batch.add(
            "cnmf", steady, params=cells, refit=True, name=path.stem, engine="builtin"
        )
        self.wait_for(lambda: self.table.model.row_of(item.uuid) is not None)
        self.session.bridge.start()
        self.wait_for(lambda: self.has_ended(item.uuid))
        self.show_result(item.uuid)
        self.shoot("mouse-result.png")
        self.raise_dock("Batch manager")
        self.settle(0.5)
        self.shoot("batch.png")

    def show_result(self, uuid: str) -> None:
        """Open an item's result, pick its three clearest cells, look at its correlation image."""
        from napari_cnmf.ui import _background

        row = self.table.model.row_of(uuid)
        if row.state.value != "completed":
            raise RuntimeError(f"{row.name} is {row.state.value}: {row.error}")
        # What the workspace has run opens by itself, and would replace what is opened here.
        self.wait_for(lambda: not _background.is_busy())
        before = self.session.result
        self.table.table.choose(uuid)
        self.table.commands.open_row(row)
        self.wait_for(lambda: self.session.result not in (None, before))
        self.wait_for(lambda: not _background.is_busy())
        result = self.session.result
        components = result.components
        accepted = np.flatnonzero(components.accepted)
        best = accepted[np.argsort(-np.nan_to_num(components.snr[accepted]))][:3]
        result.layers.layers["raw"].visible = False
        result.layers.show_images(["correlation"])
        self.session.select(int(i) for i in best)
        busiest = int(components.C[best].sum(axis=0).argmax())
        self.viewer.dims.set_current_step(0, busiest)
        self.viewer.reset_view()
        self.raise_dock("Traces")
        self.settle(6.0)

    @property
    def table(self) -> Any:
        return self.docks["Batch manager"]

    def has_ended(self, uuid: str) -> bool:
        row = self.table.model.row_of(uuid)
        return row is not None and row.state.ended

    def raise_dock(self, title: str) -> None:
        from napari_cnmf.ui._docks import bring_to_front

        bring_to_front(self.docks[title])

    def open_dock(
        self, name: str, size: tuple[int, int] | None = None, *, below: bool = False
    ) -> Any:
        """Another dock of the plugin, from napari's own menu of widgets.

        Parameters
        ----------
        size
            Width and height of a window of its own; without it the dock stays in the viewer.
        below
            Of the canvas, where napari would put it on the right.
        """
        dock, self.docks[name] = self.viewer.window.add_plugin_dock_widget("napari-cnmf", name)
        if size is not None:
            dock.setFloating(True)
            dock.resize(*size)
        elif below:
            window = self.viewer.window._qt_window
            window.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
            window.resizeDocks([dock], [320], Qt.Orientation.Vertical)
        self.settle(0.5)
        return self.docks[name]

    def close_dock(self, name: str) -> None:
        """Away with a dock that is photographed."""
        self.viewer.window.remove_dock_widget(self.docks.pop(name))

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 900) -> None:
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + timeout_s
        while not condition():
            QApplication.processEvents()
            time.sleep(0.01)
            if time.monotonic() > end:
                raise TimeoutError("the plugin did not get there")

    def settle(self, seconds: float) -> None:
        """Let everything be drawn, and notifications fade."""
        end = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() > end)

    def shoot(self, name: str) -> None:
        from qtpy.QtWidgets import QApplication

        for widget in QApplication.allWidgets():
            if type(widget).__name__ == "NapariQtNotification":
                widget.close()
        self.settle(0.3)
        self.save(self.viewer.window.screenshot(canvas_only=False, flash=False), name)

    def shoot_widget(self, widget: Any, name: str) -> None:
        """One dock or dialog alone, as it stands on the screen."""
        self.settle(0.3)
        image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
        pixels = np.frombuffer(image.constBits().asstring(image.sizeInBytes()), np.uint8)
        rows = pixels.reshape(image.height(), image.bytesPerLine())
        width = 3 * image.width()
        self.save(rows[:, :width].reshape(image.height(), image.width(), 3), name)

    def save(self, pixels: Any, name: str) -> None:
        save(pixels, self.out / name)

    def close(self) -> None:
        self.session.set_batch(None)
        self.viewer.close()


if __name__ == "__main__":
    sys.exit(main())
