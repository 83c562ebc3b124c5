"""Runs CaImAn's motion correction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .parameters import make_params
from .pool import CountedPool
from .voice import Voice


def correct_motion(request: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """Correct motion, rigid or piecewise-rigid; the memory map stays in the scratch folder."""
    import numpy as np
    from caiman.motion_correction import MotionCorrect

    params = make_params(request, voice)
    options = params.get_group("motion")
    # a template from rigid rounds comes before the pieces
    n_rounds = int(options["niter_rig"]) + int(options["pw_rigid"])
    pool = CountedPool(request["n_processes"], voice, n_rounds if n_rounds > 1 else 0)
    try:
        movie = MotionCorrect([request["movie"]], dview=pool, **options)
        voice.progress("motion template", 0, 1)
        movie.motion_correct(save_movie=True)
    finally:
        pool.close()
    arrays = {"template": movie.total_template_els if movie.pw_rigid else movie.total_template_rig}
    if movie.pw_rigid:
        axes = ["x_shifts_els", "y_shifts_els", "z_shifts_els"][: 3 if movie.is3D else 2]
        nodes = np.stack([np.asarray(getattr(movie, axis)) for axis in axes], axis=-1)
        arrays["nodes"] = nodes
        centres = node_centres(movie, request["dims"], nodes.shape[1])
        if centres is not None:
            arrays["centres"] = centres
        arrays["shifts"] = np.median(nodes, axis=1)
    else:
        arrays["shifts"] = np.asarray(movie.shifts_rig)
    np.savez(Path(request["scratch"]) / "motion.npz", **arrays)
    return {
        "corrected": movie.mmap_file[0],
        "border_px": int(movie.border_to_0),
        "offset": float(-movie.min_mov) if movie.nonneg_movie else 0.0,
    }


def node_centres(movie: Any, dims: list[int], n_nodes: int) -> Any:
    """Centres of the patches ``(n_nodes, ndim)`` in px; None where their layout is not known."""
    import numpy as np
    from caiman import motion_correction

    window = "sliding_window_3d" if movie.is3D else "sliding_window"
    frame = np.zeros(dims, dtype=np.uint8)
    finer = tuple(np.round(np.divide(movie.strides, movie.upsample_factor_grid)).astype(int))
    for strides in (movie.strides, finer):
        size = np.add(movie.overlaps, strides)
        patches = list(getattr(motion_correction, window)(frame, movie.overlaps, strides))
        if len(patches) == n_nodes:
            starts = np.array([patch[len(dims) : 2 * len(dims)] for patch in patches])
            return starts + (np.minimum(size, dims) - 1) / 2
    return None
