"""The engine is compiled in the background before somebody waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from napari_cnmf.core.base import compiling
from napari_cnmf.engines import compile_ahead
from napari_cnmf.engines.base import Algorithm, Job
from napari_cnmf.engines.builtin import BuiltinEngine


def test_one_process_of_a_session_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(compile_ahead.subprocess, "Popen", lambda *a, **_: started.append(a[0]))
    for value, expected in (("0", 0), ("1", 1)):
        monkeypatch.setenv(compile_ahead.VARIABLE, value)
        compile_ahead.start_compiling_ahead.cache_clear()
        compile_ahead.start_compiling_ahead()
        compile_ahead.start_compiling_ahead()
        assert len(started) == expected
    assert started[0][1:] == ["-m", "napari_cnmf.engines.compile_ahead"]
    compile_ahead.start_compiling_ahead.cache_clear()


def test_what_was_never_compiled_is_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[Algorithm, str]] = []

    def run(_self: BuiltinEngine, job: Job, _reporter: Any) -> None:
        movie = job.open_movie()
        assert movie.n_frames >= 100
        ran.append((job.algorithm, str(movie.dtype)))

    monkeypatch.setattr(BuiltinEngine, "run", run)
    monkeypatch.setattr(compiling, "is_first_use", lambda part: part == Algorithm.CNMF)
    assert compile_ahead.compile_engine() == ["cnmf"]
    assert ran == [(Algorithm.CNMF, "uint16"), (Algorithm.CNMF, "int16")]
    monkeypatch.setattr(compiling, "is_first_use", lambda part: False)
    assert compile_ahead.compile_engine() == []
    assert len(ran) == 2
