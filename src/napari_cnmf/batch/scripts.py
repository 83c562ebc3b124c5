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

from napari_cnmf._overwriting import check_target, mark_of, marked_kind, new_file
from napari_cnmf.batch.status import RETRIABLE, State
from napari_cnmf.errors import BatchError

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch
    from napari_cnmf.batch.item import Item

_SCRIPT = marked_kind("script", said="script")
_LISTING_END = f"# {mark_of('script')}"
"""Last line of a list of items; arrays count only the lines before it."""
_SHELL = (
    f"""\
#!/bin/sh
# {mark_of("script")}
"""
    + """\
# Runs items of a napari-cnmf batch one after the other. Set PYTHON or BATCH to run it elsewhere.
[ "$PYTHON" ] || PYTHON={python}
[ "$BATCH" ] || BATCH={batch}
failed=0
for item in {items}; do
    "$PYTHON" -P -m napari_cnmf.batch.worker "$BATCH/items/$item" --retry || failed=1
done
exit $failed
"""
)

_SLURM_TASK = (
    f"""\
#!/bin/sh
# {mark_of("script")}
"""
    + """\
# One task of a SLURM array: runs the item in line SLURM_ARRAY_TASK_ID (from 1) of the file $1.
[ "$PYTHON" ] || PYTHON={python}
[ "$BATCH" ] || BATCH={batch}
item=$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" "$1")
exec "$PYTHON" -P -m napari_cnmf.batch.worker "$BATCH/items/$item" --retry \\
    --threads "${{SLURM_CPUS_PER_TASK:-1}}"
"""
)

_SLURM_SUBMIT = (
    f"""\
#!/bin/sh
# {mark_of("script")}
"""
    + """\
# Submits items of a napari-cnmf batch as SLURM arrays; items wait for those that they depend on.
# Options of sbatch go through: ./submit.sh --cpus-per-task=4 --mem=16G --time=2:00:00
cd "$(dirname "$0")" || exit 1
after=
{submissions}
"""
)

_SLURM_ARRAY = (
    'job=$(sbatch --parsable "$@" ${{after:+--dependency=afterany$after}} '
    "--array=1-{n} task.sh {list}) || exit 1\n"
    "jobs=$jobs:${{job%%;*}}"
)
"""``--parsable`` gives ``id`` or, among several clusters, ``id;cluster``."""
_ARRAY_SIZE = 1000
"""Tasks of an array; as SLURM comes (``MaxArraySize`` 1001) it takes no more."""


def write_scripts(
    batch: Batch,
    folder: Path,
    *,
    kind: str = "shell",
    items: Iterable[Item] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write scripts that run ``items``, or everything that has not been run.

    Parameters
    ----------
    folder
        Where they go; made if need be.
    kind
        ``shell``: one script, one item after the other. ``slurm``: arrays, a level for each step
        of a chain.
    items
        Items to run; by default all that have not completed.
    overwrite
        Replace scripts that were written earlier; any other file of these names is never replaced.

    Returns
    -------
    The script to start.

    Raises
    ------
    BatchError
        When there is nothing to run.
    ExportError
        The folder cannot be written, or another file has the name of a script.
    """
    if kind not in ("shell", "slurm"):
        raise BatchError(f"kind must be shell or slurm, got {kind!r}.")
    chosen = _with_parents(batch, _unrun(batch) if items is None else list(items))
    if not chosen:
        raise BatchError("Scripts need items that have not completed, and there are none.")
    values = {"python": shlex.quote(sys.executable), "batch": shlex.quote(str(batch.path))}
    if kind == "shell":
        names = " ".join(shlex.quote(item.folder.name) for item in chosen)
        files = {"run.sh": _SHELL.format(items=names, **values)}
    else:
        files = _slurm_files(chosen, values)
    targets = [folder / name for name in files]
    for target in targets:  # all of them before the first is written
        check_target(target, _SCRIPT, overwrite=overwrite)
    for target, text in zip(targets, files.values(), strict=True):
        with new_file(target, _SCRIPT, overwrite=overwrite) as beside:
            beside.write_text(text, encoding="utf-8", newline="\n")
            if target.suffix == ".sh":
                beside.chmod(0o755)
    return targets[-1]


def _slurm_files(items: list[Item], values: dict[str, str]) -> dict[str, str]:
    """Names and texts of the script files; the script to start is the last."""
    files: dict[str, str] = {}
    submissions = []
    number = 0
    for level in _levels(items):
        submissions.append("jobs=")
        for start in range(0, len(level), _ARRAY_SIZE):
            members = level[start : start + _ARRAY_SIZE]
            listing = f"items-{number}.txt"
            number += 1
            names = "".join(f"{item.folder.name}\n" for item in members)
            files[listing] = f"{names}{_LISTING_END}\n"
            submissions.append(_SLURM_ARRAY.format(n=len(members), list=listing))
        submissions.append("after=$jobs")
    files["task.sh"] = _SLURM_TASK.format(**values)
    files["submit.sh"] = _SLURM_SUBMIT.format(submissions="\n".join(submissions))
    return files


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
    """Groups of items: those that depend on nothing of the list, then those on these, and so on."""
    depth: dict[str, int] = {}
    for item in items:
        parent = item.spec.parent
        depth[item.uuid] = depth[parent] + 1 if parent in depth else 0
    levels: list[list[Item]] = [[] for _ in range(1 + max(depth.values()))]
    for item in items:
        levels[depth[item.uuid]].append(item)
    return levels
