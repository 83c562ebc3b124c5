"""Everything below ``ui`` runs where there is no napari, no Qt and no CaImAn."""

from __future__ import annotations

import subprocess
import sys
from graphlib import TopologicalSorter

import grimp

_IMPORT_ALL = """
import importlib, pkgutil, sys
import napari_cnmf

THE_GUI = "napari_cnmf.ui"
names = [
    module.name
    for module in pkgutil.walk_packages(napari_cnmf.__path__, "napari_cnmf.")
    if not module.name.startswith(THE_GUI)
    and not module.name.endswith("__main__")
]
for name in names:
    importlib.import_module(name)
forbidden = {"napari", "qtpy", "magicgui", "superqt", "vispy", "pyqtgraph", "PyQt6", "caiman"}
print(len(names), *sorted(forbidden & set(sys.modules)))
"""


def test_no_room_below_the_gui_loads_it() -> None:
    # walk_packages imports packages to look into them: in this child, ui must not be one
    script = _IMPORT_ALL.replace(
        "import napari_cnmf\n",
        "import napari_cnmf\nsys.modules['napari_cnmf.ui'] = None\n",
        1,
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    n_modules, *loaded = done.stdout.split()
    assert int(n_modules) > 150
    assert loaded == []


def test_a_run_starts_without_what_it_does_not_use() -> None:
    """Each of these costs the worker of a short recording a hundredth of its time or more."""
    script = (
        "import sys\n"
        # numba loads coverage, and that tomllib, where it is installed: users seldom have it.
        "sys.modules['coverage'] = None\n"
        "from napari_cnmf.batch import worker\n"
        "import napari_cnmf.batch.batch, napari_cnmf.batch.jobs\n"
        "import napari_cnmf.engines.builtin, napari_cnmf.core.run, napari_cnmf.io.caiman\n"
        "heavy = {'dask', 'pandas', 'scipy.optimize', 'scipy.signal'}\n"
        # scipy.linalg and numpy.f2py are loaded by numba and scipy themselves.
        "heavy |= {'napari_cnmf.core.finding.seeds'}\n"
        "heavy |= {'tifffile', 'tomllib', 'tomli_w', 'tqdm'}\n"
        "heavy |= {'napari_cnmf.io.regions', 'napari_cnmf.io.imports'}\n"
        "print(*sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_no_file_of_the_gui_needs_one_that_needs_it() -> None:
    """Imports inside functions count; those for type checkers alone do not.

    The other rooms have a contract in pyproject.toml; files and folders of this one mix.
    """
    graph = grimp.build_graph("napari_cnmf", exclude_type_checking_imports=True, cache_dir=None)
    files = {name for name in graph.modules if name.startswith("napari_cnmf.ui.")}
    needs = {name: graph.find_modules_directly_imported_by(name) & files for name in files}
    assert len(list(TopologicalSorter(needs).static_order())) == len(files)  # raises for a circle
