"""Install the built wheel and sdist as users do, and try everything there.

Three environments, each made from nothing: the wheel alone (a computing node: no napari, no Qt),
the wheel in an environment that has a napari already, which must stay as it was, and the sdist.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAPARI = "napari[pyqt6]>=0.6.6"

_NO_GUI = """
import importlib.util, napari_cnmf as nc
there = [name for name in ("napari", "PyQt6", "PySide6") if importlib.util.find_spec(name)]
assert not there, there
assert nc.Batch and nc.CNMFParams
"""

_EVERY_WIDGET = """
import napari
from npe2 import PluginManager
viewer = napari.Viewer(show=True)
manifest = PluginManager.instance().get_manifest("napari-cnmf")
names = [widget.display_name for widget in manifest.contributions.widgets]
names.remove("Workspace")  # it takes others in: the last one
for name in names:
    viewer.window.add_plugin_dock_widget("napari-cnmf", name)
    print("opened", name)
assert len(viewer.window.dock_widgets) == len(names)
viewer.window.add_plugin_dock_widget("napari-cnmf", "Workspace")
viewer.close()
"""


class Environment:
    """A virtual environment made from nothing."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        self.folder = folder

    def run(self, program: str, *arguments: str) -> str:
        """Run one of the environment's programs away from the clone; its output."""
        command = [str(self.bin / program), *arguments]
        if sys.platform == "linux" and not os.environ.get("DISPLAY"):
            command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        ended = subprocess.run(
            command, cwd=self.folder, env=clean, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise SystemExit(f"{' '.join(command)}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout

    def install(self, *what: str) -> None:
        """``pip install``."""
        self.run("python", "-m", "pip", "install", "-q", *what)

    def versions(self) -> set[str]:
        """What is installed, as ``name==version``."""
        return set(self.run("python", "-m", "pip", "freeze").split())

    def demo(self) -> str:
        """Run the main job; its last line, the figures."""
        return self.run("napari-cnmf", "demo", "--headless", "--out", "demo").splitlines()[-1]


def main() -> None:
    """Build, install, try."""
    with tempfile.TemporaryDirectory() as folder:
        wheel, sdist = build(Path(folder))
        try_node(Environment(Path(folder) / "node"), wheel)
        try_napari(Environment(Path(folder) / "napari"), wheel)
        try_sdist(Environment(Path(folder) / "sdist"), sdist)


def build(folder: Path) -> tuple[Path, Path]:
    """Wheel and sdist of the clone."""
    out = folder / "dist"
    tool = Environment(folder / "build")
    tool.install("build")
    tool.run("python", "-m", "build", "-o", str(out), str(ROOT))
    wheel, sdist = next(out.glob("*.whl")), next(out.glob("*.tar.gz"))
    shutil.rmtree(tool.folder)
    print(f"built {wheel.name} ({wheel.stat().st_size / 1e3:.0f} kB), {sdist.name}")
    return wheel, sdist


def try_node(environment: Environment, wheel: Path) -> None:
    """The wheel alone computes, and brings no GUI."""
    environment.install(str(wheel))
    environment.run("python", "-c", _NO_GUI)
    print("without napari:", environment.demo())


def try_napari(environment: Environment, wheel: Path) -> None:
    """A napari that is there already stays as it is, and has every widget."""
    environment.install(NAPARI)
    before = environment.versions()
    environment.install(str(wheel))
    changed = before - environment.versions()
    if changed:
        raise SystemExit(f"installing the wheel changed {sorted(changed)}")
    environment.run("npe2", "validate", "--imports", "napari-cnmf")
    print(environment.run("python", "-c", _EVERY_WIDGET), end="")
    print("beside napari:", environment.demo())


def try_sdist(environment: Environment, sdist: Path) -> None:
    """The sdist builds and computes."""
    environment.install(str(sdist))
    print("from the sdist:", environment.demo())


if __name__ == "__main__":
    main()
