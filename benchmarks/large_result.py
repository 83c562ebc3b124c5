"""CPU seconds and memory of the curation of a large result, step by step.

``python benchmarks/large_result.py [N_COMPONENTS N_FRAMES]``, by default 10,000 and 20,000. Memory
is the peak of each step above what the process had before it; the result is written by a child
process. Linux only: the peak is reset between steps.
"""

from __future__ import annotations

import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exports import _memory_mb
from large import _write_result
from napari_cnmf.core.reestimate import Reestimator
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.curation import Curation


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what the block costs."""
    before, began = _memory_mb("VmRSS"), time.process_time()
    Path("/proc/self/clear_refs").write_text("5")
    yield
    cpu_s, peak = time.process_time() - began, _memory_mb("VmHWM") - before
    print(f"| {what} | {cpu_s:.1f} | {peak / 1e3:.2f} |", flush=True)


def curate(path: Path) -> None:
    """Open a result, merge in it, and compute dF/F."""
    with step("open"):
        cur = open_curation(path, estimator=Reestimator(None))
    with step("ten merges"):
        merge(cur, 10)
    with step("dF/F of 1,000 components"):
        cur.dff(cur.ids[:1000])


def merge(cur: Curation, n: int) -> None:
    """Merge pairs of components, and look at the trace that each gives."""
    for k in range(n):
        id_ = cur.merge([2 * k, 2 * k + 1])
        cur.components.C[cur.row_of(id_)]


def main(n: int, n_frames: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for cells, frames in ((50, 500), (n, n_frames)):
            folder = Path(name) / f"{cells}"
            folder.mkdir()
            sizes = {"cells": cells, "frames": frames}
            writer = multiprocessing.Process(target=_write_result, args=(folder, sizes))
            writer.start()
            writer.join()
            paths.append(folder / "result.hdf5")
        small, large = paths
        cur = open_curation(small, estimator=Reestimator(None))  # what is imported counts for none
        merge(cur, 1)
        cur.dff(cur.ids)
        before = _memory_mb("VmRSS")
        print(f"{n:,} components x {n_frames:,} frames, {large.stat().st_size / 1e9:.1f} GB\n")
        print("| step | CPU s | memory on top, GB |\n|---|---|---|")
        curate(large)
        gc.collect()
        print(f"| after it is closed | | {(_memory_mb('VmRSS') - before) / 1e3:.2f} |")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3] or ("10000", "20000")))
