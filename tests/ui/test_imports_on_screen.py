"""Results of other programs dropped on the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import napari_cnmf as nc
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Decision
from napari_cnmf.ui._reader import get_reader
from napari_cnmf.ui._session import session_of


@pytest.mark.parametrize("to", ["suite2p", "nwb"])
def test_dropped_curated_and_dropped_again(
    viewer: Any, tmp_path: Path, components: Components, to: str
) -> None:
    path = tmp_path / ("a folder" if to == "suite2p" else "r.nwb")
    nc.export(components, to, path, include_rejected=True)
    reader = get_reader(str(path))
    assert reader is not None
    session = session_of(viewer)
    for expected in (Decision.AUTO, Decision.REJECTED):
        for layer in reader(str(path)):
            viewer._add_layer_from_data(*layer)
        assert session.result is not None
        cur = session.result.curation
        assert cur.components.dims == components.dims
        assert cur.accepted[1:].tolist() == components.accepted[1:].tolist()
        assert cur.decisions[0] == expected
        if expected == Decision.AUTO:
            cur.reject(0)
        session.close_result()


@pytest.mark.long
def test_an_nwb_file_brings_its_movie(
    viewer: Any, tmp_path: Path, components: Components, movie: Any
) -> None:
    nc.export(components, "nwb", tmp_path / "r.nwb", movie=movie, movie_in_nwb="copied")
    nc.view(tmp_path / "r.nwb", viewer=viewer)
    result = session_of(viewer).result
    assert result is not None
    assert result.loaded.movie is not None
    assert result.loaded.movie.n_frames == components.n_frames


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "plane0").mkdir()
    assert get_reader(str(tmp_path)) is None
