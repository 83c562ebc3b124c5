"""``napari-cnmf export``: every kind of result, with and without rejected ones, read back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pynwb
import pytest
import roifile
import tifffile
from scipy.io import loadmat

from napari_cnmf.cli import main
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.io.exports import EXPORTERS

DATA = Path(__file__).parents[1] / "data"


def rows_of_nwb(path: Path) -> list[int]:
    with pynwb.NWBHDF5IO(path, "r") as io:
        masks = io.read().processing["ophys"]["ImageSegmentation"]["PlaneSegmentation"]
        return [int(i) for i in masks.id[:]]


def rows_of_suite2p(path: Path) -> list[int]:
    # our own file, written a moment ago; suite2p keeps it pickled
    stat = np.load(path / "plane0" / "stat.npy", allow_pickle=True)
    return [int(cell["id"]) for cell in stat]


READ: dict[str, Callable[[Path], list[int]]] = {
    "nwb": rows_of_nwb,
    "suite2p": rows_of_suite2p,
    "csv": lambda path: pd.read_csv(path / "components.csv")["id"].tolist(),
    "npz": lambda path: np.load(path)["ids"].tolist(),
    "mat": lambda path: loadmat(path)["components"]["id"][0, 0].ravel().tolist(),
    "labels": lambda path: [int(i) - 1 for i in np.unique(tifffile.imread(path)) if i],
    "imagej": lambda path: sorted({_id_of(roi) for roi in roifile.roiread(path)}),
}
"""Ids of the components in a file."""


def _id_of(roi: Any) -> int:
    assert roi.name.endswith("rejected") == (roi.stroke_color == b"\xff\xd1\x4f\x06")
    return int("".join(c for c in roi.name.split("-")[0] if c.isdigit()))


@pytest.mark.parametrize("include_rejected", [True, False])
@pytest.mark.parametrize("kind", ["2d", "1p", "3d"])
def test_every_format_holds_what_was_asked_for(
    tmp_path: Path, kind: str, include_rejected: bool
) -> None:
    path = Path(shutil.copy(DATA / f"result-{kind}.hdf5", tmp_path / "two words.hdf5"))
    assert main(["curate", str(path), "--reject", "0"]) == 0
    cur = open_curation(path)
    kept = np.ones(len(cur.ids), bool) if include_rejected else cur.accepted
    assert kept[0] == include_rejected
    flag = "--rejected" if include_rejected else "--no-rejected"
    for name, read in READ.items():
        out = tmp_path / f"out {name}{EXPORTERS[name].suffix}"
        assert main(["export", str(path), "--to", name, str(out), flag]) == 0
        assert read(out) == cur.ids[kept].tolist(), name
    out = tmp_path / "r.hdf5"
    assert main(["export", str(path), "--to", "caiman", str(out), flag]) == 0
    assert read_caiman(out).n_components == kept.sum()


def test_what_a_second_curator_decided(tmp_path: Path) -> None:
    path = Path(shutil.copy(DATA / "result-2d.hdf5", tmp_path))
    everything = f"0-{len(open_curation(path).ids) - 1}"
    assert main(["curate", str(path), "--curator", "ann", "--accept", everything]) == 0
    asked = ["export", str(path), "--to", "csv", "--no-rejected"]
    assert main([*asked, str(tmp_path / "main")]) == 0
    assert main([*asked, str(tmp_path / "ann"), "--curator", "ann"]) == 0
    assert len(READ["csv"](tmp_path / "ann")) == len(open_curation(path).ids)
    assert len(READ["csv"](tmp_path / "main")) < len(open_curation(path).ids)
