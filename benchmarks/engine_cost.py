"""CPU seconds and peak memory of the whole worker process, one child process for each row.

    python benchmarks/engine_cost.py --out benchmarks/results/engine-cost.md

Imports are counted, compiled kernels are cached (each row runs twice, the second counts). The
movie is a file read frame block by frame block, as a user's would be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROWS = {
    "2000 x 128 x 128, 45 cells": ({}, None),
    "3000 x 256 x 256, 180 cells": ({"n_frames": 3000, "size": 256, "n_cells": 180}, None),
    "3000 x 512 x 512, 600 cells": ({"n_frames": 3000, "size": 512, "n_cells": 600}, None),
    "the same, memory_gb=0.6": ({"n_frames": 3000, "size": 512, "n_cells": 600}, 0.6),
    "12000 x 256 x 256, 180 cells, memory_gb=0.6": (
        {"n_frames": 12000, "size": 256, "n_cells": 180},
        0.6,
    ),
}

CHILD = """
import sys, json, resource, time
path, shape, memory = json.loads(sys.argv[1])
import numpy as np
from napari_cnmf.core import run_cnmf
from napari_cnmf.params import CNMFParams

class Source:
    dtype = np.dtype(np.uint16)
    shape = tuple(shape)
    def read(self, start, stop, out=None):
        out = np.empty((stop - start, *shape[1:]), np.uint16) if out is None else out
        with open(path, "rb") as file:
            file.seek(128 + start * shape[1] * shape[2] * 2)
            file.readinto(memoryview(out).cast("B"))
        return out

begin = time.perf_counter()
params = CNMFParams().replace(init={"gSig": (5, 5)}, data={"decay_time": 0.7})
result = run_cnmf(Source(), params, frame_rate_hz=15.0, memory_gb=memory)
use = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([use.ru_utime + use.ru_stime, time.perf_counter() - begin, use.ru_maxrss / 1e6,
                  result.components.n_components, result.figures["n_tiles"]]))
np.savez(path + ".npz", data=result.components.A.data, indices=result.components.A.indices,
         indptr=result.components.A.indptr, C=result.components.C)
"""


def main() -> None:
    import numpy as np
    import scipy.sparse as sp

    from napari_cnmf.testing import base_regime, score, simulate_to

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, nargs="*", default=list(range(len(ROWS))))
    arguments = parser.parse_args()
    lines = [
        "<!-- made by benchmarks/engine_cost.py -->",
        "| movie | CPU s | wall s | peak GB | tiles | F1 | tc |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for i in arguments.rows:
            name, (knobs, memory) = list(ROWS.items())[i]
            path = Path(folder) / f"{hash(str(knobs))}.npy"
            recording = simulate_to(path, base_regime(**knobs))
            message = json.dumps([str(path), recording.shape, memory])
            command = [sys.executable, "-c", CHILD, message]
            runs = [subprocess.run(command, capture_output=True, check=True) for _ in range(2)]
            cpu, wall, gb, _, tiles = json.loads(runs[-1].stdout.splitlines()[-1])
            saved = np.load(f"{path}.npz")
            n_pixels = recording.shape[1] * recording.shape[2]
            A = sp.csc_matrix(
                (saved["data"], saved["indices"], saved["indptr"]),
                shape=(n_pixels, len(saved["C"])),
            )
            s = score((A, saved["C"]), recording.truth)
            lines.append(
                f"| {name} | {cpu:.1f} | {wall:.1f} | {gb:.2f} | {tiles:.0f} | {s.f1:.3f} | "
                f"{s.trace_correlation:.3f} |"
            )
            print(lines[-1], flush=True)
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
