"""The built-in engine: arrays, frame sources and callbacks in, frozen results out.

The names are imported when first used: motion correction and the simulators need a
corner of this package only, and a worker should not load what it does not run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_cnmf.core.evaluate import evaluate_result
    from napari_cnmf.core.planes import run_plane_by_plane
    from napari_cnmf.core.result import CNMFResult
    from napari_cnmf.core.run import run_cnmf
    from napari_cnmf.core.summary import summary_images

__all__ = ["CNMFResult", "evaluate_result", "run_cnmf", "run_plane_by_plane", "summary_images"]

_HOME = {
    "CNMFResult": "result",
    "evaluate_result": "evaluate",
    "run_cnmf": "run",
    "run_plane_by_plane": "planes",
    "summary_images": "summary",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
