"""The results that exports are tested with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.curation import Curation

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def curated(tmp_path: Path) -> Callable[[str], Curation]:
    """``curated("2d")``: 0 rejected by hand, 1 unsure and tagged, 2 with a note; two images."""

    def build(kind: str) -> Curation:
        path = tmp_path / f"{kind}.hdf5"
        shutil.copy(DATA / f"result-{kind}.hdf5", path)
        components = open_curation(path).components
        rng = np.random.default_rng(0)
        images = {n: rng.random(components.dims).astype(np.float32) for n in ("mean", "max")}
        cur = Curation(components.replace(images=images), who="A", path=path)
        cur.reject(0)
        cur.unsure(1)
        cur.tag([1, 2], "pyramidal, Größe 2")
        cur.note(2, 'a "note", with commas')
        return cur

    return build
