"""The real CaImAn through our engine, against its own results and the simulation's truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile
from scipy.optimize import linear_sum_assignment

from napari_cnmf.engines.base import Job, RunOptions
from napari_cnmf.engines.caiman import CaimanEngine
from napari_cnmf.errors import CancelledByUser
from napari_cnmf.io import open_movie, read_images
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.io.motion import read_motion
from napari_cnmf.model.components import Components
from napari_cnmf.params import CNMFParams

pytestmark = [pytest.mark.caiman, pytest.mark.timeout(900)]
DATA = Path(__file__).parents[1] / "data"

BASE = CNMFParams().replace(
    data={"decay_time": 0.8},
    init={"gSig": (3, 3), "ssub": 1, "tsub": 1},
    preprocess={"p": 1},
    temporal={"p": 1},
    quality={"min_SNR": 2.0, "rval_thr": 0.7, "use_cnn": False},
)
PARAMS = {
    "2d": BASE.replace(init={"K": 8, "nb": 2}),
    "1p": BASE.replace(init={"gSiz": (13, 13), "ssub_B": 1, "min_corr": 0.6, "min_pnr": 4}),
    "3d": BASE.replace(init={"K": 6, "gSig": (2, 2, 2)}),
}


@pytest.fixture
def engine() -> CaimanEngine:
    """With the interpreter that the variable names; a wrong one is a failure, not a skip."""
    engine = CaimanEngine()
    assert engine.unavailable_reason() is None
    return engine


def matched(ours: Components, theirs: Components) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of footprints and correlation of traces, best assignment, best first."""

    def normed(components: Components) -> Any:
        length = np.sqrt(np.asarray(components.A.power(2).sum(axis=0)).ravel())
        return components.A.multiply(1 / length).tocsc()

    cosine = (normed(ours).T @ normed(theirs)).toarray()
    i, j = linear_sum_assignment(-cosine)
    pairs = zip(ours.C[i], theirs.C[j], strict=True)
    traces = np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs])
    order = np.argsort(-cosine[i, j])
    return cosine[i, j][order], traces[order]


CASES = {"2d": ("cnmf", "2d", 6), "1p": ("cnmfe", "2d", 12), "3d": ("cnmf", "3d", 5)}
"""Algorithm, movie, and how many components must be alike."""


@pytest.mark.parametrize("name", CASES)
def test_same_components_as_caiman_s_own_run(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any, name: str
) -> None:
    """The reference was made by CaImAn alone; two of the eight in 2D are noise."""
    algorithm, movie, n_alike = CASES[name]
    reporter = recorder()
    job = make_job(
        algorithm,
        movie_paths=(DATA / f"movie-{movie}.tif",),
        params=PARAMS[name],
        refit=algorithm == "cnmf",
    )
    outcome = engine.run(job, reporter)
    ours = read_caiman(job.folder / "result.hdf5")
    theirs = read_caiman(DATA / f"result-{name}.hdf5")
    cosine, traces = matched(ours, theirs)
    assert cosine[:n_alike].min() > 0.99
    assert traces[:n_alike].min() > 0.98
    assert outcome.n_components == ours.n_components == theirs.n_components
    assert outcome.n_accepted == ours.accepted.sum()
    assert (ours.W is None) == (theirs.W is None)
    assert ours.attributes["engine"] == "caiman"
    assert ours.attributes["engine_version"] == engine.version()
    images = read_images(job.folder / "images.npz")
    assert {"mean", "max", "std", "correlation", "pnr"} <= set(images)
    assert sorted(p.name for p in job.folder.iterdir()) == ["images.npz", "result.hdf5"]
    assert {"starting CaImAn", "noise", "evaluation"} <= set(reporter.stages)


def test_one_of_two_channels_that_alternate(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any, tmp_path: Path
) -> None:
    """CaImAn gets the frames of that channel, and finds what it finds in it alone."""
    frames = tifffile.imread(DATA / "movie-2d.tif")
    other = frames[::-1, ::-1]
    both = np.stack([other, frames], axis=1).reshape(-1, *frames.shape[1:])
    tifffile.imwrite(tmp_path / "both.tif", both, photometric="minisblack", metadata=None)
    job = make_job(
        "cnmf",
        movie_paths=(tmp_path / "both.tif",),
        open_with={"n_channels": 2, "channel": 1},
        params=PARAMS["2d"],
        refit=True,
    )
    engine.run(job, recorder())
    cosine, traces = matched(
        read_caiman(job.folder / "result.hdf5"), read_caiman(DATA / "result-2d.hdf5")
    )
    assert cosine[:6].min() > 0.99
    assert traces[:6].min() > 0.98


def test_rigid_motion_correction(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any
) -> None:
    """Against the movie that CaImAn corrected by itself; we round to the movie's integers."""
    job = make_job(
        "mcorr",
        movie_paths=(DATA / "movie-2d-moving.tif",),
        params=CNMFParams().replace(motion={"max_shifts": (6, 6)}),
        run=RunOptions(n_processes=2),
    )
    outcome = engine.run(job, recorder())
    corrected = open_movie(job.folder / "corrected.tif").data.compute().astype(float)
    (reference,) = DATA.glob("mm_rig__*.mmap")
    theirs = open_movie(reference).data.compute()
    offset = np.median(corrected - theirs)  # CaImAn's subtracts the minimum
    # CaImAn 1.12.1 wrote the reference; 1.13 measures other shifts (.12 px, standard deviation).
    if str(engine.version()).startswith("1.12"):
        assert np.abs(corrected - theirs - offset).max() <= 0.51
    motion = read_motion(job.folder / "motion.h5")
    truth = np.load(DATA / "movie-2d-moving-truth.npz")["shifts"]
    wrong, right = motion.shifts + truth, motion.shifts - truth
    assert (right - right.mean(axis=0)).std() < 0.7 * (wrong - wrong.mean(axis=0)).std()
    assert outcome.figures["border_px"] == motion.border_px


def test_piecewise_motion_correction(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any
) -> None:
    params = {"pw_rigid": True, "strides": (24, 24), "overlaps": (12, 12)}
    job = make_job(
        "mcorr",
        movie_paths=(DATA / "movie-2d-moving.tif",),
        params=CNMFParams().replace(motion=params),
    )
    engine.run(job, recorder())
    motion = read_motion(job.folder / "motion.h5")
    assert motion.field is not None
    assert motion.nodes is not None
    assert motion.field.shape == (300, *map(len, motion.nodes), 2)
    np.testing.assert_allclose(np.median(motion.field, axis=(1, 2)), motion.shifts, atol=1e-5)


def test_the_network_scores_with_weights_of_this_version(
    engine: CaimanEngine,
    make_job: Callable[..., Job],
    recorder: Any,
    caiman_weights: tuple[Path, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Random weights: that it runs is seen, not what it says. Without it, one sentence says why."""
    data, has_network = caiman_weights
    monkeypatch.setenv("CAIMAN_DATA", str(data))
    reporter = recorder()
    job = make_job(
        movie_paths=(DATA / "movie-2d.tif",),
        params=PARAMS["2d"].replace(quality={"use_cnn": True}),
    )
    engine.run(job, reporter)
    components = read_caiman(job.folder / "result.hdf5")
    if has_network:
        assert components.cnn_preds is not None
        assert components.cnn_preds.size == components.n_components
        assert np.all((components.cnn_preds >= 0) & (components.cnn_preds <= 1))
        assert not [said for said in reporter.warnings if "classifier" in said]
    else:
        (said,) = [said for said in reporter.warnings if "classifier" in said]
        assert "cannot be imported" in said


def test_cancelled_while_it_computes(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any
) -> None:
    job = make_job(
        movie_paths=(DATA / "movie-2d.tif",), params=PARAMS["2d"], run=RunOptions(n_processes=2)
    )
    with pytest.raises(CancelledByUser):
        engine.run(job, recorder(stop_in="footprints (1 of 2)"))
    assert not list(job.folder.iterdir())
    children = psutil.Process().children(recursive=True)
    assert not [child for child in children if "_caiman_worker" in " ".join(child.cmdline())]


def test_a_killed_pool_process_costs_time_alone(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any
) -> None:
    class Killer(recorder):  # type: ignore[misc,valid-type]
        has_killed = False

        def progress(self, stage: str, done: float, total: float) -> None:
            super().progress(stage, done, total)
            if stage.startswith("footprints (") and not self.has_killed:
                self.has_killed = True
                psutil.Process().children(recursive=True)[-1].kill()

    reporter = Killer()
    job = make_job(
        movie_paths=(DATA / "movie-2d.tif",), params=PARAMS["2d"], run=RunOptions(n_processes=2)
    )
    outcome = engine.run(job, reporter)
    assert "pool died" in reporter.warnings[0]
    assert outcome.n_components == 8


def test_nothing_found_is_a_result_and_what_caiman_changed_is_said(
    engine: CaimanEngine, make_job: Callable[..., Job], recorder: Any
) -> None:
    params = PARAMS["1p"].replace(init={"min_corr": 0.9999, "min_pnr": 500, "gSiz": (12, 12)})
    job = make_job("cnmfe", movie_paths=(DATA / "movie-2d.tif",), params=params)
    reporter = recorder()
    outcome = engine.run(job, reporter)
    used = outcome.used_parameters
    assert used["init.gSiz"] == [13, 13]  # CaImAn's doing
    assert used["init.nb"] == 0  # ours: a ring background
    assert "CaImAn's own check changed init.gSiz from [12, 12] to [13, 13]." in reporter.warnings
    assert (outcome.n_components, outcome.n_accepted) == (0, 0)
    assert read_caiman(job.folder / "result.hdf5").A.shape == (48 * 64, 0)
