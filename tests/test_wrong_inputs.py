"""Every public method with wrong inputs: one sentence of ours, and nothing has changed."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cnmf as nc
from napari_cnmf.errors import CnmfError

DATA = Path(__file__).parent / "data"


class Stranger:
    """A class that nothing here has heard of."""


WRONG: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "text": lambda: "nonsense",
    "half a character": lambda: "\ud800",
    "zero byte": lambda: "a\0b",
    "bytes": lambda: b"\xff\x00",
    "negative": lambda: -1,
    "nan": lambda: float("nan"),
    "huge": lambda: 10**30,
    "switch": lambda: True,
    "a number": lambda: 3,
    "list": lambda: [1, 2, 3],
    "mixed": lambda: [1, "a", None],
    "ragged": lambda: [[1], [2, 3]],
    "array": lambda: np.zeros((3, 4, 5, 6)),
    "objects": lambda: np.array([None, "x"], dtype=object),
    "table": lambda: {"a": 1},
    "slice": lambda: slice(0, 2),
    "type": lambda: int,
    "stranger": Stranger,
    "generator": lambda: (i for i in range(3)),
}
"""Values of which some fit nowhere; what is accepted must be so without an error of Python's."""

NOT_CALLED = {
    "__init__",  # on an object that is there already
    "on_change", "on_progress", "on_event",
    "model_construct", "model_rebuild", "model_post_init",  # pydantic's own
}  # fmt: skip


def methods(thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in dir(type(thing)):
        if name in NOT_CALLED or name.startswith("model_"):
            continue
        if name.startswith("_") and name not in ("__getitem__", "__contains__"):
            continue
        if callable(inspect.getattr_static(type(thing), name, None)):
            yield name, getattr(thing, name)


def calls(method: Callable[..., Any], right: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Calls of a method with one wrong argument each; required ones without a right value too."""
    parameters = inspect.signature(method).parameters.values()
    for wrong in parameters:
        if wrong.kind in (wrong.VAR_POSITIONAL, wrong.VAR_KEYWORD):
            continue
        for said, make in WRONG.items():
            given, only_positional = {}, []
            for each in parameters:
                required = each.default is each.empty
                if each is wrong or (required and each.name not in right):
                    value = make()
                elif each.name in right:
                    value = right[each.name]
                else:
                    continue
                if each.kind is each.POSITIONAL_ONLY:
                    only_positional.append(value)
                elif each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                    given[each.name] = value
            yield f"{wrong.name} = {said}", (only_positional, given)


def problems_of(
    method: Callable[..., Any],
    where: str,
    state: Callable[[], Any] | None = None,
    **right: Any,
) -> list[str]:
    """What is wrong with a method's answers to wrong arguments."""
    found = []
    for said, (positional, given) in calls(method, right):
        before = state() if state is not None else None
        try:
            with warnings.catch_warnings(action="ignore"):
                method(*positional, **given)
        except CnmfError as error:
            if not str(error).strip() or len(str(error)) > 1000:
                found.append(f"{where}({said}): {str(error)[:200]!r}")
            if state is not None and state() != before:
                found.append(f"{where}({said}): refused, and changed something")
        except Exception as error:  # noqa: BLE001
            found.append(f"{where}({said}): {type(error).__name__}: {error}"[:200])
    return found


def walk(thing: Any, state: Callable[[], Any] | None = None, **right: Any) -> list[str]:
    name = type(thing).__name__
    return [
        problem
        for method, call in methods(thing)
        for problem in problems_of(call, f"{name}.{method}", state, **right)
    ]


def everything_in(folder: Path) -> str:
    """A hash of the files that say what is in a batch or a project."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".lock", ".log"):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "result-2d.hdf5", tmp_path / "result.hdf5"))


def replacing(components: nc.Components, name: str) -> Callable[[Any], nc.Components]:
    def replace(value: Any) -> nc.Components:
        return components.replace(**{name: value})

    return replace


def test_components(result: Path) -> None:
    components = nc.read_caiman(result)
    found = walk(components)
    for name in ("A", "C", "dims", "b", "g", "snr", "classes", "frame_rate_hz", "params", "images"):
        found += problems_of(replacing(components, name), f"replace({name})")
    assert found == []


def test_curations(result: Path) -> None:
    cur = nc.open_result(result)

    def state() -> Any:
        return cur.here, len(cur.history), cur.accepted.tobytes(), len(cur.journal_lines())

    right = {"ids": [0], "id_": 0, "pixels": np.arange(20), "tag": "x", "text": "x"}
    assert walk(cur, state, **right) == []
    assert problems_of(cur.on_change, "on_change", state, listener=len) == []


def test_movies_and_parameters() -> None:
    movie = nc.open_movie(DATA / "movie-2d.tif")
    found = walk(movie) + problems_of(nc.Movie, "Movie", data=np.zeros((3, 4, 5), np.uint8))
    assert found == []
    assert walk(nc.CNMFParams()) == []


def test_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    batch = nc.Batch.create(tmp_path / "batch")
    movie = np.zeros((20, 12, 10), np.uint16)
    movie[::3, 4, 4] = 9
    item = batch.add("cnmf", movie, params={"data": {"fr": 10}, "init": {"gSig": (2, 2)}}, name="a")
    right = {
        "algorithm": "cnmf", "movie": item, "item": item, "key": 0, "reuse": False,
        "grid": {"init.K": [3]}, "result": tmp_path, "path": tmp_path / "batch",
        "params": {"data": {"fr": 10}},
    }  # fmt: skip

    def state() -> str:
        return everything_in(tmp_path / "batch")

    assert [p for p in walk(batch, state, **right) if "Batch.run" not in p] == []
    assert walk(item, state) == []
    for make in (nc.Batch, nc.Batch.open, nc.Batch.create, nc.Batch.open_or_create):
        with contextlib.suppress(OSError):
            assert problems_of(make, "make") == []
    assert problems_of(nc.Queue, "Queue", batch=batch) == []
    queue = nc.Queue(batch)
    assert problems_of(queue.start, "start") == []
    queue.stop()
    assert queue.wait(30)


def test_projects_and_matches(result: Path, tmp_path: Path) -> None:
    project = nc.Project.create(tmp_path / "project")
    assert walk(project, lambda: everything_in(tmp_path / "project"), path=tmp_path / "x") == []
    assert problems_of(nc.Column, "Column", name="depth") == []
    matched = nc.match_sessions([result, result], names=["a", "b"])
    assert walk(matched) == []


@pytest.mark.parametrize("name", [n for n in dir(nc) if n.startswith("write_")])
def test_exports(name: str, result: Path, tmp_path: Path) -> None:
    components = nc.read_caiman(result)
    write = getattr(nc, name)
    before = sorted(tmp_path.iterdir())
    for wrong in ("source", "out", "include_rejected", "overwrite", "context", "on_progress"):
        right = {"source": components, "out": tmp_path / "out"}
        for make in (Stranger, lambda: 3, lambda: [1]):
            with pytest.raises(CnmfError):
                write(**right | {wrong: make()})
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("function", "right"),
    [
        (nc.open_movie, {}), (nc.read_caiman, {}), (nc.read_table, {}), (nc.learn, {}),
        (nc.open_import, {}), (nc.sample, {}), (nc.explain_place, {}),
        (nc.open_result, {}), (nc.match_sessions, {}), (nc.export, {"to": "csv", "out": "x"}),
        (nc.import_result, {"out": "x"}), (nc.import_mesmerize, {}),
    ],
)  # fmt: skip
def test_functions(
    function: Callable[..., Any], right: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert problems_of(function, function.__name__, **right) == []
    assert list(tmp_path.iterdir()) == []
