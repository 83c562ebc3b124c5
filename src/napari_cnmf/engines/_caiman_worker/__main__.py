"""One job of CaImAn: ``python _caiman_worker --probe`` or ``python _caiman_worker REQUEST.json``.

Speaks in JSON, one object a line, on what was standard output; whatever else CaImAn prints goes to
standard error. Ends with its parent: standard input is a pipe that closes when the parent is gone.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_NAME = "napari_cnmf_caiman_worker"

# Threads inside pool processes oversubscribe the machine, and deadlock on macOS; read at import.
for _variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[_variable] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")


def load_package() -> None:
    """Our modules under a name that nothing of CaImAn's environment has.

    This folder itself leaves the path: its plain names would stand before those of others.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry or os.curdir).resolve() != _HERE]
    spec = importlib.util.spec_from_file_location(
        _NAME, _HERE / "__init__.py", submodule_search_locations=[str(_HERE)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)


def main() -> int:
    """Probe, or run a job; the exit code says how it ended."""
    load_package()
    voice = importlib.import_module(f"{_NAME}.voice").Voice()
    if sys.argv[1:] == ["--probe"]:
        importlib.import_module(f"{_NAME}.probe").probe(voice)
        return 0
    code: int = importlib.import_module(f"{_NAME}.job").run(sys.argv[1], voice)
    return code


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Threads of TensorFlow and OpenCV may keep an interpreter from ending.
    os._exit(code)
