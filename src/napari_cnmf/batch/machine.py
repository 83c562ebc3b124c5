"""Cores and memory that this machine has to give to a worker."""

from __future__ import annotations

import psutil

from napari_cnmf.core.base.threads import n_usable_cores

_MEMORY_SHARE = 0.7
"""Of the free memory; the rest is for the viewer and the file cache."""
_LEAST_GB = 1.5
"""Granted to a worker at least: what the engine's tiles take, whose size is the same everywhere."""


def share_of_machine(n_workers: int) -> tuple[int, float]:
    """Threads and decimal GB of memory for each of ``n_workers``."""
    free_gb = psutil.virtual_memory().available / 1e9
    memory_gb = max(_LEAST_GB, _MEMORY_SHARE * free_gb / n_workers)
    return max(1, n_usable_cores() // n_workers), memory_gb
