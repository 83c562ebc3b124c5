"""Take the tour of ``gui_tour.py`` with each napari, Qt binding and Python that we support.

Each corner has an environment of its own, which is made when it is not there and kept. On a
machine without a screen the tours need ``xvfb-run``. A corner whose Python is not installed
counts as failed: name those that you want to run.

    python scripts/compat.py                       every corner
    python scripts/compat.py napari-0.6.6-pyqt5    one of them
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TOUR = ROOT / "scripts" / "gui_tour.py"
_WORST_S = 3600


@dataclass(frozen=True)
class Corner:
    """One environment.

    Attributes
    ----------
    python
        Version of the interpreter, such as ``3.11``.
    napari
        What pip is asked for.
    qt
        The Qt binding, as a package.
    """

    python: str
    napari: str
    qt: str

    @property
    def name(self) -> str:
        version = self.napari.partition("==")[2] or "newest"
        return f"napari-{version}-{self.qt}"


CORNERS = (
    Corner("3.11", "napari==0.6.6", "pyqt5"),
    Corner("3.12", "napari==0.7.1", "pyqt6"),
    Corner("3.12", "napari==0.8.0", "pyside6"),
    Corner("3.13", "napari", "pyside6"),
    Corner("3.13", "napari", "pyqt6"),
    Corner("3.12", "napari", "pyqt5"),
)


def find_python(version: str) -> str | None:
    """An interpreter of a version: this one, one on the path, or pyenv's."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    shims = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(shims.glob(f"{version}.*/bin/python"))]
    return next((str(found) for found in candidates if found and _runs(found)), None)


def _runs(python: str | Path) -> bool:
    """Whether an interpreter starts; pyenv's shim of a version that is not chosen does not."""
    return subprocess.run([python, "--version"], check=False, capture_output=True).returncode == 0


def make_environment(corner: Corner, folder: Path) -> Path | None:
    """Make the environment of a corner, once; returns its interpreter, ``None`` without one."""
    windows = sys.platform == "win32"
    python = folder / corner.name / ("Scripts/python.exe" if windows else "bin/python")
    stamp = folder / corner.name / ".complete"
    if stamp.exists():
        return python
    base = find_python(corner.python)
    if base is None:
        print(f"{corner.name}: Python {corner.python} is not installed.")
        return None
    subprocess.run([base, "-m", "venv", "--clear", str(stamp.parent)], check=True)
    wanted = [corner.napari, corner.qt, "-e", str(ROOT)]
    done = subprocess.run([str(python), "-m", "pip", "install", "--quiet", *wanted], check=False)
    if done.returncode:
        print(f"{corner.name}: pip could not install {' '.join(wanted)}.")
        return None
    stamp.touch()
    return python


def take_tour(corner: Corner, python: Path, pictures: Path) -> bool:
    """Run the tour in an environment; returns whether it came to its end without a problem."""
    command = [str(python), str(_TOUR), str(pictures / corner.name)]
    has_screen = sys.platform != "linux" or "DISPLAY" in os.environ
    if not has_screen:
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
    try:
        return subprocess.run(command, check=False, timeout=_WORST_S).returncode == 0
    except subprocess.TimeoutExpired:
        print(f"{corner.name}: the tour did not end within {_WORST_S} s.")
        return False


def main() -> int:
    """Take all tours, or those that are named; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [corner.name for corner in CORNERS]
    parser.add_argument("corners", nargs="*", metavar="CORNER", help=", ".join(names))
    parser.add_argument("--environments", type=Path, default=ROOT / ".compat")
    args = parser.parse_args()
    if unknown := sorted(set(args.corners) - set(names)):
        parser.error(f"A corner must be one of {', '.join(names)}, got {', '.join(unknown)}.")
    failed = []
    for corner in CORNERS:
        if args.corners and corner.name not in args.corners:
            continue
        print(f"== {corner.name}, Python {corner.python}", flush=True)
        python = make_environment(corner, args.environments)
        if python is None or not take_tour(corner, python, args.environments / "pictures"):
            failed.append(corner.name)
    print(f"Failed: {', '.join(failed)}" if failed else "Every tour came to its end.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
