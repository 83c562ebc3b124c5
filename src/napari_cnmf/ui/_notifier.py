"""Tells that the queue is done, to a user who is looking elsewhere."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from qtpy.QtCore import QObject, QProcess, QTimer
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QApplication, QMainWindow, QSystemTrayIcon

from napari_cnmf.batch.status import State
from napari_cnmf.ui.batch._rows import ItemRow

_SETTLING_MS = 1500
"""The queue is done a moment before the last item is seen to be."""

Stamp = tuple[State, datetime | None]


def notify_desktop(title: str, message: str) -> bool:
    """Show a message of the desktop's own; false where the desktop shows none.

    The window asks for attention in the task bar in either case, unless it has it.
    """
    windows = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    for window in windows[:1]:
        QApplication.alert(window)
    # GNOME has no tray, and Qt no other way to its messages; this program comes with most desktops.
    program = shutil.which("notify-send") if sys.platform == "linux" else None
    if program is not None:
        words = ["--app-name=napari", "--icon=napari", "--", title, message]
        return bool(QProcess.startDetached(program, words)[0])
    if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
        return False
    icon = windows[0].windowIcon() if windows else QIcon()
    tray = QSystemTrayIcon(icon, QApplication.instance())
    tray.show()
    tray.showMessage(title, message, icon)
    # Some desktops drop the message together with its icon.
    QTimer.singleShot(20_000, tray.deleteLater)
    return True


class QueueReport(QObject):
    """Remembers where items stood when the queue began, and says what came of them.

    Parameters
    ----------
    parent
        Owner.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.last = ""
        """What was said last."""
        self._before: dict[str, Stamp] | None = None
        self._rows: tuple[ItemRow, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLING_MS)
        self._timer.timeout.connect(self._say)

    def follow(self, is_active: bool, rows: Iterable[ItemRow]) -> None:
        """Note that the queue began, or that it has nothing left to do."""
        if is_active:
            self._timer.stop()
            if self._before is None:
                self._before = {row.uuid: (row.state, row.started) for row in rows}
        elif self._before is not None:
            self._timer.start()

    def see(self, rows: Iterable[ItemRow]) -> None:
        """Note where items stand now."""
        self._rows = tuple(rows)

    def _say(self) -> None:
        before, self._before = self._before or {}, None
        ended = [
            row
            for row in self._rows
            if row.state.ended and before.get(row.uuid) != (row.state, row.started)
        ]
        if not ended:
            return
        counts = Counter(row.state for row in ended)
        parts = [f"{counts[state]} {state.value}" for state in State if counts[state]]
        self.last = f"The queue is done: {', '.join(parts)}."
        notify_desktop("napari-cnmf", self.last)
