"""Results of CaImAn with a few decisions made, one for each kind of recording."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.curation import Curation

DATA = Path(__file__).parents[1] / "data"

Curated = Callable[[str], Curation]


@pytest.fixture
def curated(tmp_path: Path) -> Curated:
    """``curated("2d")``: 0 rejected by hand, 1 unsure and tagged, 2 with a note; two images."""

    def build(kind: str) -> Curation:
        folder = tmp_path / "resülts"
        folder.mkdir(exist_ok=True)
        path = folder / f"{kind}.hdf5"
        shutil.copy(DATA / f"result-{kind}.hdf5", path)
        cur = open_curation(path, curator="A")
        dims = cur.components.dims
        rng = np.random.default_rng(0)
        images = {n: rng.random(dims).astype(np.float32) for n in ("mean", "local_correlation")}
        cur = Curation(cur.components.replace(images=images), who="A", path=path)
        cur.reject(0)
        cur.unsure(1)
        cur.tag([1, 2], "pyramidal, Größe 2")
        cur.note(2, 'a "note", with commas')
        return cur

    return build
