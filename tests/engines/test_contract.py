"""The contract of engines, on the built-in one and on the real CaImAn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from napari_cnmf.engines.base import Engine
from napari_cnmf.engines.builtin import BuiltinEngine
from napari_cnmf.engines.caiman import CaimanEngine
from napari_cnmf.testing.contract import CHECKS, Check

CAIMAN = pytest.param(
    CaimanEngine, id="caiman", marks=[pytest.mark.caiman, pytest.mark.timeout(900)]
)
_engines: dict[type, Engine] = {}


@pytest.fixture(params=[pytest.param(BuiltinEngine, id="builtin"), CAIMAN])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine once: finding CaImAn takes seconds, and a wrong interpreter is a failure."""
    made: Engine = _engines.setdefault(request.param, request.param())
    assert made.unavailable_reason() is None
    return made


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    after = set(psutil.Process().children(recursive=True)) - before
    _, alive = psutil.wait_procs(after, timeout=5)
    assert not alive


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(engine: Engine, check: Check, tmp_path: Path) -> None:
    check(engine, tmp_path)
