"""Scripts that run items without this program: a shell, a SLURM array.

They need the base install alone, no napari and no Qt. Nothing from a batch is ever read as code:
items are named by their folders, and every word is quoted.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf import _atomic as atomic
from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.batch.item import Item

_SHELL = """\
#!/bin/sh
# Runs items of a napari-cnmf batch one after the other. Set PYTHON or BATCH to run it elsewhere.
[ "$PYTHON" ] || PYTHON={python}
[ "$BATCH" ] || BATCH={batch}
failed=0
for item in {items}; do
    "$PYTHON" -P -m napari_cnmf.batch.worker "$BATCH/items/$item" --retry || failed=1
done
exit $failed
"""

_SLURM_TASK = """\
#!/bin/sh
# One task of a SLURM array: runs the item in line SLURM_ARRAY_TASK_ID (from 1) of the file $1.
[ "$PYTHON" ] || PYTHON={python}
[ "$BATCH" ] || BATCH={batch}
item=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" "$1")
exec "$PYTHON" -P -m napari_cnmf.batch.worker "$BATCH/items/$item" --retry \\
    --threads "${{SLURM_CPUS_PER_TASK:-1}}"
"""

_SLURM_SUBMIT = """\
#!/bin/sh
# Submits items of a napari-cnmf batch as SLURM arrays; items wait for those that they depend on.
# Options of sbatch go through: ./submit.sh --cpus-per-task=4 --mem=16G --time=2:00:00
cd "$(dirname "$0")" || exit 1
after=
{submissions}
"""

_SLURM_ARRAY = (
    'job=$(sbatch --parsable "$@" ${{after:+--dependency=afterany$after}} '
    "--array=1-{n} task.sh {list}) || exit 1\n"
    "jobs=$jobs:${{job%%;*}}"
)
"""``--parsable`` gives ``id`` or, among several clusters, ``id;cluster``."""
_ARRAY_SIZE = 1000
"""Tasks of an array; as SLURM comes (``MaxArraySize`` 1001) it takes no more."""


def write_scripts(
    batch: Batch, folder: Path, *, kind: str = "shell", items: Iterable[Item] | None = None
) -> Path:
    """Write scripts that run ``items``, or everything that has not been run.

    Parameters
    ----------
    folder
        Where they go; made if need be.
    kind
        ``shell``: one script, one item after the other. ``slurm``: arrays, a level for each step
        of a chain.

    Returns
    -------
    The script to start.

    Raises
    ------
    BatchError
        When there is nothing to run, or the folder cannot be written.
    """
    if kind not in ("shell", "slurm"):
        raise BatchError(f"kind must be shell or slurm, got {kind!r}.")
    chosen = _with_parents(batch, _unrun(batch) if items is None else list(items))
    if not chosen:
        raise BatchError("Scripts need items that have not completed, and there are none.")
    values = {"python": shlex.quote(sys.executable), "batch": shlex.quote(str(batch.path))}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if kind == "shell":
            names = " ".join(shlex.quote(item.folder.name) for item in chosen)
            return _write(folder / "run.sh", _SHELL.format(items=names, **values))
        return _write_slurm(folder, chosen, values)
    except OSError as error:
        raise BatchError(
            f"Scripts need a folder that can be written, got {folder}: {error.strerror or error}."
        ) from error


def _write_slurm(folder: Path, items: list[Item], values: dict[str, str]) -> Path:
    submissions = []
    number = 0
    for level in _levels(items):
        submissions.append("jobs=")
        for start in range(0, len(level), _ARRAY_SIZE):
            members = level[start : start + _ARRAY_SIZE]
            listing = f"items-{number}.txt"
            number += 1
            names = "".join(f"{item.folder.name}\n" for item in members)
            atomic.write_text(folder / listing, names)
            submissions.append(_SLURM_ARRAY.format(n=len(members), list=listing))
        submissions.append("after=$jobs")
    _write(folder / "task.sh", _SLURM_TASK.format(**values))
    return _write(folder / "submit.sh", _SLURM_SUBMIT.format(submissions="\n".join(submissions)))


def _write(path: Path, text: str) -> Path:
    atomic.write_text(path, text)
    path.chmod(0o755)
    return path


def _unrun(batch: Batch) -> list[Item]:
    return [
        item
        for item in batch.items
        if item.problem is None
        and (item.state in (State.QUEUED, State.WAITING) or item.state in RETRIABLE)
    ]


def _with_parents(batch: Batch, items: list[Item]) -> list[Item]:
    """The items and what they still wait for, in order of adding, so parents come first."""
    wanted = set()
    for item in items:
        link: Item | None = item
        while link is not None and link.state is not State.COMPLETED:
            if "\n" in link.folder.name:
                raise BatchError(f"{link.folder} has a line break in its name. Rename the folder.")
            wanted.add(link.uuid)
            link = link.parent
    return [item for item in batch.items if item.uuid in wanted]


def _levels(items: list[Item]) -> list[list[Item]]:
    """Items that depend on nothing of the list, then those that depend on these, and so on."""
    depth: dict[str, int] = {}
    for item in items:
        parent = item.spec.parent
        depth[item.uuid] = depth[parent] + 1 if parent in depth else 0
    levels: list[list[Item]] = [[] for _ in range(1 + max(depth.values()))]
    for item in items:
        levels[depth[item.uuid]].append(item)
    return levels
