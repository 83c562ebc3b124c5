"""CaImAn's motion correction of one file, timed; runs in CaImAn's own interpreter.

    python benchmarks/motion_caiman.py movie.tif answer.npz '{"max_shifts": [12, 12]}'

Two processes, as the built-in engine has two threads. Importing CaImAn and starting its processes
are not timed; reading the TIFF and writing the corrected memory map are.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

N_PROCESSES = 2


def main() -> None:
    """Correct the movie, and store shifts and seconds."""
    import caiman  # noqa: F401  what it imports is not timed
    import numpy as np
    from caiman.cluster import setup_cluster
    from caiman.motion_correction import MotionCorrect

    movie, answer, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    dims = options.pop("dims")
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    os.chdir(Path(movie).parent)
    _, pool, _ = setup_cluster("multiprocessing", n_processes=N_PROCESSES, single_thread=False)
    pool.map(_ready, range(4 * N_PROCESSES), chunksize=1)
    wall, cpu = time.perf_counter(), _cpu_s()
    correction = MotionCorrect([movie], dview=pool, is3D=len(options["max_shifts"]) == 3, **options)
    correction.motion_correct(save_movie=True)
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    pool.terminate()
    arrays = {"shifts": np.asarray(correction.shifts_rig)}
    if correction.pw_rigid:
        els = [correction.x_shifts_els, correction.y_shifts_els]
        arrays["nodes"] = np.stack([np.asarray(e) for e in els], axis=-1)
        arrays["centres"] = _centres(correction, dims, arrays["nodes"].shape[1])
    np.savez(answer, wall_s=wall, cpu_s=cpu, **arrays)


def _ready(_: int) -> None:
    """Have a worker import what it needs before the clock starts."""
    import caiman.motion_correction  # noqa: F401

    time.sleep(0.2)


def _cpu_s() -> float:
    """User and system time of this process and its workers."""
    import psutil

    me = psutil.Process()
    return sum(sum(p.cpu_times()[:2]) for p in [me, *me.children(recursive=True)])


def _centres(correction: Any, dims: list[int], n_nodes: int) -> Any:
    """Centres of the patches ``(n_nodes, 2)`` px, whose grid is finer than the strides."""
    import numpy as np
    from caiman.motion_correction import sliding_window

    finer = tuple(
        np.round(np.divide(correction.strides, correction.upsample_factor_grid)).astype(int)
    )
    for strides in (correction.strides, finer):
        size = np.add(correction.overlaps, strides)
        patches = list(sliding_window(np.zeros(dims), correction.overlaps, strides))
        if len(patches) == n_nodes:
            return np.array([p[2:4] for p in patches]) + (np.minimum(size, dims) - 1) / 2
    raise SystemExit(f"{n_nodes} patches lie on no grid that is known")


if __name__ == "__main__":
    main()
