"""``napari-cnmf curate``: decisions and edits without a viewer."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.cli._export import read_curation
from napari_cnmf.errors import CurationError, ParameterError

if TYPE_CHECKING:
    from napari_cnmf.model.curation import Curation

Edits = list[tuple[str, str]]


class _InOrder(argparse.Action):
    """Keeps edits in the order they stand on the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        value = values if isinstance(values, str) else ""
        namespace.edits = [*(namespace.edits or []), (self.dest, value)]


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "curate",
        help="accept, reject, merge, undo: what the curation dock does",
        description=(
            "Edit the curation of a result, in the order given. IDS are component ids such as "
            "3,7-9. Everything is written to the journal beside the result, which itself never "
            "changes. The last line is how many components are accepted."
        ),
    )
    parser.add_argument("source", type=Path, metavar="RESULT_OR_ITEM")
    for name, about in (
        ("accept", "accept by hand"),
        ("reject", "reject by hand"),
        ("unsure", "mark for another look"),
        ("auto", "leave it to the thresholds again"),
        ("delete", "take out of the result"),
        ("restore", "bring back what was deleted"),
        ("merge", "make one component of several"),
        ("split", "make two components of each, by time course"),
    ):
        parser.add_argument(f"--{name}", metavar="IDS", action=_InOrder, help=about)
    parser.add_argument(
        "--tag", metavar="IDS=TAG", action=_InOrder, help="give a tag, for example 3,4=red"
    )
    parser.add_argument(
        "--set",
        metavar="quality.KEY=VALUE",
        action=_InOrder,
        help="an evaluation threshold, for example quality.min_SNR=3; changes only what is auto",
    )
    parser.add_argument("--undo", action=_InOrder, nargs=0, help="take the last edit back")
    parser.add_argument("--redo", action=_InOrder, nargs=0, help="make it again")
    parser.add_argument("--log", action="store_true", help="print the history")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write a curated CaImAn file")
    parser.set_defaults(run_command=run, edits=[])


def run(args: argparse.Namespace) -> int:
    """Make the edits, print what was asked for."""
    cur = read_curation(args.source)
    for name, value in args.edits:
        _edit(cur, name, value)
    if args.log:
        _print_history(cur)
    if args.save is not None:
        from napari_cnmf.io.curation import save_curated

        print(save_curated(cur, args.save))
    print(f"{int(cur.accepted.sum())} of {len(cur.ids)} accepted")
    return 0


def _edit(cur: Curation, name: str, value: str) -> None:
    if name == "undo":
        _require(cur.undo(), "undo: this is the engine's result")
    elif name == "redo":
        _require(cur.redo(), "redo: nothing was undone")
    elif name == "set":
        cur.set_thresholds(**_threshold(cur, value))
    elif name == "tag":
        ids, _, tag = value.partition("=")
        cur.tag(parse_ids(ids), tag)
    elif name == "merge":
        print(f"merged into {cur.merge(parse_ids(value))}")
    elif name == "split":
        for id_ in parse_ids(value):
            print(f"split {id_} into {', '.join(map(str, cur.split(id_)))}")
    else:
        decide: Callable[[list[int]], None] = getattr(cur, name)
        decide(parse_ids(value))


def _require(done: bool, what: str) -> None:
    if not done:
        raise CurationError(f"There is nothing to {what}.")


def _threshold(cur: Curation, text: str) -> dict[str, Any]:
    """``quality.min_SNR=3`` as a threshold, read like every ``--set``."""
    from napari_cnmf.params import CNMFParams

    key, _, value = text.partition("=")
    name = key.strip().removeprefix("quality.")
    if name not in type(cur.quality).model_fields:
        known = ", ".join(type(cur.quality).model_fields)
        raise ParameterError(f"A threshold must be one of {known}, got {key!r}.")
    params = CNMFParams().with_settings([f"quality.{name}={value}"])
    return {name: getattr(params.quality, name)}


def parse_ids(text: str) -> list[int]:
    """``3,7-9`` as ``[3, 7, 8, 9]``.

    Raises
    ------
    CurationError
        When it is no list of ids.
    """
    ids: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            ids.extend(range(int(first), int(last if dash else first) + 1))
        except ValueError as error:
            raise CurationError(
                f"Component ids must be numbers such as 3,7-9, got {text!r}."
            ) from error
    return ids


def _print_history(cur: Curation) -> None:
    applied = {edit.number for edit in cur.applied}
    for edit in cur.history:
        mark = ">" if edit.number == cur.here else " " if edit.number in applied else "-"
        print(f"{mark} {edit.number:4d}  {edit.time[:19]}  {edit.who}  {edit.describe()}")
