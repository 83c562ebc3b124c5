"""What every test runs with: settings of its own, never the user's."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

# napari reads its settings at import, so this comes before any test module.
_SETTINGS = tempfile.TemporaryDirectory(prefix="napari-cnmf-tests-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(_SETTINGS.name) / "napari.yaml")
# Tests run in two processes: threads of linear algebra in each would wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ["NAPARI_CNMF_CONFIG"] = str(Path(_SETTINGS.name) / "napari-cnmf.toml")
# Kernels are compiled once, by the test that needs them first.
os.environ["NAPARI_CNMF_COMPILE_AHEAD"] = "0"

CAIMAN_VARIABLE = "NAPARI_CNMF_CAIMAN_PYTHON"


def pytest_report_header() -> str:
    """Say whether the real CaImAn takes part."""
    return f"CaImAn: {os.environ.get(CAIMAN_VARIABLE) or 'not configured, its tests are not run'}"


LONG = (
    "batch/test_kills", "ui/test_lab", "ui/test_workspace", "docs/test_code_blocks",
    "ui/test_main_job", "batch/test_cluster", "batch/test_cancel", "fuzz/", "docs/test_pages",
)  # fmt: skip
"""Files that take longest. They start first: one that starts last keeps a single process busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the real CaImAn run where its interpreter is named, else they are said not to."""
    items.sort(
        key=lambda item: next((i for i, f in enumerate(LONG) if f in item.nodeid), len(LONG))
    )
    if os.environ.get(CAIMAN_VARIABLE):
        return
    for item in items:
        if item.get_closest_marker("caiman") is not None:
            item.add_marker(pytest.mark.skip(reason=f"not run: {CAIMAN_VARIABLE} names no CaImAn"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count what was not run, so that nobody takes silence for success."""
    skipped = terminalreporter.stats.get("skipped", [])
    n_not_run = sum("names no CaImAn" in str(report.longrepr) for report in skipped)
    if n_not_run:
        terminalreporter.section("CaImAn")
        terminalreporter.line(
            f"{n_not_run} tests of the real CaImAn were NOT RUN. Name its interpreter in "
            f"{CAIMAN_VARIABLE} to run them."
        )


@pytest.fixture(autouse=True)
def fresh_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our settings file is empty and belongs to the test; workers inherit it."""
    folder = tmp_path_factory.mktemp("settings")
    monkeypatch.setenv("NAPARI_CNMF_CONFIG", str(folder / "napari-cnmf.toml"))


@pytest.fixture(scope="session")
def caiman_weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """A data folder with random weights of CaImAn's classifier, and whether it can run there."""
    folder = tmp_path_factory.mktemp("caiman_data")
    script = str(Path(__file__).with_name("_put_caiman_weights.py"))
    said = subprocess.run(
        [os.environ[CAIMAN_VARIABLE], script, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return folder, said.stdout.split()[-1] == "yes"


def pytest_unconfigure() -> None:
    """Settings of the tests go with them."""
    _SETTINGS.cleanup()
