"""A real viewer, small results with known footprints, and what must never be left behind."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import psutil
import pytest
import scipy.sparse as sp
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog, QInputDialog, QLabel, QMessageBox

from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """A patient one: without a GPU and beside other work napari is slow, not wrong."""
    qtbot.waitUntil = partial(qtbot.waitUntil, timeout=30_000)
    return qtbot


@pytest.fixture(autouse=True)
def _no_modal_dialog(monkeypatch: pytest.MonkeyPatch) -> None:
    """A modal dialog would wait for ever: it raises instead."""

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("a modal dialog was opened")

    monkeypatch.setattr(QDialog, "exec", refuse)
    for name in ("question", "information", "warning", "critical"):
        monkeypatch.setattr(QMessageBox, name, refuse)
    for name in ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory"):
        monkeypatch.setattr(QFileDialog, name, refuse)
    monkeypatch.setattr(QInputDialog, "getText", refuse)


@pytest.fixture(autouse=True)
def _no_child_process() -> Iterator[None]:
    """Whatever a test starts has ended when it ends."""
    before = set(psutil.Process().children(recursive=True))
    yield
    left = [p for p in psutil.Process().children(recursive=True) if p not in before]
    _gone, alive = psutil.wait_procs(left, timeout=5)
    for process in alive:
        process.kill()
    assert not alive, f"child processes survived: {alive}"


def _keep_for_good() -> None:
    """Let the garbage collector pass over all that is there now.

    napari collects garbage with each layer that goes, and we after each test. The million objects
    of modules stay anyway; to look at them each time took half the CPU time of these tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _every_dock_is_imported() -> Iterator[None]:
    importlib.import_module("napari_cnmf.ui.widgets")  # and what it imports
    yield
    gc.unfreeze()


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_stays(_every_dock_is_imported: None) -> None:
    """Once a file: other tests of the process have imported modules since."""
    _keep_for_good()


@pytest.fixture(autouse=True)
def _no_leaked_widget(qapp: QApplication) -> Iterator[None]:
    """Every window that a test opens is closed when it ends."""
    before = set(qapp.topLevelWidgets())
    yield
    qapp.processEvents()
    gc.collect()
    leaked = [w for w in qapp.topLevelWidgets() if w not in before and w.isVisible()]
    for widget in leaked:
        widget.close()
    assert not leaked, f"widgets were left open: {leaked}"


def _slow_the_spinner(viewer: Any) -> None:
    """Let napari's sign of activity turn slowly.

    Without a GPU each of its 32 pictures a second paints the whole window, half a core in all.
    """
    for label in viewer.window._qt_window.findChildren(QLabel):
        if label.movie() is not None:
            label.movie().setSpeed(2)  # per cent


@pytest.fixture(scope="session")
def _window(qapp: QApplication) -> Iterator[Any]:
    """One napari for all tests: opening one takes seconds on a machine without a GPU."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1000, 700)
    _slow_the_spinner(viewer)
    _keep_for_good()
    yield viewer
    viewer.close()
    qapp.processEvents()


@pytest.fixture
def viewer(_window: Any, qtbot: Any) -> Iterator[Any]:
    """An empty napari on a screen; afterwards nothing of the test is left in it."""
    from napari_cnmf.ui import _background
    from napari_cnmf.ui._session import session_of

    yield _window
    session = session_of(_window)
    session.close_result()
    session.set_batch(None)
    qtbot.waitUntil(lambda: not _background.is_busy(), timeout=20_000)
    for dock in list(_window.window.dock_widgets.values()):
        _window.window.remove_dock_widget(dock)
        dock.deleteLater()
    _window.layers.clear()
    _window.dims.ndisplay = 2
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def disc(dims: tuple[int, ...], centre: tuple[float, ...], radius: float) -> np.ndarray:
    """A Gaussian bump of ``radius`` at half its height, 0 below 5 % of it; flattened in C order."""
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in dims), indexing="ij"))
    distance = sum((grid[i] - centre[i]) ** 2 for i in range(len(dims)))
    values = np.exp(-np.log(2) * distance / radius**2)
    values[values < 0.05] = 0
    return np.asarray(values.ravel(), np.float32)


CENTRES_2D = [(8.0, 10.0), (8.0, 30.0), (20.0, 12.0), (20.0, 17.0), (30.0, 40.0)]
"""Components 2 and 3 overlap."""
CENTRES_3D = [(1.0, 8.0, 10.0), (2.0, 20.0, 22.0), (3.0, 10.0, 30.0)]


def make_components(
    dims: tuple[int, ...], centres: list[tuple[float, ...]], n_frames: int = 50
) -> Components:
    """A result with footprints at ``centres``; every second component is rejected."""
    n = len(centres)
    rng = np.random.default_rng(1)
    columns = [disc(dims, centre, 3.0) for centre in centres]
    A = sp.csc_matrix(np.stack(columns, axis=1) if n else np.zeros((int(np.prod(dims)), 0)))
    S = (rng.random((n, n_frames)) < 0.1) * rng.uniform(5, 10, (n, n_frames))
    C = np.zeros((n, n_frames))
    for t in range(n_frames):
        C[:, t] = (0.9 * C[:, t - 1] if t else 0) + S[:, t]
    return Components(
        A=A.astype(np.float32),
        C=C,
        dims=dims,
        S=S,
        YrA=rng.normal(0, 0.5, (n, n_frames)),
        b=np.full((int(np.prod(dims)), 1), 3.0),
        f=np.ones((1, n_frames)),
        snr=np.linspace(2, 8, n),
        r_values=np.linspace(0.3, 0.9, n),
        accepted=np.arange(n) % 2 == 0,
        frame_rate_hz=10.0,
        images={"mean": rng.random(dims), "correlation": rng.random(dims)},
    )


@pytest.fixture
def components() -> Components:
    """Five components on a field that is not square."""
    return make_components((40, 52), CENTRES_2D)


@pytest.fixture
def components_3d() -> Components:
    return make_components((5, 28, 40), CENTRES_3D)


def movie_of(components: Components) -> Movie:
    """The movie that a result explains, with noise."""
    assert components.b is not None
    assert components.f is not None
    clean = components.A @ components.C + components.b @ components.f
    noise = np.random.default_rng(2).normal(0, 0.3, clean.shape)
    frames = (clean + noise).T.reshape(-1, *components.dims).astype(np.float32)
    data = da.from_array(frames, chunks=(1, *components.dims))
    return Movie(data=data, name="made up", frame_rate_hz=10.0)


@pytest.fixture
def result_of() -> Callable[..., Components]:
    """``make_components``: a result with footprints at given centres."""
    return make_components


@pytest.fixture
def explained_movie() -> Callable[[Components], Movie]:
    """``movie_of``: the movie that a result explains."""
    return movie_of


@pytest.fixture
def movie(components: Components) -> Movie:
    return movie_of(components)


_DISK_EVENTS = frozenset({"open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove"})
_watched: dict[str, list[str]] = {}
_is_installed = False


@contextmanager
def _accesses_of_gui_thread(folder: Path) -> Iterator[list[str]]:
    """The accesses to ``folder`` and what is in it that the main thread makes meanwhile.

    But for the journal: each line is on the disk before the next action, on purpose.
    """
    global _is_installed
    if not _is_installed:
        sys.addaudithook(_note_access)  # there is no way to take a hook out again
        _is_installed = True
    seen: list[str] = []
    _watched[os.fspath(folder)] = seen
    try:
        yield seen
    finally:
        del _watched[os.fspath(folder)]


def _note_access(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _DISK_EVENTS or not _watched:
        return
    if threading.current_thread() is not threading.main_thread():
        return
    for path in arguments[:2]:
        if not isinstance(path, str | os.PathLike):
            continue
        for folder, seen in _watched.items():
            name = os.fspath(path)
            if name.startswith(folder) and not name.endswith(".jsonl"):
                seen.append(f"{event} {name}")


@pytest.fixture
def gui_thread_accesses() -> Callable[[Path], AbstractContextManager[list[str]]]:
    """``with gui_thread_accesses(folder) as accesses``: a share that hangs would freeze napari."""
    return _accesses_of_gui_thread
