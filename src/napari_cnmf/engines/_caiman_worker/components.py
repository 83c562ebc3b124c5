"""Runs CNMF, CNMF-E, refit and evaluation of CaImAn."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from .parameters import make_params, plain
from .pool import CountedPool
from .voice import Voice

_WITHOUT_CNN = (
    "CaImAn's classifier cannot run here, so components are evaluated without it: {problem}."
)


def load_images(path: str) -> Any:
    """Memory map as a view ``(T, [Z], Y, X)``; CaImAn wants its pixels in Fortran order."""
    import numpy as np
    from caiman.mmapping import load_memmap

    pixels, dims, n_frames = load_memmap(path)
    return np.reshape(pixels.T, [n_frames, *dims], order="F")


def find_components(request: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """Run CNMF or CNMF-E, refit where asked, and evaluate."""
    from caiman.source_extraction.cnmf.cnmf import CNMF

    params = make_params(request, voice)
    images = load_images(request["movie"])
    n_processes = request["n_processes"]
    pool = CountedPool(n_processes, voice)
    try:
        model = CNMF(n_processes, params=params, dview=pool, Ain=load_seeds(request))
        # fit returns None since 1.12, and the model before
        model = model.fit(images) or model
        if request["refit"] and model.estimates.C.shape[0]:
            voice.progress("refit", 0, 1)
            model = model.refit(images, dview=pool)
        if model.estimates.C.shape[0]:
            evaluate(model, images, request, voice, pool)
    finally:
        pool.close()
    return save(model, request)


def load_seeds(request: dict[str, Any]) -> Any:
    """Read ``Ain``: bool ``(n_pixels, n)``, pixels in Fortran order."""
    import numpy as np

    if request.get("seeds") is None:
        return None
    with np.load(request["seeds"]) as stored:
        seeds = np.zeros(tuple(stored["shape"]), dtype=bool)
        seeds[stored["rows"], stored["columns"]] = True
    return seeds


def score(request: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """Evaluate a given result again."""
    from caiman.source_extraction.cnmf.cnmf import load_CNMF

    pool = CountedPool(request["n_processes"], voice)
    try:
        model = load_CNMF(request["result"], n_processes=request["n_processes"], dview=None)
        model.params = make_params(request, voice)
        images = load_images(request["movie"])
        if model.estimates.C.shape[0]:
            evaluate(model, images, request, voice, pool)
    finally:
        pool.close()
    return save(model, request)


def evaluate(
    model: Any, images: Any, request: dict[str, Any], voice: Voice, pool: CountedPool
) -> None:
    """Evaluate by CaImAn's scores and rule; without its network where that cannot run."""
    wanted = request["use_cnn"]
    voice.progress("evaluation", 0, 1)
    if wanted is not False:
        problem = "" if len(request["dims"]) == 2 else "it knows planes only"
        problem = problem or request["no_cnn_because"]
        if not problem:
            model.params.quality["use_cnn"] = True
            try:
                model.estimates.evaluate_components(images, model.params, dview=pool)
                return
            # TensorFlow, Keras, PyTorch and weights each fail in their own way
            except Exception as error:  # noqa: BLE001
                traceback.print_exc()
                problem = f"{type(error).__name__}: {str(error)[:200]}"
        # nobody asked for it, so being without is no warning
        voice.say("warning" if wanted else "log", message=_WITHOUT_CNN.format(problem=problem))
    model.params.quality["use_cnn"] = False
    model.estimates.evaluate_components(images, model.params, dview=pool)


def save(model: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Save CaImAn's model in the scratch folder; return its path and parameters."""
    path = str(Path(request["scratch"]) / "from-caiman.hdf5")
    model.dview = None
    model.save(path)
    return {"result": path, "params": plain(model.params.to_dict())}
