"""What CaImAn needs is said before it starts, and what cannot fit is not begun."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from napari_cnmf.engines.base import Job
from napari_cnmf.engines.caiman.preflight import Needs, check_needs, estimate_needs
from napari_cnmf.errors import EngineError

ROOMY = Needs(
    memory_gb=2.0, memory_free_gb=8.0, memory_total_gb=16.0, disk_gb=1.0, disk_free_gb=50.0
)


def needs_of(job: Job, n_processes: int = 1, **changes: Any) -> Needs:
    job = replace(job, params=job.params.replace(**changes))
    return estimate_needs(job, job.open_movie(), n_processes, input_is_there=False)


def test_disk_is_a_copy_as_float32_and_more_for_motion(make_job: Callable[..., Job]) -> None:
    copy = 40 * 12 * 10 * 4 / 1e9
    assert needs_of(make_job()).disk_gb == pytest.approx(copy)
    assert needs_of(make_job("mcorr")).disk_gb == pytest.approx(2.5 * copy)
    job = make_job()
    kept = estimate_needs(job, job.open_movie(), 1, input_is_there=True)
    assert kept.disk_gb == 0


def test_patches_need_less_memory_and_processes_more(make_job: Callable[..., Job]) -> None:
    whole = needs_of(make_job())
    patches = needs_of(make_job(), patch={"rf": 2, "stride": 1}, init={"gSig": (1, 1)})
    assert patches.memory_gb < whole.memory_gb
    two = needs_of(make_job(), 2, patch={"rf": 2, "stride": 1}, init={"gSig": (1, 1)})
    assert two.memory_gb > patches.memory_gb


def test_what_is_needed_is_said(make_job: Callable[..., Job], recorder: Any) -> None:
    reporter = recorder()
    check_needs(ROOMY, make_job().folder, reporter)
    assert "about 2 GB of memory (8 GB free) and 1 GB of disk (50 GB free)" in reporter.logs[0]
    assert not reporter.warnings


def test_short_memory_is_a_warning(make_job: Callable[..., Job], recorder: Any) -> None:
    reporter = recorder()
    check_needs(replace(ROOMY, memory_gb=9.0), make_job().folder, reporter)
    assert "9 GB of memory, and 8 GB are free" in reporter.warnings[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_gb": 17.0}, r"17 GB of memory.*16 GB in all\. Use smaller patches"),
        ({"disk_gb": 51.0}, r"51 GB of disk.*50 GB free\. Free some space"),
    ],
)
def test_what_cannot_fit_is_not_begun(
    make_job: Callable[..., Job], recorder: Any, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        check_needs(replace(ROOMY, **changes), make_job().folder, recorder())
