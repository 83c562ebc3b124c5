"""The manifest points at what is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import isclass, signature
from pathlib import Path

from npe2 import PluginManifest

import napari_cnmf

MANIFEST = Path(napari_cnmf.__file__).parent / "napari.yaml"


def test_npe2_accepts_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "--imports", str(MANIFEST)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_imports_and_widgets_take_the_viewer() -> None:
    manifest = PluginManifest.from_file(MANIFEST)
    widgets = {w.command for w in manifest.contributions.widgets or ()}
    assert len(widgets) >= 3
    for command in manifest.contributions.commands or ():
        module, _, name = str(command.python_name).partition(":")
        target = getattr(import_module(module), name)
        if command.id in widgets:
            assert isclass(target)
            assert list(signature(target.__init__).parameters)[1] == "napari_viewer"


def test_the_manifest_at_the_root_is_the_one_in_the_package() -> None:
    at_root = MANIFEST.parents[2] / "napari.yaml"
    assert at_root.read_text() == MANIFEST.read_text()
