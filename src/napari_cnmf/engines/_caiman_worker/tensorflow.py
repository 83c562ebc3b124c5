"""CaImAn without TensorFlow: it is imported at CaImAn's top, and needed for one score alone."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

_STAND_IN = Path(__file__).parent / "without_tensorflow"


def do_without_if_need_be() -> str:
    """Import TensorFlow, or put a stand-in before it; why, or nothing.

    On the path rather than in memory: a pool's processes may import CaImAn anew.
    """
    try:
        import_module("tensorflow")
    # a missing, half-installed or wrongly compiled one each fail in their own way
    except Exception as error:  # noqa: BLE001
        for name in [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]:
            del sys.modules[name]
        sys.path.insert(0, str(_STAND_IN))
        import_module("tensorflow")
        return f"TensorFlow cannot be imported there ({type(error).__name__}: {str(error)[:200]})"
    return ""
