"""Reads what else an NWB file says of a result: images, parameters, how it came to be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def images_of(nwbfile: Any, *, rows_first: bool = False) -> dict[str, NDArray[np.float32]]:
    """Read grey images of the processing modules as ``([Z], Y, X)``; planes become volumes."""
    planes: dict[str, NDArray[np.float32]] = {}
    for one in nwbfile.objects.values():
        if type(one).__name__ == "GrayscaleImage":
            image = np.asarray(one.data[:], np.float32)
            planes[one.name] = image if rows_first else image.T
    found: dict[str, NDArray[np.float32]] = {}
    stacks: dict[str, dict[int, NDArray[np.float32]]] = {}
    for name, image in planes.items():
        in_stack = re.fullmatch(r"(.+)_z(\d{3})", name)
        if in_stack is None:
            found[name] = image
        else:
            stacks.setdefault(in_stack[1], {})[int(in_stack[2])] = image
    for name, stack in stacks.items():
        found[name] = np.stack([stack[z] for z in sorted(stack)])
    return found


def field_shape(nwbfile: Any) -> tuple[int, ...] | None:
    """Shape ``([Z], Y, X)`` of the field, where we wrote it."""
    said = _json(nwbfile.scratch or {}, "field_shape")
    return tuple(int(size) for size in said) if isinstance(said, list) else None


def steps_and_params(
    nwbfile: Any, path: Path
) -> tuple[list[dict[str, Any]], dict[str, Any], str, str]:
    """Read history, parameters, and the program that wrote them with its version."""
    scratch = nwbfile.scratch or {}
    history = _json(scratch, "history_trace") or []
    params = _json(scratch, "params_json") or {}
    steps = [step for step in history if isinstance(step, dict)]
    if steps:
        return steps, params if isinstance(params, dict) else {}, "napari-cnmf", str(
            steps[-1].get("version", "unknown")
        )  # fmt: skip
    return [], {}, str(nwbfile.source_script or "an NWB file"), "unknown"


def _json(scratch: Any, name: str) -> Any:
    if name not in scratch:
        return None
    data = scratch[name].data
    text = data if isinstance(data, str) else data[()]
    try:
        return json.loads(text.decode() if isinstance(text, bytes) else str(text))
    except ValueError:
        return None  # scratch of another program under the same name
