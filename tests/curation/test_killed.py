"""A process that is killed while it decides: the journal holds all but at most the last action."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from napari_cnmf.io.caiman import write_caiman
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Decision

_CURATOR = """
import sys
from pathlib import Path
from napari_cnmf.io.curation import open_curation

cur = open_curation(Path(sys.argv[1]))
for i in range(10**6):
    (cur.accept if i % 2 else cur.reject)([i % 8])
    cur.tag([i % 8], f"round {i}")
    print(i, flush=True)
"""


def test_a_killed_process_loses_at_most_its_last_action(tmp_path: Path) -> None:
    A = sp.csc_matrix(np.eye(64, 8, dtype=np.float32))
    path = write_caiman(
        Components(A=A, C=np.ones((8, 5), np.float32), dims=(8, 8)), tmp_path / "result.hdf5"
    )
    curator = subprocess.Popen(
        [sys.executable, "-c", _CURATOR, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert curator.stdout is not None
    told = -1
    while told < 40:
        told = int(curator.stdout.readline())
    curator.kill()
    rest = curator.stdout.read().split()
    curator.wait()
    curator.stdout.close()
    assert curator.returncode != 0
    told = max([told, *(int(line) for line in rest if line.isdigit())])
    cur = open_curation(path)
    # Two edits a round; what was told of is there, and at most one more round was begun.
    assert 2 * (told + 1) <= len(cur.history) <= 2 * (told + 2)
    for i in range(told - 7, told + 1):
        assert f"round {i}" in cur.tags(i % 8)
    expected = Decision.ACCEPTED if told % 2 else Decision.REJECTED
    assert cur.decisions[told % 8] == expected
    cur.accept([3])
    assert len(open_curation(path).history) == len(cur.history)
