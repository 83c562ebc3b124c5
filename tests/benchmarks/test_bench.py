"""``benchmarks/bench.py``: a real worker on a small recording, its figures, and bad input."""

from __future__ import annotations

import json

import pytest

from bench import main
from bench_rows import GROUPS, parameters, rows_of
from napari_cnmf.testing import simulate, simulate_one_photon
from regimes import base_regime


@pytest.mark.long
def test_a_small_recording_is_measured(tmp_path, capfd):
    table = tmp_path / "new folder" / "bench.md"
    code = main(["smoke", "--engines", "builtin", "--repeat", "1", "--json", "--out", str(table)])
    assert code == 0
    row = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert row["engine"] == "builtin"
    assert row["movie"] == "300 x 64 x 64, 10 cells"
    # A worker with numpy in it holds more than 50 MB and computes for some tenths of a second.
    assert row["cpu_s"] > 0.2
    assert row["wall_s"] > 0.2
    assert row["peak_gb"] > 0.05
    assert row["precision"] == 1.0
    assert row["trace_correlation"] > 0.98
    text = table.read_text()
    assert "benchmarks/bench.py smoke" in text
    assert "| builtin |" in text


def test_rows_have_different_names():
    for group in GROUPS:
        names = [row.name for row in rows_of(group)]
        assert names
        assert len(set(names)) == len(names)
    assert sum(row.cold for row in rows_of("scale")) == 1


def test_caiman_is_told_what_it_asks_for():
    recording = simulate(base_regime(n_frames=60, size=64, n_cells=20))
    row = rows_of("table")[0]
    own, theirs = (parameters(row, name, recording) for name in ("builtin", "caiman"))
    assert own.init.K is None
    assert own.temporal.p == 2
    # Half again the density of the cells on patches of 44 px: 20 / 64**2 * 44**2 * 1.5 = 14.2.
    assert theirs.patch.rf == 22
    assert theirs.init.K == 15
    assert theirs.temporal.p == 2


def test_one_photon_rows_are_told_of_the_ring():
    recording = simulate_one_photon(n_frames=40, size=(64, 64), n_cells=5)
    row = rows_of("one-photon")[0]
    assert row.algorithm == "cnmfe"
    theirs = parameters(row, "caiman", recording)
    assert theirs.init.center_psf
    assert theirs.init.gSig == (5, 5)
    assert theirs.patch.rf == 50


@pytest.mark.parametrize("words", [["nonsense"], ["smoke", "--repeat", "0"]])
def test_what_is_no_bench_is_said(words, capfd):
    assert main(words) == 2
    assert "bench takes groups of smoke" in capfd.readouterr().err
