"""Keeps batches that were open lately in the settings of this computer."""

from __future__ import annotations

from pathlib import Path

from napari_cnmf.settings import change_settings, read_settings


def recent_batches() -> list[Path]:
    """Folders of recent batches that are still there, the latest first; reads files."""
    return [path for path in map(Path, read_settings().recent_batches) if path.is_dir()]


def remember_batch(folder: Path) -> list[Path]:
    """Note that ``folder`` was opened now; returns `recent_batches`."""
    change_settings(lambda settings: settings.with_recent_batch(folder))
    return recent_batches()
