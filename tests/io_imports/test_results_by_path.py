"""Functions that look at a result take it by its path as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import napari_cnmf as nc
from napari_cnmf.errors import CurationError, ResultError


def test_explain_place_and_learn_take_paths(tmp_path: Path) -> None:
    A = np.zeros((64, 1), np.float32)
    A[[27, 28, 35, 36]] = 0.5
    components = nc.Components(
        A=sp.csc_matrix(A), C=np.ones((1, 20), np.float32), dims=(8, 8), frame_rate_hz=10.0
    )
    path = nc.write_caiman(components, tmp_path / "one.hdf5")
    expected = nc.explain_place(nc.open_result(path), (4, 4)).summary
    assert nc.explain_place(path, (4, 4)).summary == expected
    assert nc.explain_place(str(path), (4, 4)).summary == expected
    for given in (path, [path, nc.open_result(path)], components):
        with pytest.raises(ResultError, match="evidence of the built-in verdict"):
            nc.learn(given)
    for missing in (tmp_path / "two.hdf5", [tmp_path / "two.hdf5"]):
        with pytest.raises(ResultError, match=r"two\.hdf5"):
            nc.learn(missing)


def test_list_events_takes_paths(curated, tmp_path: Path) -> None:
    cur = curated("2d")
    path = nc.write_caiman(cur, tmp_path / "one.hdf5")
    expected = nc.list_events(nc.open_result(path))
    assert len(expected)
    assert nc.list_events(path).equals(expected)
    assert nc.list_events(str(path), 2).equals(nc.list_events(nc.open_result(path), [2]))
    with pytest.raises(CurationError, match="99"):
        nc.list_events(path, 99)
    with pytest.raises(ResultError, match=r"two\.hdf5"):
        nc.list_events(tmp_path / "two.hdf5")


@pytest.mark.filterwarnings("ignore::napari_cnmf.model.dff.NoBaselineWarning")
def test_export_takes_what_other_programs_wrote(curated, tmp_path: Path) -> None:
    cur = curated("2d")
    folder = nc.write_suite2p(cur, tmp_path / "suite2p")
    nc.export(folder, "csv", tmp_path / "tables")
    table = nc.read_table(tmp_path / "tables" / "components.csv")
    assert len(table) == nc.open_result(folder).accepted.sum() > 0
