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
    # every round decides otherwise than the last one did: the same again would be no edit
    (cur.accept if (i + i // 8) % 2 else cur.reject)([i % 8])
    cur.tag([i % 8], f"round {i}")
    print(i, flush=True)
"""


_DRAWER = """
import sys
from pathlib import Path
import numpy as np
from napari_cnmf.io.curation import open_curation
from napari_cnmf.model.curation import EditedComponent

class Pretend:
    def redraw(self, components, row, pixels):
        C = np.full(components.n_frames, pixels.size, np.float32)
        return EditedComponent(pixels, np.ones(pixels.size, np.float32), C)

cur = open_curation(Path(sys.argv[1]), estimator=Pretend())
for i in range(10**6):
    cur.redraw(i % 8, np.arange(1 + i % 60))
    print(i, flush=True)
"""


def make_result(folder: Path, n_frames: int = 5) -> Path:
    A = sp.csc_matrix(np.eye(64, 8, dtype=np.float32))
    return write_caiman(
        Components(A=A, C=np.ones((8, n_frames), np.float32), dims=(8, 8)), folder / "result.hdf5"
    )


def killed_after(script: str, path: Path, rounds: int) -> int:
    """The last round that a curator told of before being killed, in the middle of the next."""
    curator = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert curator.stdout is not None
    told = -1
    while told < rounds:
        told = int(curator.stdout.readline())
    curator.kill()
    rest = curator.stdout.read().split()
    curator.wait()
    curator.stdout.close()
    assert curator.returncode != 0
    return max([told, *(int(line) for line in rest if line.isdigit())])


def test_a_killed_process_loses_at_most_its_last_action(tmp_path: Path) -> None:
    path = make_result(tmp_path)
    told = killed_after(_CURATOR, path, 40)
    cur = open_curation(path)
    # Two edits a round; what was told of is there, and at most one more round was begun.
    assert 2 * (told + 1) <= len(cur.history) <= 2 * (told + 2)
    for i in range(told - 7, told + 1):
        assert f"round {i}" in cur.tags(i % 8)
    expected = Decision.ACCEPTED if (told + told // 8) % 2 else Decision.REJECTED
    assert cur.decisions[told % 8] == expected
    cur.accept([3])
    assert len(open_curation(path).history) == len(cur.history)


def test_what_was_drawn_survives_a_kill_too(tmp_path: Path) -> None:
    path = make_result(tmp_path, n_frames=3000)
    told = killed_after(_DRAWER, path, 25)
    cur = open_curation(path)
    assert told + 1 <= len(cur.history) <= told + 2
    for edit in cur.history:
        (drawn,) = cur.arrays_of(edit.number)
        assert drawn.pixels.size == edit.number
        assert set(drawn.C.tolist()) == {edit.number}
    assert not list(tmp_path.glob("*.part*")), "so little needs no second file"
