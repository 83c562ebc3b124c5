"""Compile the built-in engine before it is needed: ``python -m napari_cnmf.engines.compile_ahead``.

The first run after an installation or update compiles for some ten seconds. napari starts this in
the background when the plugin opens; whoever installs for others can run it once by hand.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.engines.base import Algorithm, Job, RunOptions
from napari_cnmf.params import CNMFParams

VARIABLE = "NAPARI_CNMF_COMPILE_AHEAD"
"""Environment variable that keeps the background process from starting where it is ``0``."""
_RATE_HZ = 10.0
_TYPES = ("uint16", "int16")
"""Frames of microscopes; kernels of other types are compiled when a movie has them."""


class _Silent:
    """Reporter that passes nothing on."""

    def progress(self, stage: str, done: float, total: float) -> None:
        """Ignore the progress."""
        ...

    def log(self, message: str) -> None:
        """Ignore a message for the log."""
        ...

    def warning(self, message: str) -> None:
        """Ignore a warning."""
        ...

    def should_stop(self) -> bool:
        """Let the run go on."""
        return False


@cache
def start_compiling_ahead() -> None:
    """Start a process of low priority that compiles what was never compiled; once a session.

    It ends by itself, and closing napari does not end it. Nothing depends on it: where it cannot
    run, the first run compiles as it always did.
    """
    if os.environ.get(VARIABLE) == "0":
        return
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONSAFEPATH": "1"},
            start_new_session=sys.platform != "win32",
            creationflags=flags,
        )


def compile_engine() -> list[str]:
    """Run each algorithm that was never compiled on a small movie; returns their names."""
    from napari_cnmf.core.base.compiling import is_first_use
    from napari_cnmf.engines.builtin import BuiltinEngine

    wanted = [a for a in (Algorithm.CNMF, Algorithm.MCORR) if is_first_use(a.value)]
    if not wanted:
        return []
    params = CNMFParams().replace(init={"gSig": (3, 3)}, data={"decay_time": 1.0})
    with tempfile.TemporaryDirectory(prefix="napari-cnmf-") as temporary:
        folder = Path(temporary)
        for dtype in _TYPES:
            movie = folder / f"{dtype}.npy"
            np.save(movie, _some_cells().astype(dtype))
            for algorithm in wanted:
                job = Job(
                    folder=folder,
                    algorithm=algorithm,
                    movie_paths=(movie,),
                    params=params,
                    frame_rate_hz=_RATE_HZ,
                    run=RunOptions(n_processes=1),
                )
                BuiltinEngine().run(job, _Silent())
    return [algorithm.value for algorithm in wanted]


def _some_cells() -> NDArray[np.float64]:
    """Movie ``(T, Y, X)`` in which there is something to find."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    centres = [(a, b) for a in (12, 32, 52) for b in (12, 32, 52)]
    A = np.stack([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 18) for a, b in centres])
    spikes = (rng.random((len(A), 300)) < 0.02) * 100
    C = np.stack([np.convolve(s, 0.9 ** np.arange(60))[:300] for s in spikes])
    light = np.einsum("kyx,kt->tyx", A, C)
    return np.asarray(rng.poisson(100 + light), np.float64)


if __name__ == "__main__":
    if sys.platform != "win32":
        os.nice(15)
    compile_engine()
