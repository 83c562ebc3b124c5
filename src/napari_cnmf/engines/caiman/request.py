"""Turns a job into the request for CaImAn's process."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from napari_cnmf.engines.base import Algorithm, Job, Reporter
from napari_cnmf.errors import ParameterError
from napari_cnmf.model.movie import Movie
from napari_cnmf.params import CNMFParams
from napari_cnmf.params._plain import to_plain

_TASKS = 16
"""Tasks of each process in a stage that goes over all pixels."""
_LEAST_PIXELS = 256
"""Of a task; one costs some milliseconds of its own."""
_ONE_PHOTON = {"method_init": "corr_pnr", "center_psf": True}


def make_request(
    job: Job, movie: Movie, movie_path: Path, scratch: Path, reporter: Reporter
) -> dict[str, Any]:
    """Make the request: everything that CaImAn's process needs to know, as JSON."""
    n_processes = processes_of(job)
    request = {
        "algorithm": job.algorithm.value,
        "movie": str(movie_path),
        "dims": list(movie.dims),
        "scratch": str(scratch),
        "params": caiman_params(job, movie.dims, movie_path, n_processes, reporter),
        "asked_for": sorted(CNMFParams().diff(job.params)),
        "n_processes": n_processes,
        "seed": job.params.random_seed,
        "refit": _refit(job, reporter),
        "use_cnn": _use_cnn(job),
    }
    if job.ain_path is not None:
        request["seeds"] = str(_write_seeds(job.ain_path, movie.dims, scratch))
    return request


def used_parameters(job: Job, request: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """``{"group.key": value}`` where CaImAn computed with another value than the job asked for.

    Parameters
    ----------
    changed
        What CaImAn's own consistency check made of what it was sent.
    """
    asked = to_plain(job.params.to_dict())
    used = {}
    for group, values in to_plain(request["params"]).items():
        for key in asked.get(group, {}).keys() & values.keys():
            name = f"{group}.{key}"
            value = changed.get(name, values[key])
            if value != asked[group][key]:
                used[name] = value
    return dict(sorted(used.items()))


def processes_of(job: Job) -> int:
    """Number of processes of CaImAn's pool: as asked for, else all but one of the cores."""
    return job.run.n_processes or max(1, (os.cpu_count() or 2) - 1)


def caiman_params(
    job: Job, dims: tuple[int, ...], movie_path: Path, n_processes: int, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """CaImAn's nested parameters; the log says what has to differ from the form."""
    params = job.params
    if job.algorithm is Algorithm.CNMFE:
        params = _one_photon(job.params)
        for name, (value, was) in params.diff(job.params).items():
            reporter.log(f"{name} is {value} for CaImAn, not {was}: CNMF-E has a ring background.")
        if job.ain_path is not None:
            # Seen in 1.12.1: what it then finds is that of CNMF to the last bit.
            reporter.log(
                "From cells that are given CaImAn makes no ring background: this is CNMF with one "
                "of low rank."
            )
    nested = params.to_caiman(frame_rate_hz=job.frame_rate_hz, dims=dims)
    is_motion = job.algorithm is Algorithm.MCORR
    forced = {} if job.algorithm is Algorithm.EVALUATE else _forced(job, params, dims)
    for (group, key), (value, why) in forced.items():
        if (group == "motion") is not is_motion:
            continue
        if nested[group].get(key) != value:
            reporter.log(f"{group}.{key} is {value} for CaImAn: {why}.")
        nested[group][key] = value
    nested["patch"]["n_processes"] = n_processes
    if "preprocess" in nested:
        nested["preprocess"]["n_pixels_per_process"] = _pixels_per_task(dims, n_processes)
    if is_motion:
        # with the file's name CaImAn derives how it splits the movie
        data = nested["data"] | {"fnames": [str(movie_path)]}
        derived = ("splits_rig", "splits_els")
        motion = {key: value for key, value in nested["motion"].items() if key not in derived}
        return {"data": data, "motion": motion}
    nested["data"]["dims"] = list(dims)
    del nested["motion"]
    return nested


def _pixels_per_task(dims: tuple[int, ...], n_processes: int) -> int:
    """Number of pixels in one task of noise and footprints, which changes no result.

    Many tasks a process: progress is as fine, and the processes end at the same time. CaImAn's own
    choice is one task a process.
    """
    n_pixels = math.prod(dims)
    return min(n_pixels, max(_LEAST_PIXELS, math.ceil(n_pixels / (n_processes * _TASKS))))


def _one_photon(params: CNMFParams) -> CNMFParams:
    """Settings of CNMF-E: its ring background unless the user chose a rank."""
    init: dict[str, Any] = dict(_ONE_PHOTON)
    patch: dict[str, Any] = {}
    if params.init.nb == CNMFParams().init.nb:
        init |= {"nb": 0, "normalize_init": False}
        patch = {"nb_patch": 0, "low_rank_background": None}
    return params.replace(init=init, patch=patch)


def _forced(
    job: Job, params: CNMFParams, dims: tuple[int, ...]
) -> dict[tuple[str, str], tuple[Any, str]]:
    """Values that are forced since only one works: ``{(group, key): (value, why)}``."""
    forced: dict[tuple[str, str], tuple[Any, str]] = {}
    border = max(params.patch.border_pix, job.border_px)
    forced["patch", "border_pix"] = (border, "motion correction left a border")
    forced["motion", "is3D"] = (len(dims) == 3, "the movie's shape says it")
    if params.is_one_photon:
        forced["patch", "only_init"] = (True, "CNMF-E is complete after its initialisation")
    elif params.patch.rf is None:
        forced["patch", "only_init"] = (False, "without patches it would stop half-way")
    if job.ain_path is not None:
        forced["patch", "rf"] = (None, "components that are given need the whole field")
        forced["patch", "only_init"] = (False, "without patches it would stop half-way")
    return forced


def _refit(job: Job, reporter: Reporter) -> bool:
    one_photon = job.algorithm is Algorithm.CNMFE or job.params.is_one_photon
    if job.refit and one_photon:
        reporter.log("CaImAn has no second fit for one-photon movies; refit is left out.")
    return job.refit and not one_photon


def _use_cnn(job: Job) -> bool | None:
    """``None`` tries the classifier and does without it silently where it cannot run."""
    chosen = job.params.quality.use_cnn
    one_photon = job.algorithm is Algorithm.CNMFE or job.params.is_one_photon
    # CaImAn's network was trained on round two-photon somata and rejects everything else.
    other = one_photon or job.params.init.method_init != "greedy_roi"
    return False if chosen is None and other else chosen


def _write_seeds(path: Path, dims: tuple[int, ...], scratch: Path) -> Path:
    """Write ``Ain`` for CaImAn: the pixels of each component, in Fortran order of the field."""
    from napari_cnmf.io.archives import read_sparse

    seeds = sp.coo_matrix(read_sparse(path))
    if seeds.shape[0] != int(np.prod(dims)):
        raise ParameterError(
            f"Ain must have a row for each of the {int(np.prod(dims))} pixels of the movie, got "
            f"{seeds.shape[0]}. Draw or choose it on this movie."
        )
    places = np.unravel_index(seeds.row, dims)
    target = scratch / "seeds.npz"
    np.savez(
        target,
        rows=np.ravel_multi_index(places, dims, order="F"),
        columns=seeds.col,
        shape=np.asarray(seeds.shape),
    )
    return target
