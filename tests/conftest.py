"""What every test runs with: settings of its own, never the user's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# napari reads its settings at import, so this comes before any test module.
_SETTINGS = tempfile.TemporaryDirectory(prefix="napari-cnmf-tests-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_SETTINGS.name) / "napari.yaml")
os.environ["NAPARI_CNMF_CONFIG"] = str(Path(_SETTINGS.name) / "napari-cnmf.toml")


@pytest.fixture(autouse=True)
def fresh_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our settings file is empty and belongs to the test; workers inherit it."""
    folder = tmp_path_factory.mktemp("settings")
    monkeypatch.setenv("NAPARI_CNMF_CONFIG", str(folder / "napari-cnmf.toml"))
