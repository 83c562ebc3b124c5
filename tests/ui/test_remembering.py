"""Choices made in quick succession."""

from __future__ import annotations

from typing import Any

from napari_cnmf.settings import read_settings
from napari_cnmf.ui import _background
from napari_cnmf.ui._remembering import remember


def test_the_last_of_many_choices_stands(qtbot: Any) -> None:
    for number in range(60):
        remember(tags={"doublet": f"#{number:06x}"})
        remember(advance=bool(number % 2))
    qtbot.waitUntil(lambda: not _background.is_busy())
    settings = read_settings()
    assert settings.tags == {"doublet": f"#{59:06x}"}
    assert settings.advance
