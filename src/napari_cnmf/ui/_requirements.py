"""What the docks need around them: a napari that is new enough, a Qt binding, OpenGL.

Nothing is imported here from napari or Qt before it was looked for: each thing that is missing is
one sentence with the command that helps.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from napari_cnmf.errors import ViewerError

LEAST_NAPARI = (0, 6, 6)
_LIBRARIES = "libegl1 libgl1 libopengl0 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0"
"""Debian's packages that Qt and OpenGL load; a server and a container often lack them."""
_WITHOUT_OPENGL = ("offscreen", "minimal", "minimalegl", "linuxfb", "vnc")
"""Platforms of Qt that draw windows where no program can use OpenGL."""


def require_napari() -> None:
    """Refuse an environment without napari, with one that is too old, or without Qt.

    Raises
    ------
    ViewerError
        One sentence that says what is needed and how to get it.
    """
    try:
        found = version("napari")
    except PackageNotFoundError:
        raise ViewerError(
            "A window needs napari, which is not installed here. Install it with: "
            'pip install "napari-cnmf[all]"'
        ) from None
    if tuple(int(part) for part in re.findall(r"\d+", found)[:3]) < LEAST_NAPARI:
        least = ".".join(map(str, LEAST_NAPARI))
        raise ViewerError(
            f"napari-cnmf needs napari {least} or newer, this is napari {found}. Update it with: "
            'pip install --upgrade "napari[all]"'
        )
    try:
        # Loads QtCore of the binding that napari will take.
        import_module("qtpy")
        import_module("qtpy.QtWidgets")
    except ImportError as error:
        library = re.match(r"(lib\S+\.so\S*):", str(error))
        if library is None:
            raise ViewerError(
                "napari needs a Qt binding (PyQt6, PySide6 or PyQt5), and none can be imported "
                'here. Install one with: pip install "napari[pyqt6]"'
            ) from error
        raise ViewerError(
            f"Qt needs the system's library {library[1]}, which is not installed. On Debian and "
            f"Ubuntu, install it with: sudo apt install {_LIBRARIES}"
        ) from error


def require_opengl() -> None:
    """Refuse a screen without OpenGL, on which napari's canvas shows nothing; needs an application.

    Raises
    ------
    ViewerError
        One sentence that says what to do about it.
    """
    if (problem := without_opengl()) is not None:
        raise ViewerError(problem)


def without_opengl() -> str | None:
    """One sentence where this screen has no OpenGL, ``None`` where it has."""
    from qtpy.QtGui import QGuiApplication, QOpenGLContext

    if QOpenGLContext().create():
        return None
    platform = QGuiApplication.platformName()
    needed = f"napari's canvas needs OpenGL, which this screen (Qt's {platform!r}) does not have. "
    if platform in _WITHOUT_OPENGL:
        return needed + "Unset QT_QPA_PLATFORM, and start napari on a desktop."
    on_linux = (
        "Over ssh, use a remote desktop (VNC, X2Go) instead of X forwarding. On Debian and "
        "Ubuntu, install what draws without a graphics card: sudo apt install libgl1-mesa-dri"
    )
    elsewhere = "Install the driver of its graphics card."
    return needed + (on_linux if sys.platform == "linux" else elsewhere)
