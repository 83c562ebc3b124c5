"""How a worker begins: quickly, and with nothing missing afterwards."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def in_a_process(code: str) -> object:
    """What ``code`` prints as JSON, run as a worker's process begins."""
    command = [sys.executable, "-P", "-c", f"import json\n{code}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_was_left_out_while_starting_can_be_imported_afterwards() -> None:
    found = in_a_process("""
import gc
from napari_cnmf.batch import worker
from napari_cnmf.engines.base import Algorithm
with worker._quick_start():
    is_looking = gc.isenabled()
    worker._load_engine(Algorithm.CNMF)
import numpy, numpy.f2py, scipy.linalg.cython_blas
print(json.dumps([is_looking, gc.isenabled(), callable(numpy.f2py.run_main), numpy.f2py.__name__]))
""")
    assert found == [False, True, True, "numpy.f2py"]


@pytest.mark.parametrize(("told", "n"), [("2", 2), ("0", 3), ("4,2", 3)])
def test_engines_of_others_have_as_many_threads_for_algebra_as_they_were_told(
    told: str, n: int
) -> None:
    found = in_a_process(f"""
import os
os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"] = "1", "3"
import numpy
from threadpoolctl import threadpool_info
from napari_cnmf.batch import worker
worker._let_algebra_have_threads({told!r})
pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
print(json.dumps([os.environ["OPENBLAS_NUM_THREADS"], [pool["num_threads"] for pool in pools]]))
""")
    assert isinstance(found, list)
    assert found[0] == told
    assert set(found[1]) <= {n}


def test_without_a_word_there_is_none_afterwards() -> None:
    found = in_a_process("""
import os
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from napari_cnmf.batch import worker
worker._let_algebra_have_threads(None)
print(json.dumps("OPENBLAS_NUM_THREADS" in os.environ))
""")
    assert found is False
