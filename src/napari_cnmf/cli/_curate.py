"""``napari-cnmf curate``: decisions and edits without a viewer."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf._names import not_one_of
from napari_cnmf.cli._export import read_curation
from napari_cnmf.cli._options import path_option
from napari_cnmf.errors import CurationError, ParameterError
from napari_cnmf.params.numbers import parse_whole

if TYPE_CHECKING:
    from napari_cnmf.model.curation import Curation
    from napari_cnmf.model.why import Explanation


_RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")
_MOST_IDS = 1_000_000


class _InOrder(argparse.Action):
    """Action that keeps edits in the order in which they stand on the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        value = values if isinstance(values, str) else ""
        namespace.edits = [*(namespace.edits or []), (self.dest, value)]


_EDITS = (
    ("accept", "IDS", "accept by hand"),
    ("reject", "IDS", "reject by hand"),
    ("unsure", "IDS", "mark for another look"),
    ("auto", "IDS", "leave it to the thresholds again"),
    ("delete", "IDS", "take out of the result"),
    ("restore", "IDS", "bring back what was deleted"),
    ("merge", "IDS", "make one component of several"),
    ("split", "IDS", "make two components of each, by time course"),
    ("tag", "IDS=TAG", "give a tag, for example 3,4=red"),
    ("untag", "IDS=TAG", "take a tag away"),
    ("note", "IDS=TEXT", "write a note; an empty one removes it"),
    ("set", "quality.KEY=VALUE",
     "an evaluation threshold, for example quality.min_SNR=3; changes only what is auto"),
    ("undo", "", "take the last edit back"),
    ("redo", "", "make it again"),
    ("go-to", "N",
     "go to any point of the history, by its number in --log; 0 is the engine's result"),
)  # fmt: skip
"""Options that edit: their names, what they take, and what they do."""


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
    parser.add_argument("source", type=path_option, metavar="RESULT_OR_ITEM")
    for name, metavar, about in _EDITS:
        parser.add_argument(
            f"--{name}",
            metavar=metavar or None,
            action=_InOrder,
            nargs=None if metavar else 0,
            help=about,
        )
    parser.add_argument("--log", action="store_true", help="print the history")
    parser.add_argument("--list", action="store_true", help="print every component")
    parser.add_argument(
        "--curator", metavar="NAME", help="decide in a journal of your own, beside the main one"
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER",
        help="print the differences to another curation of this result, and the agreement: a "
        "curator's name, a journal, or a saved file",
    )
    parser.add_argument(
        "--why",
        metavar="[Z,]Y,X",
        help="say why there is a cell at this pixel, or none: what was met there, its scores, and "
        "the rule that dropped it",
    )
    parser.add_argument(
        "--learn",
        type=path_option,
        metavar="FILE",
        help="learn from the decisions by hand, from 20 on, and write what was learnt; name the "
        "file in quality.learned of runs and evaluate items",
    )
    parser.add_argument(
        "--and",
        dest="others",
        type=path_option,
        nargs="+",
        default=[],
        metavar="RESULT_OR_ITEM",
        help="further curated results to learn from",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON document: what --list, --log, --why or --compare prints, or, of "
        "several of them and of edits, an object with everything",
    )
    parser.add_argument(
        "--save", type=path_option, metavar="FILE", help="write a curated CaImAn file"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what --save or --learn wrote earlier",
    )
    parser.set_defaults(run_command=run, edits=[])


def run(args: argparse.Namespace) -> int:
    """Make the edits, print what was asked for."""
    for name, value in args.edits:
        _check_words(name, value)
    cur = read_curation(args.source, args.curator)
    changed = _Told(args.json)
    for name, value in args.edits:
        _edit(cur, name, value, changed)
    asked = _Told(args.json)
    if args.log:
        asked.tell("log", _history(cur), _history_text(cur))
    if args.list:
        rows = _rows(cur)
        asked.tell("list", rows, "\n".join(map(_row_text, rows)))
    if args.why is not None:
        found = _why(cur, args.why)
        asked.tell("why", found.to_dict(), str(found))
    if args.learn is not None:
        others = [read_curation(source, args.curator) for source in args.others]
        learned, path = _learn([cur, *others], args.learn, overwrite=args.overwrite)
        changed.tell("learned", str(path), f"{learned}\n{path}")
    if args.save is not None:
        from napari_cnmf.io.exports import write_caiman

        saved = write_caiman(cur, args.save, overwrite=args.overwrite)
        changed.tell("saved", str(saved), str(saved))
    if args.compare is not None:
        from napari_cnmf.io.curation import read_other

        compared = cur.compare(read_other(cur, args.compare))
        lines = [*map(str, compared.differences), compared.summary()]
        asked.tell("compare", compared.to_dict(), "\n".join(lines))
    n_accepted, n = int(cur.accepted.sum()), len(cur.ids)
    if not args.json:
        print(f"{n_accepted} of {n} accepted")
    elif len(asked.values) == 1 and not args.edits and not changed.values:
        print(json.dumps(*asked.values.values()))
    else:
        counts = {"n_components": n, "n_accepted": n_accepted}
        print(json.dumps(counts | changed.values | asked.values))
    return 0


class _Told:
    """Printer of results: at once as text, or kept until all of it is one JSON document."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self.values: dict[str, Any] = {}

    def tell(self, name: str, value: Any, text: str) -> None:
        """Keep a value for the JSON document, or print its text at once."""
        self.values[name] = value
        if text and not self._as_json:
            print(text)


def _check_words(name: str, value: str) -> None:
    """Refuse words that are no lists of ids before the first edit is made."""
    if name in ("tag", "untag", "note"):
        ids, equals, _ = value.partition("=")
        if not equals:
            raise CurationError(f"--{name} must be IDS=TEXT such as 3,4=red, got {value!r}.")
        parse_ids(ids)
    elif name == "go_to":
        _number(value)
    elif name == "set":
        _threshold(value)
    elif name not in ("undo", "redo"):
        parse_ids(value)


def _learn(curations: list[Curation], path: Path, *, overwrite: bool) -> tuple[Any, Path]:
    from napari_cnmf.core.verdict.learning import learn

    learned = learn(curations)
    return learned, learned.save(path, overwrite=overwrite)


def _edit(cur: Curation, name: str, value: str, told: _Told) -> None:
    if name == "undo":
        _require(cur.undo(), "undo: this is the engine's result")
    elif name == "redo":
        _require(cur.redo(), "redo: nothing was undone")
    elif name == "set":
        cur.set_thresholds(**_threshold(value))
    elif name in ("tag", "untag", "note"):
        ids, _, text = value.partition("=")
        write: Callable[[list[int], str], None] = getattr(cur, name)
        write(parse_ids(ids), text)
    elif name == "go_to":
        cur.go_to(_number(value))
    elif name == "merge":
        new = cur.merge(parse_ids(value))
        told.tell("merged", [*told.values.get("merged", []), new], f"merged into {new}")
    elif name == "split":
        for id_ in parse_ids(value):
            parts = cur.split(id_)
            text = f"split {id_} into {', '.join(map(str, parts))}"
            told.tell("split", told.values.get("split", {}) | {str(id_): parts}, text)
    else:
        decide: Callable[[list[int]], None] = getattr(cur, name)
        decide(parse_ids(value))


def _number(text: str) -> int:
    number = parse_whole(text)
    if number is None:
        raise CurationError(f"A point of the history must be a number of --log, got {text!r}.")
    return number


def _require(done: bool, what: str) -> None:
    if not done:
        raise CurationError(f"There is nothing to {what}.")


def _threshold(text: str) -> dict[str, Any]:
    """Read ``quality.min_SNR=3`` as a threshold, as every ``--set`` is read."""
    from napari_cnmf.params import CNMFParams, QualityParams, modern_name

    key, _, value = text.partition("=")
    name = modern_name(key.strip().removeprefix("quality."))
    if name not in QualityParams.model_fields:
        raise ParameterError(not_one_of("A threshold", QualityParams.model_fields, name))
    params = CNMFParams().with_settings([f"quality.{name}={value}"])
    return {name: getattr(params.quality, name)}


def parse_ids(text: str) -> list[int]:
    """Read ``3,7-9`` as ``[3, 7, 8, 9]``.

    Raises
    ------
    CurationError
        When it is no list of ids.
    """
    ids: list[int] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < first + _MOST_IDS:
            raise CurationError(f"Component ids must be numbers such as 3,7-9, got {text!r}.")
        ids.extend(range(first, last + 1))
    return ids


def _history(cur: Curation) -> list[dict[str, Any]]:
    applied = {edit.number for edit in cur.applied}
    return [
        {
            "number": edit.number,
            "time": edit.time,
            "who": edit.who,
            "edit": edit.describe(),
            "applied": edit.number in applied,
            "here": edit.number == cur.here,
        }
        for edit in cur.history
    ]


def _history_text(cur: Curation) -> str:
    lines = []
    for edit in _history(cur):
        mark = ">" if edit["here"] else " " if edit["applied"] else "-"
        lines.append(
            f"{mark} {edit['number']:4d}  {edit['time'][:19]}  {edit['who']}  {edit['edit']}"
        )
    return "\n".join(lines)


def _row_text(values: dict[str, Any]) -> str:
    words = " ".join([*values["tags"], values["note"]]).strip()
    scores = "  ".join(
        f"{name} {'-' if values[name] is None else format(values[name], '.2f')}"
        for name in ("snr", "r_value", "p_soma")
    )
    side = "accepted" if values["accepted"] else "rejected"
    is_by_hand = values["decision"] in ("accepted", "rejected")
    said = "unsure" if values["decision"] == "unsure" else side + " by hand" * is_by_hand
    return f"{values['id']:5d}  {said:17s}  {scores}  {words}".rstrip()


def _rows(cur: Curation) -> list[dict[str, Any]]:
    """Rows of ``cur.df`` as plain values: ``None`` for an unknown score, tags in a list."""
    rows = cur.df.to_dict("records")
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float) and not isfinite(value):
                row[name] = None
        row["tags"] = sorted(cur.tags(row["id"]))
    return [{str(name): value for name, value in row.items()} for row in rows]


def _why(cur: Curation, text: str) -> Explanation:
    from napari_cnmf.model.why import explain_place

    place = [parse_whole(part) for part in text.split(",")]
    if None in place:
        raise ParameterError(f"--why takes a pixel such as 40,25 (y,x), got {text!r}.")
    return explain_place(cur, [pixel for pixel in place if pixel is not None])
