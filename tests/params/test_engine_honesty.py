"""What a parameter says about the built-in engine is what that engine's code does."""

from __future__ import annotations

import ast
from pathlib import Path

import napari_cnmf
from napari_cnmf.params import GROUPS, iter_fields

PACKAGE = Path(napari_cnmf.__file__).parent
ENGINE = [
    *sorted((PACKAGE / "core").rglob("*.py")),
    PACKAGE / "model" / "evaluation.py",
    PACKAGE / "engines" / "builtin.py",
]
READ_BEFORE_THE_ENGINE = {"data.fr", "data.dxy"}
"""Resolved with the movie's metadata when an item is added, and handed on as numbers."""
BY_THE_ALGORITHM = {"init.center_psf", "init.method_init"}
"""What the item's algorithm says in their place."""
OF_OTHER_ENGINES_RESULTS = {"quality.use_cnn", "quality.min_cnn_thr", "quality.cnn_lowest"}
"""The rule of acceptance also judges results that have a classifier's scores."""


def _parameters_read() -> set[str]:
    """Every ``group.key`` in the engine's code, as in ``params.init.gSig`` or ``init.gSig``."""
    found = set()
    for path in ENGINE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id=group) | ast.Attribute(attr=group), attr=key):
                    if group in GROUPS and key in GROUPS[group].model_fields:
                        found.add(f"{group}.{key}")
    return found


def test_the_engine_reads_what_it_is_said_to_use():
    said = {field.name for field in iter_fields() if "builtin" not in field.ignored_by}
    unread = said - _parameters_read() - READ_BEFORE_THE_ENGINE
    assert not unread, f"say what the built-in engine does instead (builtin_ignores): {unread}"


def test_the_engine_does_not_read_what_it_is_said_to_ignore():
    said = {field.name for field in iter_fields() if "builtin" in field.ignored_by}
    read = (said & _parameters_read()) - BY_THE_ALGORITHM - OF_OTHER_ENGINES_RESULTS
    assert not read, f"the built-in engine uses these now: remove their builtin_ignores: {read}"
