"""Exports of items find movie, rate and history in the batch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import napari_cnmf as nc
from napari_cnmf.errors import ExportError
from napari_cnmf.io import exports


def test_an_item_and_its_result_bring_their_surroundings(
    batch: nc.Batch, movie_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    motion = batch.add("mcorr", movie_path, name="m", engine="toy")
    item = batch.add("cnmf", motion, name="c", engine="toy")
    batch.run(progress=False)
    seen = []
    real = exports.export

    def watched(*args: object, **kwargs: object) -> Path:
        seen.append(kwargs["context"])
        return real(*args, **kwargs)

    monkeypatch.setattr(exports, "export", watched)
    for number, source in enumerate((item, item.result())):
        out = nc.export(source, "csv", tmp_path / f"tables {number}")
        assert len(pd.read_csv(out / "components.csv")) == item.result().accepted.sum()
    for place in (item.folder, str(item.result_path)):
        nc.export(place, "params", tmp_path / "p.toml", overwrite=True)
    seen = seen[:2] + seen[4:]
    nc.export(item.result().components, "labels", tmp_path / "l.tif")
    for context in seen[:2]:
        assert [step["step"] for step in context.history] == ["mcorr", "cnmf"]
        assert context.movie.shape == item.movie().shape
    assert seen[2].movie is None
    with pytest.raises(ExportError, match="must be one of caiman"):
        nc.export(item, "xls", tmp_path / "x.xls")
    with pytest.raises(ExportError, match="must be one of not"):
        nc.export(item, "nwb", tmp_path / "x.nwb", movie_in_nwb="inside")
