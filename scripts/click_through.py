"""Go from a dropped movie to CSV files in a real window, and count the clicks and keys.

Everything is a real Qt event at the place where the widget is drawn; nothing is called behind the
user's back. It fails where a way takes more than it may, or a step does not come to its end.

    xvfb-run -a -s "-screen 0 1366x768x24" python scripts/click_through.py [--pictures FOLDER]
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

_PATIENCE_S = 600
MOST_KNOWN_RATE, MOST_WITH_MOTION = 12, 14
"""Clicks and keys that may be needed: with a known rate, and with motion and an unknown one."""


def main() -> int:
    """Go both ways; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder for a picture of each step")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # napari's settings and the plugin's are those of a new user.
        os.environ["NAPARI_CONFIG"] = f"{name}/napari.yaml"
        os.environ["NAPARI_CNMF_CONFIG"] = f"{name}/settings.toml"
        known, unknown = write_movies(folder)
        first = ClickThrough(args.pictures).run(known)
        print(f"A dropped TIFF with a known rate: {first} clicks and keys.")
        second = ClickThrough(args.pictures).run(unknown, rate="15", motion=True)
        print(f"With motion correction and an unknown rate: {second} clicks and keys.")
    return int(first > MOST_KNOWN_RATE or second > MOST_WITH_MOTION)


def write_movies(folder: Path) -> tuple[Path, Path]:
    """The demo recording with its rate, and shaken without it."""
    import tifffile

    from napari_cnmf.testing import demo_recording

    known, unknown = folder / "still" / "mouse 1.tif", folder / "shaken" / "mouse 2.tif"
    for path in (known, unknown):
        path.parent.mkdir()
    recording = demo_recording().write(known)
    frames = tifffile.imread(known)
    walk = np.random.default_rng(1).normal(0, 0.5, (len(frames), 2)).cumsum(axis=0)
    shifts = np.clip(np.rint(walk - walk.mean(axis=0)), -4, 4).astype(int)
    shaken = [np.roll(f, tuple(s), (0, 1)) for f, s in zip(frames, shifts, strict=True)]
    tifffile.imwrite(unknown, np.asarray(shaken), photometric="minisblack")
    assert recording.shape == frames.shape
    return known, unknown


class ClickThrough:
    """One viewer, a mouse, a keyboard, and a count of what was done with them.

    Parameters
    ----------
    pictures
        Where pictures of the window go; none are taken without it.
    """

    def __init__(self, pictures: Path | None = None) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        self.n, self.pictures = 0, pictures
        self.viewer = napari.Viewer()
        self.app = QApplication.instance()
        self.window = self.viewer.window._qt_window
        self.window.resize(1366, 768)
        self.window.activateWindow()
        self.settle()

    def run(self, movie: Path, *, rate: str = "", motion: bool = False) -> int:
        """From dropping a movie to tables on the disk; returns the clicks and keys it took.

        Parameters
        ----------
        rate
            Typed where the movie does not say it.
        motion
            Whether the movie is expected to be found moving.
        """
        from napari_cnmf.ui.workspace._dock import WorkspaceWidget
        from napari_cnmf.ui.workspace._steps import Step

        self.drop(movie)
        self.wait_for(lambda: len(self.viewer.layers) == 1)
        self.wait_for(lambda: self.toast_button() is not None)
        self.click(self.toast_button())
        space: Any = self.wait_for(lambda: self.window.findChild(WorkspaceWidget))
        form = space.form
        self.wait_for(lambda: form.facts is not None)
        self.settle(0.5)
        self.shoot(f"{movie.stem} 1 movie", space)
        if rate:
            row = form.form.row("data.fr")
            self.click(row.editor.native)
            self.type_text(row.editor.native, rate)
        self.click(space.next_button)
        self.wait_for(lambda: form.measuring.found is not None)
        self.settle(0.3)
        assert bool(form.measuring.found.motion) is motion, form.measuring.found
        self.shoot(f"{movie.stem} 2 motion", space)
        self.click(space.next_button)
        assert form.header.motion_first is motion
        self.settle(0.3)
        for name in ("init.gSig", "data.decay_time"):
            self.click(form.form.row(name)._remark.button)
        self.settle(0.3)
        self.shoot(f"{movie.stem} 3 cells", space)
        self.wait_for(form.run_button.isEnabled)
        started = time.monotonic()
        self.click(form.run_button)
        self.wait_for(lambda: space.run_bar.uuids)
        self.settle(0.5)
        self.shoot(f"{movie.stem} 4 running")
        self.wait_for(lambda: space._session.result is not None or space.run_bar.words.text())
        self.wait_for(lambda: space._session.result is not None, patience_s=60)
        print(f"  a result is on screen {time.monotonic() - started:.0f} s after Find cells")
        self.wait_for(lambda: space.step is Step.CURATE)
        self.settle(1)
        self.shoot(f"{movie.stem} 5 curate")
        self.click(space.next_button)
        self.shoot(f"{movie.stem} 6 export", space)
        self.click(space.export.ticked.button)
        self.wait_for(lambda: space.export.stands == "done")
        folder = movie.parent / f"{movie.stem} export"
        tables = list(folder.rglob("*.csv"))
        assert tables, f"there must be tables in {folder}"
        self.viewer.close()
        return self.n

    # -- hands

    def drop(self, path: Path) -> None:
        """Drop a file on the canvas; where napari asks who reads it, answer."""
        from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
        from qtpy.QtGui import QDropEvent

        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(path))])
        target = self.viewer.window._qt_viewer
        event = QDropEvent(
            QPointF(200, 200), Qt.DropAction.CopyAction, data,
            Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        timer = QTimer()
        timer.timeout.connect(lambda: self._answer(timer))
        timer.start(200)
        target.dropEvent(event)
        timer.stop()

    def _answer(self, timer: Any) -> None:
        """Choose our reader in napari's dialog, and click OK."""
        from qtpy.QtWidgets import QDialogButtonBox, QRadioButton

        dialog = self.app.activeModalWidget()
        if dialog is None:
            return
        timer.stop()
        ours = [r for r in dialog.findChildren(QRadioButton) if "CNMF" in r.text()]
        for radio in ours[:1]:
            self.click(radio)
        ok = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Ok)
        self.click(ok)

    def toast_button(self) -> Any:
        """The button of the notification that offers the workspace."""
        from qtpy.QtWidgets import QPushButton

        buttons = self.window.findChildren(QPushButton)
        return next((b for b in buttons if b.text() == "Open workspace" and b.isVisible()), None)

    def click(self, widget: Any) -> None:
        """Press and release the left button where the widget is drawn."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        assert widget.isVisible(), f"{widget} must be seen to be clicked"
        assert widget.isEnabled(), f"{widget} must be enabled to be clicked"
        middle = widget.rect().center()
        seen = widget.visibleRegion()
        assert seen.contains(middle), f"{widget} is covered or scrolled out of view"
        # A tick is clicked at its box.
        place = QPoint(10, middle.y()) if "RadioButton" in type(widget).__name__ else middle
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        self.n += 1
        self.settle(0.05)

    def type_text(self, widget: Any, text: str) -> None:
        """Type into the widget that was clicked."""
        from qtpy.QtTest import QTest

        QTest.keyClicks(widget, text)
        self.n += len(text)
        self.settle(0.05)

    # -- eyes

    def wait_for(self, seen: Callable[[], Any], *, patience_s: float = _PATIENCE_S) -> Any:
        """Wait until something is there, and return it."""
        end = time.monotonic() + patience_s
        while not (found := seen()):
            assert time.monotonic() < end, "a step did not come to its end"
            self.settle(0.02)
        return found

    def settle(self, seconds: float = 0.2) -> None:
        """Let Qt do what is due."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.app.processEvents()
            time.sleep(0.005)

    def shoot(self, name: str, dock: Any = None) -> None:
        """Take a picture of the window, and of a dock by itself into the folder ``docks``."""
        if self.pictures is not None:
            (self.pictures / "docks").mkdir(parents=True, exist_ok=True)
            self.window.grab().save(str(self.pictures / f"{name}.png"))
            if dock is not None:
                dock.grab().save(str(self.pictures / "docks" / f"{name}.png"))


if __name__ == "__main__":
    sys.exit(main())
