"""Notebooks: cells that a kernel runs, what it shows of each class, and what Tab offers there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

WAIT_S = 120.0

SET_UP = """
import napari_cnmf as nc
movie = nc.open_movie("movie with ümlaut.tif", frame_rate_hz=15, pixel_size_um=1.5)
batch = nc.Batch.open("notebook", create=True)
params = nc.CNMFParams.preset("two-photon somata").replace(init={"gSig": (4, 4)})
item = batch.add("cnmf", movie, params=params, engine="toy", name="cells")
"""


@pytest.fixture
def kernel(movie_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    manager, client = start_new_kernel(cwd=str(movie_path.parent), startup_timeout=WAIT_S)
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def run_cell(client: Any, code: str) -> dict[str, Any]:
    """Everything that a notebook shows below this cell, by kind."""
    shown: dict[str, Any] = {"stdout": "", "stderr": ""}

    def hook(message: dict[str, Any]) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            shown[content["name"]] += content["text"]
        elif message["msg_type"] in ("execute_result", "display_data"):
            shown.update(content["data"])

    reply = client.execute_interactive(code, output_hook=hook, timeout=WAIT_S)
    assert reply["content"]["status"] == "ok", reply["content"]
    return shown


def offered(client: Any, code: str) -> list[str]:
    """What the Tab key offers at the end of this code, without what stands there."""
    reply = client.complete(code, reply=True, timeout=WAIT_S)["content"]
    return [match.rpartition(".")[2].strip("'\"") for match in reply["matches"]]


def test_a_notebook_runs_shows_pictures_and_completes(kernel: Any) -> None:
    first = run_cell(kernel, SET_UP + "batch.run()\nitem")
    assert "completed" in first["text/html"]
    assert "Warning" not in first["stderr"]
    assert "cells (cnmf)" in first["stderr"], "a bar, or plain lines"
    again = run_cell(kernel, SET_UP + "batch.run()\nprint(len(batch))")
    assert again["stdout"].strip() == "1", "a cell can be run again"
    assert "already" in again["stderr"]

    run_cell(kernel, "cur = item.result(); matched = nc.match_sessions([cur, item])")
    run_cell(kernel, "project = nc.Project.open('study', create=True)")
    run_cell(kernel, "_ = project.add(cur, {'AnimalID': 'm1', 'TrialID': '1'})")
    pictured = ("cur", "cur.components", "matched")
    for shown in ("batch", "project", "params", "nc.explain_place(cur, (5, 5))", *pictured):
        outputs = run_cell(kernel, shown)
        assert outputs["text/html"].strip().startswith("<"), shown
        assert ("data:image/png;base64," in outputs["text/html"]) == (shown in pictured), shown
        assert outputs["stderr"] == "", shown
    assert "gSig" in run_cell(kernel, "params")["text/html"]
    for plot in ("plot_contours", "plot_traces", "plot_raster"):
        outputs = run_cell(kernel, f"ax = cur.{plot}(); print(type(ax).__name__)")
        assert outputs["stdout"].strip() == "Axes"
        assert "image/png" in outputs, plot

    assert {"gSig", "K", "method_init"} <= set(offered(kernel, "params.init."))
    for code in ("params.", "params.init.", "params.data.", "nc.CNMFParams."):
        noise = [
            name for name in offered(kernel, code) if name.startswith(("model_", "_", "parse"))
        ]
        assert noise == [], code
    assert offered(kernel, "batch['") == ["cells"]
    assert offered(kernel, "project['") == ["m1-_-1"]
    assert {"accept", "reject", "df", "dff"} <= set(offered(kernel, "cur."))
