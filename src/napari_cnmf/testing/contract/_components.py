"""Checks that the result of CNMF, CNMF-E, seeds, mask and evaluation holds the right cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from napari_cnmf.engines.base import IMAGES_FILE, RESULT_FILE, Algorithm, Engine, Job, Outcome
from napari_cnmf.io import read_images
from napari_cnmf.io.caiman import read_caiman
from napari_cnmf.model.components import Components
from napari_cnmf.testing.contract import _workbench as bench
from napari_cnmf.testing.recording import Recording
from napari_cnmf.testing.scoring import score


def check_cnmf(engine: Engine, folder: Path) -> None:
    """CNMF with a refit finds the cells of a plane and leaves a whole result."""
    recording = bench.two_photon(folder)
    job = bench.job_of(folder, Algorithm.CNMF, recording, bench.params_of(recording), refit=True)
    outcome = bench.run(engine, job)
    components = _whole_result(engine, job, outcome, recording)
    _finds(components, recording, at_least=4, trace_correlation=0.8)


def check_cnmf_3d(engine: Engine, folder: Path) -> None:
    """CNMF finds the cells of a volume, whose planes keep their order."""
    recording = bench.volume(folder)
    job = bench.job_of(folder, Algorithm.CNMF, recording, bench.params_of(recording), refit=True)
    outcome = bench.run(engine, job)
    components = _whole_result(engine, job, outcome, recording)
    _finds(components, recording, at_least=3, trace_correlation=0.7)


def check_cnmfe(engine: Engine, folder: Path) -> None:
    """CNMF-E finds cells under a bright moving background, and says its PNR image."""
    recording = bench.one_photon(folder)
    params = bench.params_of(recording).replace(
        init={"K": None, "gSig": (3, 3), "gSiz": (13, 13), "min_corr": 0.6, "min_pnr": 4},
    )
    job = bench.job_of(folder, Algorithm.CNMFE, recording, params)
    outcome = bench.run(engine, job)
    components = _whole_result(engine, job, outcome, recording)
    assert "pnr" in read_images(job.folder / IMAGES_FILE), "one-photon needs its PNR image"
    _finds(components, recording, at_least=3, trace_correlation=0.7)


def check_seeds(engine: Engine, folder: Path) -> None:
    """Components that are given are refined, each at its place, and none is added."""
    recording = bench.two_photon(folder)
    job = bench.job_of(folder, Algorithm.CNMF, recording, bench.params_of(recording))
    given = sp.csc_matrix(recording.truth.A[:, :3] > 0.3)
    sp.save_npz(folder / "seeds.npz", given)
    outcome = bench.run(engine, replace(job, ain_path=folder / "seeds.npz"))
    assert outcome.n_components == 3, f"three seeds gave {outcome.n_components} components"
    A = read_caiman(job.folder / RESULT_FILE).A
    overlap = np.asarray((A.T @ given.astype(np.float32)).todense())
    assert sorted(overlap.argmax(axis=1)) == [0, 1, 2], "each seed must keep its place"


def check_mask(engine: Engine, folder: Path) -> None:
    """Nothing is found outside of the mask."""
    recording = bench.two_photon(folder)
    mask = np.zeros(recording.shape[1:], dtype=bool)
    mask[:, : mask.shape[1] // 2] = True
    np.save(folder / "mask.npy", mask)
    job = bench.job_of(folder, Algorithm.CNMF, recording, bench.params_of(recording))
    bench.run(engine, replace(job, mask_path=folder / "mask.npy"))
    A = read_caiman(job.folder / RESULT_FILE).A
    peaks = np.asarray(A.argmax(axis=0)).ravel()
    assert len(peaks), "the mask holds cells"
    assert mask.ravel()[peaks].all(), "a component outside of the mask"


def check_evaluate(engine: Engine, folder: Path) -> None:
    """A result is scored again: other thresholds, the same components."""
    recording = bench.two_photon(folder)
    params = bench.params_of(recording)
    job = bench.job_of(folder, Algorithm.CNMF, recording, params)
    bench.run(engine, job)
    first = read_caiman(job.folder / RESULT_FILE)
    strict = params.replace(quality={"min_SNR": 1e6, "rval_thr": 1.0, "SNR_lowest": 1e5})
    again = bench.job_of(
        folder, Algorithm.EVALUATE, recording, strict, result_path=job.folder / RESULT_FILE
    )
    outcome = bench.run(engine, again)
    second = read_caiman(again.folder / RESULT_FILE)
    assert outcome.n_components == first.n_components, "components must stay"
    assert outcome.n_accepted == 0, f"nothing reaches such thresholds, got {outcome.n_accepted}"
    np.testing.assert_allclose(second.C, first.C, rtol=1e-5)
    assert abs(second.A - first.A).max() <= 1e-5 * abs(first.A).max(), "footprints must stay"
    assert IMAGES_FILE in outcome.outputs, "the images stay with the result"


def check_evaluate_of_others(engine: Engine, folder: Path) -> None:
    """A result of the built-in engine is scored, whichever engine does it."""
    from napari_cnmf.engines import get_engine

    recording = bench.two_photon(folder, n_frames=150)
    params = bench.params_of(recording)
    job = bench.job_of(folder, Algorithm.CNMF, recording, params)
    bench.run(get_engine("builtin"), job)
    first = read_caiman(job.folder / RESULT_FILE)
    again = bench.job_of(
        folder, Algorithm.EVALUATE, recording, params, result_path=job.folder / RESULT_FILE
    )
    outcome = bench.run(engine, again)
    second = read_caiman(again.folder / RESULT_FILE)
    assert outcome.n_components == first.n_components, "components must stay"
    assert second.snr is not None, "an evaluation leaves its scores"
    assert second.accepted is not None, "an evaluation leaves its verdict"
    assert abs(second.A - first.A).max() <= 1e-5 * abs(first.A).max(), "footprints must stay"


def check_zero_cells(engine: Engine, folder: Path) -> None:
    """A recording without cells is a result with no components, or none accepted."""
    recording = bench.one_photon(folder)
    params = bench.params_of(recording).replace(
        init={"K": None, "min_corr": 0.9999, "min_pnr": 500},
        quality={"min_SNR": 1e6, "rval_thr": 1.0, "SNR_lowest": 1e5},
    )
    job = bench.job_of(folder, Algorithm.CNMFE, recording, params)
    outcome = bench.run(engine, job)
    assert outcome.n_accepted == 0, f"{outcome.n_accepted} accepted where nothing can be"
    components = read_caiman(job.folder / RESULT_FILE)
    n_pixels = int(np.prod(recording.shape[1:]))
    assert components.A.shape == (n_pixels, components.n_components)


def _whole_result(engine: Engine, job: Job, outcome: Outcome, recording: Recording) -> Components:
    """Check that a result has everything that it must have, whatever it found."""
    components = read_caiman(job.folder / RESULT_FILE)
    n, n_frames = components.n_components, recording.shape[0]
    assert (components.dims, components.n_frames) == (recording.shape[1:], n_frames)
    assert (outcome.n_components, outcome.outputs) == (n, (RESULT_FILE, IMAGES_FILE))
    for name in ("C", "S", "YrA"):
        array = getattr(components, name)
        shape = None if array is None else array.shape
        assert shape == (n, n_frames), f"{name} must be (n, T), got {shape}"
        assert np.isfinite(array).all(), f"{name} must be finite"
    for name in ("snr", "r_values", "accepted"):
        values = getattr(components, name)
        n_values = None if values is None else len(values)
        assert n_values == n, f"{name} must have {n} values, got {n_values}"
    assert components.accepted is not None
    assert outcome.n_accepted == int(components.accepted.sum())
    background = components.W is not None or components.b is not None
    assert background, "a result has a background: b and f, or a ring"
    assert components.frame_rate_hz == job.frame_rate_hz
    assert components.attributes["engine"] == engine.name
    assert components.attributes["engine_version"] == engine.version()
    images = read_images(job.folder / IMAGES_FILE)
    missing = {"mean", "max", "std", "correlation"} - set(images)
    assert not missing, f"summary images are missing: {missing}"
    for name, image in images.items():
        assert image.shape == components.dims, f"image {name} must be of the field"
        assert np.isfinite(image).all(), f"image {name} must be finite"
    mean = recording.array().mean(axis=0)
    np.testing.assert_allclose(images["mean"], mean, rtol=1e-2, err_msg="the mean image")
    return components


def _finds(
    components: Components, recording: Recording, *, at_least: int, trace_correlation: float
) -> None:
    found = score(components, recording.truth, threshold=0.5)
    assert len(found.matches) >= at_least, f"at least {at_least} cells must be found: {found}"
    assert found.trace_correlation > trace_correlation, f"traces must be the cells': {found}"
