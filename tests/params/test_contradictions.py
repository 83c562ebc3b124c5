"""One parameter that is given twice: equal values are fine, contradictory ones are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_cnmf.batch.grid import expand_grid
from napari_cnmf.errors import ParameterError
from napari_cnmf.params import CNMFParams, read_params


@pytest.mark.parametrize(
    ("values", "first", "second"),
    [
        ({"K": 5, "init": {"K": 6}}, "K = 5", "init.K = 6"),
        ({"init.K": 5, "K": None}, "init.K = 5", "K = none"),
        ({"k": 5, "K": 6}, "k = 5", "K = 6"),
        ({"main": {"K": 5}, "K": 6}, "K in main = 5", "K = 6"),
        ({"cnmf_kwargs": "p=1", "p": 2}, "p in cnmf_kwargs = 1", "p = 2"),
        ({"p": 1, "temporal": {"p": 2}}, "p = 1", "temporal.p = 2"),
        ({"max_shifts": 6, "max_shifts_x": 4}, "max_shifts = 6", "max_shifts_x = 4"),
        ({"max_shifts_x": 4, "motion": {"max_shifts": [6, 6]}}, "_x = 4", "max_shifts = (6, 6)"),
        ({"init": {"SC_nnn": 3}, "extra": {"init": {"SC_nnn": 4}}}, "_nnn = 3", "_nnn = 4"),
        ({"random_seed": 1, "main": {"random_seed": 2}}, "seed = 1", "in main = 2"),
        ({"refit": True, "main": {"refit": False}}, "refit = true", "in main = false"),
    ],
)
def test_contradictory_values_are_refused_with_both_names(
    values: dict[str, Any], first: str, second: str
) -> None:
    for read in (CNMFParams.from_any, CNMFParams().replace):
        with pytest.raises(ParameterError, match="must have one value") as caught:
            read(values)
        assert first in str(caught.value)
        assert second in str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"k": "5", "init": {"K": 5.0}}, {"init": {"K": 5}}),
        ({"gSig": 5, "init.gSig": "5,5"}, {"init": {"gSig": (5, 5)}}),
        ({"decay_time": "0,7", "data": {"decay_time": 0.7}}, {"data": {"decay_time": 0.7}}),
        ({"max_shifts": (6, 4), "max_shifts_x": 4}, {"motion": {"max_shifts": (6, 4)}}),
        ({"max_shifts_x": 4, "max_shifts_y": 3}, {"motion": {"max_shifts": (3, 4)}}),
    ],
)
def test_equal_values_are_fine(values: dict[str, Any], expected: dict[str, Any]) -> None:
    assert CNMFParams.from_any(values) == CNMFParams.from_dict(expected)


def test_settings_files_and_grids_are_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"got K = '5' and init\.K = '6'"):
        CNMFParams().with_settings(["K=5", "init.K=6"])
    assert CNMFParams().with_settings(["gSig=4", "gSig=4,4"]).init.gSig == (4, 4)
    path = tmp_path / "twice.json"
    path.write_text('{"K": 5, "K": 6}')
    with pytest.raises(ParameterError, match="K must have one value, got 5 and 6"):
        read_params(path)
    path.write_text('{"K": 5, "K": 5}')
    assert read_params(path).init.K == 5
    with pytest.raises(ParameterError, match=r"varies a parameter once, got 'K' and 'init\.K'"):
        expand_grid(CNMFParams(), {"K": [5], "init.K": [5, 6]})
    with pytest.raises(ParameterError, match="got 'strides' and 'strides_y'"):
        expand_grid(CNMFParams(), {"strides": [40], "strides_y": [50]})
    both = expand_grid(CNMFParams(), {"strides_x": [40], "strides_y": [50, 60]})
    assert [params.motion.strides for _, params in both] == [(50, 40), (60, 40)]


def test_replace_takes_one_table_too() -> None:
    params = CNMFParams()
    assert params.replace({"init": {"K": 7}}, p=1) == params.replace(K=7, p=1)
    assert params.replace("K=7, gSig=(3, 3)") == params.replace(K=7, gSig=3)
    assert params.replace() == params
    with pytest.raises(ParameterError, match="K = 7 and K = 8"):
        params.replace({"K": 7}, K=8)
    with pytest.raises(ParameterError, match="must be a table of names and values, got 3"):
        params.replace(3)  # type: ignore[arg-type]
