"""Exports opened by the programs they are for, which live in an interpreter of their own.

Collected where ``NAPARI_CNMF_INTEROP_PYTHON`` names it: ``make interop`` makes it and runs them.
"""

from __future__ import annotations

import os

import pytest

VARIABLE = "NAPARI_CNMF_INTEROP_PYTHON"

collect_ignore_glob = [] if os.environ.get(VARIABLE) else ["test_*.py"]


@pytest.fixture
def interop_python() -> str:
    return os.environ[VARIABLE]
