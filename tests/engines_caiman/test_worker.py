"""CaImAn's side: what it may import, how it hears CaImAn, what it does without."""

from __future__ import annotations

import ast
import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from napari_cnmf.engines._caiman_worker.log import LogToVoice, rounds_of
from napari_cnmf.engines.caiman import interpreter
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
    assert "cannot be imported" not in probe(python, "here").without


KERAS_ON_TORCH = """
import os, torch
assert os.environ["KERAS_BACKEND"] == "torch"
try:
    import keras_core as keras
except ImportError:
    import keras
is_network = isinstance(1, torch.device) or isinstance(1, torch.nn.Module)
"""


def test_without_torch_and_keras_it_is_found_all_the_same(fake: Any) -> None:
    """CaImAn since 1.13 has no TensorFlow, and that is not what is missed."""
    found = probe(fake.install(KERAS_ON_TORCH, version="1.13.1"), "here")
    assert "Keras and PyTorch cannot be imported there" in found.without
    assert "TensorFlow" not in found.without


def test_without_keras_alone(fake: Any) -> None:
    python = fake.install(KERAS_ON_TORCH, version="1.13.1")
    fake.put("torch/__init__.py", "class device: ...\nclass nn:\n    class Module: ...\n")
    assert probe(python, "here").without.startswith("Keras cannot be imported there")


def test_without_torch_alone(fake: Any) -> None:
    """Keras fails for want of it, and is not what has to be installed."""
    python = fake.install(KERAS_ON_TORCH, version="1.13.1")
    fake.put("keras/__init__.py", "import torch")
    assert probe(python, "here").without.startswith("PyTorch cannot be imported there")


@pytest.mark.parametrize("version", ["1.12.1", "1.13.1"])
def test_weights_of_this_version_are_taken(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """A folder in the user's home with weights of the other version does not hide them."""
    library = {"1.12.1": "tensorflow", "1.13.1": "torch"}[version]
    source, weights = f"import {library}", {"1.12.1": "cnn_model.h5"}.get(version, "cnn_model.pkl")
    said = "\nimport os\nassert os.environ['CAIMAN_DATA'].endswith(os.path.join('share', 'caiman'))"
    python = fake.install(source + said, version=version)
    fake.put(f"{library}/__init__.py", "")
    other = {"cnn_model.h5": "cnn_model.pkl", "cnn_model.pkl": "cnn_model.h5"}[weights]
    home = tmp_path / "home" / "caiman_data" / "model"
    shared = python.parent.parent / "share" / "caiman" / "model"
    for folder, name in ((home, other), (shared, weights)):
        folder.mkdir(parents=True)
        (folder / name).write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("CAIMAN_DATA", raising=False)
    try:
        assert probe(python, "here").without == ""
        (shared / weights).unlink()
        fake.install(source, version=version)
        without = probe(python, "here").without
        assert f"caiman_data has no {weights}" in without
        assert "Rename that folder" in without
    finally:
        shutil.rmtree(shared.parents[1])


def test_another_worker_asks_again(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    python = fake.install()
    probe(python, "here")
    monkeypatch.setattr(interpreter, "_digest_of_worker", lambda: "another")
    asked: list[Path] = []
    ask = interpreter._ask
    monkeypatch.setattr(interpreter, "_ask", lambda path, s: asked.append(path) or ask(path, s))
    probe(python, "here")
    assert asked == [python]
