"""Stands in for PyTorch, see ``absent.py``, which is loaded by its path."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_path = Path(__file__).parents[2] / "absent.py"
_spec = importlib.util.spec_from_file_location("napari_cnmf_absent", _path)
assert _spec is not None
assert _spec.loader is not None
_absent = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_absent)
_absent.stand_in_for(sys.modules[__name__])
