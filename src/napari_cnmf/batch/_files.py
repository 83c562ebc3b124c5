"""JSON files of a batch, read with errors that name the file; `io.atomic` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_cnmf.errors import BatchError


def read_json(path: Path) -> dict[str, Any]:
    """The object in ``path``.

    Raises
    ------
    BatchError
        When there is no such file, or it does not hold one JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BatchError(f"{path} must be there, and is not.") from error
    except OSError as error:
        raise BatchError(f"{path} must be readable: {error.strerror or error}.") from error
    except ValueError as error:
        raise BatchError(f"{path} must hold JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BatchError(f"{path} must hold one JSON object, got {type(value).__name__}.")
    return value


def tail(path: Path, n_bytes: int) -> str:
    """The last ``n_bytes`` of a text file; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - n_bytes))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
