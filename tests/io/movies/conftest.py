"""What every test of movies gets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(autouse=True)
def no_file_left_open() -> Iterator[None]:
    """Fail a test that leaves a file open which was not open before."""
    before = {file.path for file in psutil.Process().open_files()}
    yield
    left = {file.path for file in psutil.Process().open_files()} - before
    assert not left, f"left open: {sorted(left)}"


@pytest.fixture
def data_folder() -> Path:
    return DATA


@pytest.fixture
def frames() -> np.ndarray:
    """A movie that is not square, every value its own."""
    return np.arange(7 * 5 * 11, dtype=np.uint16).reshape(7, 5, 11)


@pytest.fixture
def volumes() -> np.ndarray:
    return np.arange(4 * 3 * 5 * 7, dtype=np.float32).reshape(4, 3, 5, 7)
