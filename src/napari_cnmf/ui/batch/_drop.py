"""Tells what is dropped onto the batch manager: a batch folder, or movies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qtpy.QtCore import QMimeData

from napari_cnmf.batch.store import BATCH_FILE
from napari_cnmf.io.movies import natural_key


def dropped_paths(data: QMimeData | None) -> tuple[Path, ...]:
    """Files and folders of a drag, in natural order; empty when it holds something else."""
    if data is None or not data.hasUrls():
        return ()
    names = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    return tuple(sorted((Path(name) for name in names if name), key=lambda p: natural_key(p.name)))


def batch_among(paths: Sequence[Path]) -> Path | None:
    """Batch that was dropped, by its folder or by its ``batch.json``; reads the disk."""
    for path in paths:
        folder = path.parent if path.name == BATCH_FILE else path
        if (folder / BATCH_FILE).is_file():
            return folder
    return None
