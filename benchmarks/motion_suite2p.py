"""suite2p's motion correction of one file, timed; runs in suite2p's own interpreter.

    python benchmarks/motion_suite2p.py movie.tif answer.npz '{"max_shifts": [12, 12]}'

Two threads, as the built-in engine has. Importing suite2p is not timed; reading the TIFF (halved
to int16, as its own reader does) and writing the corrected frames are. Its defaults but for the
range of shifts; ``pw_rigid`` turns its non-rigid mode on, ``block_size`` is that of its blocks.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

N_THREADS = 2


def main() -> None:
    """Correct the movie, and store displacements and seconds."""
    import numpy as np

    # By name: this interpreter has suite2p, the one that checks types has not.
    suite2p, torch, tifffile = (
        importlib.import_module(name) for name in ("suite2p", "torch", "tifffile")
    )
    register = importlib.import_module("suite2p.registration.register")
    io = importlib.import_module("suite2p.io")
    nonrigid = importlib.import_module("suite2p.registration.nonrigid")
    movie, answer, options = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    torch.set_num_threads(N_THREADS)
    settings: dict[str, Any] = suite2p.default_settings()["registration"]
    wall, cpu = time.perf_counter(), time.process_time()
    raw = (tifffile.imread(movie) // 2).astype(np.int16)
    settings["maxregshift"] = max(options["max_shifts"]) / min(raw.shape[1:])
    settings["nonrigid"] = bool(options.get("pw_rigid"))
    settings["maxregshiftNR"] = int(options.get("max_deviation_rigid", settings["maxregshiftNR"]))
    if "block_size" in options:
        settings["block_size"] = tuple(options["block_size"])
    # its registration runs on binary files, in place
    binary = answer + ".bin"
    raw.tofile(binary)
    with io.BinaryFile(*raw.shape[1:], binary, n_frames=len(raw), write=True) as file:
        found = register.registration_wrapper(file, settings=settings, device=torch.device("cpu"))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    arrays = {"shifts": np.stack([found["yoff"], found["xoff"]], axis=1).astype(float)}
    if settings["nonrigid"]:
        yblock, xblock, (ny, nx), *_ = nonrigid.make_blocks(*raw.shape[1:], settings["block_size"])
        places = [np.mean(block, axis=1) - 0.5 for block in (yblock, xblock)]
        arrays["y"], arrays["x"] = places[0].reshape(ny, nx)[:, 0], places[1].reshape(ny, nx)[0]
        parts = np.stack([found["yoff1"], found["xoff1"]], axis=-1).reshape(-1, ny, nx, 2)
        arrays["field"] = parts + arrays["shifts"][:, None, None]
    np.savez(answer, wall_s=wall, cpu_s=cpu, **arrays)


if __name__ == "__main__":
    main()
