"""CaImAn's side: what it may import, how it hears CaImAn, what it does without."""

from __future__ import annotations

import ast
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_cnmf.engines._caiman_worker.log import LogToVoice, rounds_of
from napari_cnmf.engines.caiman.interpreter import WORKER, probe

SOURCES = sorted(WORKER.rglob("*.py"))
NEEDS_TENSORFLOW = """
import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras.layers import Dense, Layer
from tensorflow.keras.initializers import Constant

class Masked(Layer):
    def __init__(self, start=Constant(0.1), kind=tf.float32):
        pass
"""


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_imports_nothing_that_caiman_has_not(source: Path) -> None:
    """And its syntax is that of Python 3.9."""
    tree = ast.parse(source.read_text(encoding="utf-8"), feature_version=(3, 9))
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            roots.add(str(node.module).partition(".")[0])
    assert roots <= {*sys.stdlib_module_names, "numpy", "h5py", "caiman"}


class Heard:
    """A voice that remembers."""

    def __init__(self) -> None:
        self.counting, self.suffix = False, ""
        self.stages: list[tuple[str, int, int]] = []
        self.logs: list[str] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        self.stages.append((stage + self.suffix, done, total))

    def say(self, event: str, **values: Any) -> None:
        assert event == "log"
        self.logs.append(values["message"])


def hear(handler: LogToVoice, text: str, *, level: int = logging.INFO, file: str = "cnmf") -> None:
    handler.emit(logging.LogRecord("", level, f"/env/caiman/{file}.py", 1, text, None, None))


def test_stages_of_caiman_s_log() -> None:
    voice = Heard()
    handler = LogToVoice(voice, n_rounds=4)  # type: ignore[arg-type]
    hear(handler, "preprocessing ...")
    hear(handler, "update spatial ...")
    hear(handler, "12 out of total 40 temporal components updated", file="temporal")
    hear(handler, "Updating spatial ...")
    hear(handler, "Updating Spatial Components using lasso lars", file="spatial")
    assert voice.stages == [
        ("noise", 0, 1),
        ("footprints (1 of 4)", 0, 1),
        ("traces (1 of 4)", 12, 40),
        ("footprints (2 of 4)", 0, 1),
        ("footprints (2 of 4)", 0, 1),
    ]


def test_warnings_of_caiman_s_log_are_said_once_and_those_of_others_never() -> None:
    voice = Heard()
    handler = LogToVoice(voice, n_rounds=0)  # type: ignore[arg-type]
    for _ in range(2):
        hear(handler, "Component 3 is only active jointly", level=logging.WARNING)
    record = logging.LogRecord("", logging.WARNING, "/env/h5py/x.py", 1, "h5py warns", None, None)
    handler.emit(record)
    assert voice.logs == ["CaImAn: Component 3 is only active jointly"]


def test_the_log_of_one_patch_is_no_stage() -> None:
    voice = Heard()
    voice.counting = True
    hear(LogToVoice(voice, n_rounds=2), "update spatial ...")  # type: ignore[arg-type]
    assert not voice.stages


@pytest.mark.parametrize(
    ("rf", "refit", "n_rounds"), [(None, False, 2), (None, True, 4), (20, False, 0), (20, True, 2)]
)
def test_rounds_of_a_fit(rf: int | None, refit: bool, n_rounds: int) -> None:
    request = {"algorithm": "cnmf", "params": {"patch": {"rf": rf}}, "refit": refit}
    assert rounds_of(request) == n_rounds


def test_without_tensorflow_it_is_found_all_the_same(fake: Any) -> None:
    found = probe(fake.install(NEEDS_TENSORFLOW), "here")
    assert found.version == "1.12.1"
    assert "No module named 'tensorflow'" in found.without


def test_with_a_broken_tensorflow_too(fake: Any) -> None:
    python = fake.install(NEEDS_TENSORFLOW)
    fake.put("tensorflow/__init__.py", "from tensorflow import core\nraise ImportError('AVX')")
    fake.put("tensorflow/core.py", "")
    assert "ImportError: AVX" in probe(python, "here").without


def test_with_a_working_tensorflow_nothing_stands_in(fake: Any) -> None:
    python = fake.install("import tensorflow; assert tensorflow.real")
    fake.put("tensorflow/__init__.py", "real = True")
    assert probe(python, "here").without == ""
