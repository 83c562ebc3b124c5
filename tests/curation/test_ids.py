"""Ids are ids: a mask selects, numbers are ids and never rows, and everything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from napari_cnmf.errors import CnmfError, CurationError, ResultError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation, Decision, EditedComponent
from napari_cnmf.model.matching import Match, SessionMatches
from napari_cnmf.model.reconstruction import denoised
from napari_cnmf.model.why import explain_place

N, N_FRAMES = 6, 30


class Sums:
    """An estimator that needs no movie."""

    def merge(self, components, rows):
        C = components.C[rows].sum(axis=0)
        return EditedComponent(np.arange(4), np.ones(4, np.float32), C, snr=5.0, r_value=0.9)

    def split(self, components, row, parts):
        half = EditedComponent(np.arange(2), np.ones(2, np.float32), components.C[row])
        return [half, half]

    def redraw(self, components, row, pixels):
        return EditedComponent(pixels, np.ones(pixels.size, np.float32), components.C[row])


def curation() -> Curation:
    """Six components of the engine, of which 1 was deleted and 2 and 3 were merged into 6."""
    rng = np.random.default_rng(0)
    components = Components(
        A=sp.csc_matrix(np.kron(np.eye(N), np.ones((4, 1))).astype(np.float32)),
        C=rng.random((N, N_FRAMES), dtype=np.float32),
        dims=(4, 6),
        snr=np.arange(1.0, N + 1),
        r_values=np.full(N, 0.5),
        b=np.ones((24, 1), np.float32),
        f=np.full((1, N_FRAMES), 50, np.float32),
    )
    cur = Curation(components, estimator=Sums())
    cur.delete(1)
    cur.merge([2, 3])
    return cur


IDS = [0, 4, 5, 6]

TAKERS: dict[str, Callable[[Curation, Any], Any]] = {
    "accept": lambda cur, ids: cur.accept(ids),
    "reject": lambda cur, ids: cur.reject(ids),
    "unsure": lambda cur, ids: cur.unsure(ids),
    "auto": lambda cur, ids: cur.auto(ids),
    "tag": lambda cur, ids: cur.tag(ids, "red"),
    "untag": lambda cur, ids: cur.untag(ids, "red"),
    "note": lambda cur, ids: cur.note(ids, "look"),
    "mark_seen": lambda cur, ids: cur.mark_seen(ids),
    "merge": lambda cur, ids: cur.merge(ids),
    "delete": lambda cur, ids: cur.delete(ids),
    "restore": lambda cur, ids: cur.restore(ids),
    "dff": lambda cur, ids: cur.dff(ids),
    "take": lambda cur, ids: cur.take(ids),
    "contours": lambda cur, ids: cur.contours(ids),
    "rows_of": lambda cur, ids: cur.rows_of(ids),
    "row_of": lambda cur, ids: cur.row_of(ids),
    "tags": lambda cur, ids: cur.tags(ids),
    "note_of": lambda cur, ids: cur.note_of(ids),
    "split": lambda cur, ids: cur.split(ids),
    "redraw": lambda cur, ids: cur.redraw(ids, np.arange(3)),
    "trim": lambda cur, ids: cur.trim(ids, np.arange(1)),
    "plot_contours": lambda cur, ids: cur.plot_contours(ids, ax=_axes()),
    "plot_traces": lambda cur, ids: cur.plot_traces(ids, ax=_axes()),
    "plot_raster": lambda cur, ids: cur.plot_raster(ids, ax=_axes()),
    "Components.take": lambda cur, ids: cur.components.take(ids),
    "denoised": lambda cur, ids: denoised(cur.components, ids=ids),
}

NO_IDS: list[Any] = [
    "12", "", b"1", 1.0, 1.9, [1.9], [4.0], np.array([4.0]), float("nan"), True, np.True_,
    [True, 4], [4, False], {}, {4: 5}, [None], ["4"], [[4, 5]], np.array([[4]]), (np.array([4]),),
    [[4], [4, 5]], [10**30], 3 + 0j, np.datetime64("2020-01-01"), object(), slice(0, 2),
    np.zeros(3, bool), np.zeros(7, bool), np.array([], bool), pd.Series([4.0]), pd.Series(["4"]),
    pd.Series([True, None, True, False], dtype="boolean"), [-1], [0, 99], pd.Timedelta(1),
    np.array("4"), np.ma.array([0, 4], mask=[True, False]),
    np.ma.array([True] * 4, mask=[False, True, False, False]),
]  # fmt: skip
UNKNOWN: list[Any] = [-1, 99, 1, np.int64(2), np.uint64(2**64 - 1), 10**30]
"""Numbers of components that were never there, were deleted, or were merged."""


def _axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def state_of(cur: Curation) -> tuple:
    return (
        cur.ids.tolist(),
        cur.decisions.tolist(),
        cur.seen.tolist(),
        [(sorted(cur.tags(i)), cur.note_of(i)) for i in cur.ids.tolist()],
        len(cur.journal_lines()),
    )


@pytest.mark.parametrize("name", TAKERS)
def test_what_is_no_id_is_refused_in_one_sentence_and_changes_nothing(name: str) -> None:
    cur = curation()
    before = state_of(cur)
    # a table asks for the words of components that an undo has just taken away
    unknown = [] if name in ("tags", "note_of") else UNKNOWN
    if name in ("restore", "Components.take", "denoised"):
        unknown = [-1, 99]  # deleted ids can be restored; bare components are counted from 0
    for no_ids in [*NO_IDS, *unknown]:
        with pytest.raises(CnmfError) as caught:
            TAKERS[name](cur, no_ids)
        said = str(caught.value)
        assert "\n" not in said, (name, no_ids)
        assert len(said) < 400, (name, no_ids)
        assert state_of(cur) == before, (name, no_ids)


@pytest.mark.parametrize(
    "ids",
    [
        [0, 6], (0, 6), np.array([0, 6]), np.array([0, 6], np.uint8),
        np.array([True, False, False, True]), [True, False, False, True], pd.Series([0, 6]),
        pd.Index([0, 6]), pd.Series([0, 6], dtype="Int64"),
        pd.Series([True, False, False, True]),
        pd.Series([True, True, False, False], index=[6, 0, 5, 4]),
        pd.Series([True, False, False, True], dtype="boolean"), {0: 1, 6: 2}.keys(),
        (i for i in (0, 6)), range(0, 7, 6), [np.int64(0), 6, 0],
    ],
)  # fmt: skip
def test_ids_and_masks_of_every_kind_select_components(ids: Any) -> None:
    cur = curation()
    cur.reject(ids)
    assert cur.ids.tolist() == IDS
    rejected = cur.ids[cur.decisions == Decision.REJECTED].tolist()
    assert sorted(rejected) == [0, 6]
    assert cur.decisions.tolist() == [Decision.REJECTED, 0, 0, Decision.REJECTED]


def test_a_score_selects_what_it_says_also_in_a_table_that_was_sorted() -> None:
    cur = curation()
    weak = cur.components.snr < 5.5
    expected = cur.ids[weak].tolist()
    cur.reject(weak)
    assert cur.ids[cur.decisions == Decision.REJECTED].tolist() == expected
    table = curation().df.sort_values("snr", ascending=False)
    cur = curation()
    cur.reject(table.snr < 5.5)
    assert cur.ids[cur.decisions == Decision.REJECTED].tolist() == expected
    with pytest.raises(CurationError, match="one entry for each of the 4"):
        cur.accept(table[table.area_px > 0][:2].snr < 9)


def test_numbers_are_ids_and_never_rows() -> None:
    cur = curation()
    np.testing.assert_array_equal(cur.take([6, 4]).C, cur.components.C[[3, 1]])
    np.testing.assert_array_equal(cur.take(cur.ids == 5).C, cur.components.C[[2]])
    assert list(cur.contours(4)) == [4]
    assert cur.row_of(np.int64(5)) == 2
    np.testing.assert_allclose(cur.dff([6]), cur.dff()[[3]])
    np.testing.assert_allclose(cur.dff(cur.ids == 6), cur.dff()[[3]])
    with pytest.raises(CurationError, match="no component 2"):
        cur.take([2])


def test_components_alone_are_counted_from_0_or_selected_by_a_mask() -> None:
    components = curation().original
    np.testing.assert_array_equal(components.take(components.snr > 4).C, components.C[4:])
    np.testing.assert_array_equal(components.take([5, 0]).C, components.C[[5, 0]])


@pytest.mark.parametrize("name", ["ids", "accepted", "engine_accepted", "decisions", "seen"])
def test_what_a_curation_answers_cannot_be_written_into(name: str) -> None:
    """``cur.accepted[0] = False`` would change nothing, and nobody would say so."""
    cur = curation()
    before = getattr(cur, name).copy()
    with pytest.raises(ValueError, match="read-only"):
        getattr(cur, name)[0] = 1 - before[0].astype(int)
    np.testing.assert_array_equal(getattr(cur, name), before)


def test_a_place_is_a_pixel() -> None:
    for place in ([1.5, 2], ["1", "2"], "12", [True, False], 3, [1], [0, 99], [-1, 0]):
        with pytest.raises(ResultError):
            explain_place(curation(), place)


def test_cells_of_matched_sessions_are_ids_too() -> None:
    def matches() -> SessionMatches:
        return SessionMatches(["a", "b"], [Match({0: 3, 1: 4}), Match({0: 5}), Match({1: 6})])

    for no_ids in ["0", [1.0], 1.9, [True, 1], [-1], [9], None]:
        found = matches()
        with pytest.raises(CurationError, match=r"matched\.df lists the cells"):
            found.accept(no_ids)
        assert found.edits == []
    found = matches()
    found.accept(np.array([True, False, True]))
    assert [cell.state for cell in found.cells.values()] == ["accepted", "auto", "accepted"]
    found.accept(1)
    for cell, session in ((0.0, 1), (0, 1.0), ("0", 1), (True, 1), (0, True)):
        with pytest.raises(CurationError):
            matches().unlink(cell, session)
    for components in ({0: 5.0, 1: 6}, {"0": 5, "1": 6}, {0: True, 1: 6}, {0: 5, 1: 99}):
        with pytest.raises(CurationError):
            matches().link(components)
    assert matches().link({0: 5, 1: np.int64(6)}) == 1
