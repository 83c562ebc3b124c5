"""Two curators on one result: agreement, and what they see differently."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from napari_cnmf.cli import main
from napari_cnmf.errors import CurationError
from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import MAIN, journals_of, open_curation, read_other, save_curated
from napari_cnmf.model.components import Components

N = 6


@pytest.fixture
def result(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    C = np.abs(rng.normal(size=(N, 80))).astype(np.float32)
    components = Components(
        A=sp.csc_matrix(np.kron(np.eye(N), np.full((5, 1), 0.4)), dtype=np.float32),
        C=C, S=C, YrA=C * 0, dims=(5, N), snr=np.arange(float(N)), r_values=np.zeros(N),
        accepted=np.arange(N) > 2.5, frame_rate_hz=10.0, params={"quality": {"min_SNR": 2.5}},
    )  # fmt: skip
    return write_caiman(components, tmp_path / "result.hdf5")


def test_agreement_is_counted_by_hand(result: Path) -> None:
    anna, ben = (open_curation(result, curator=name) for name in ("anna", "ben"))
    anna.accept([0, 1])  # anna accepts 0, 1, 3, 4, 5
    ben.accept(1)
    ben.reject(5)  # ben accepts 1, 3, 4
    ben.tag(3, "red")
    found = anna.compare(ben)
    assert found.names == ("anna", "ben")
    assert (found.n_components, found.n_agreed) == (6, 4)
    # chance: (5 * 3 + 1 * 3) / 36
    assert found.kappa == pytest.approx((4 / 6 - 0.5) / 0.5)
    said = [(d.id, d.here, d.there, d.about) for d in found.differences]
    assert said == [
        (0, "accepted by hand", "rejected", "decision"),
        (3, "no tags, no note", "tags: red", "words"),
        (5, "accepted", "rejected by hand", "decision"),
    ]
    turned = ben.compare(anna)
    assert turned.kappa == pytest.approx(found.kappa)
    assert anna.compare(anna).kappa == 1


def test_what_was_merged_is_found_by_its_footprint(result: Path) -> None:
    anna, ben = (open_curation(result, curator=name) for name in ("anna", "ben"))
    anna.accept(anna.merge([3, 4]))
    ben.delete(0)
    ben.merge([3, 4])
    ben.reject(ben.ids[-1])
    found = anna.compare(ben)
    made = found.differences[-1]
    assert (made.id, made.other_id) == (6, 6)
    assert made.there == "rejected by hand"
    assert found.differences[0].there == "deleted"
    assert found.n_components == 5, "what neither has any more is not compared"
    anna.undo()
    anna.undo()
    alone = anna.compare(ben).differences[-1]
    assert (alone.id, alone.other_id, alone.here) == (None, 6, "not there")


def test_journals_are_found_by_name_by_path_and_in_a_saved_file(
    result: Path, tmp_path: Path
) -> None:
    first, anna = open_curation(result), open_curation(result, curator="anna")
    first.reject(5)
    anna.accept(0)
    journals = journals_of(first)
    assert set(journals) == {MAIN, "anna"}
    assert read_other(first, "anna").decisions.tolist() == anna.decisions.tolist()
    assert read_other(anna, MAIN).decisions.tolist() == first.decisions.tolist()
    assert read_other(first, journals["anna"]).accepted[0]
    saved = save_curated(anna, tmp_path / "anna.hdf5")
    assert first.compare(read_other(first, saved)).n_agreed == 4
    with pytest.raises(CurationError, match="anna"):
        read_other(first, "nobody")


def test_another_result_is_refused(result: Path, tmp_path: Path) -> None:
    cur = open_curation(result)
    other = write_caiman(cur.components.take([0, 1]), tmp_path / "other.hdf5")
    with pytest.raises(CurationError, match="one result"):
        cur.compare(open_curation(other))


def test_the_command(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", str(result), "--curator", "anna", "--accept", "0"]) == 0
    assert main(["curate", str(result), "--reject", "5"]) == 0
    capsys.readouterr()
    assert main(["curate", str(result), "--compare", "anna"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("component 0: rejected / accepted by hand")
    assert "agree on 4 of 6" in lines[-2]
    assert main(["curate", str(result), "--compare", "anna", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_agreed"] == 4
    assert [d["id"] for d in found["differences"]] == [0, 5]
