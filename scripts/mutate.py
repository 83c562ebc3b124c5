"""Halve and double each constant of the engine, and see whether a test notices.

Each constant is changed in a copy of the sources, one at a time, and the tests of its step run
until one fails. What no test notices is printed at the end. All of them take hours; name some:

    python scripts/mutate.py                        every constant
    python scripts/mutate.py verdict finding/merge  those of a folder, of a file
    python scripts/mutate.py --sample 20 --seed 3   twenty by chance
    python scripts/mutate.py --list                 what there is, without a test
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = Path("src/napari_cnmf")
_WORST_S = 1800

TESTS = {
    "lab": ("tests/lab",),
    "matching": ("tests/matching",),
    "motion": ("tests/core_motion",),
    "": ("tests/core", "tests/curation", "tests/engines"),
}
"""Tests of the folders of ``core``; the empty name stands for all others."""

COST = (
    "_AT_ONCE", "_BLOCK", "_BLOCKS", "_BLOCK_BYTES", "_BYTES", "_COLUMNS", "_BOXES", "_PIECES",
    "_PIXELS", "_ROOM", "_ROWS", "_SITES", "_BAND", "_BINS", "_COMPONENTS", "_CHECK_EVERY_S",
    "_KEPT_DAYS", "_LINES", "_READERS", "_STRETCH", "_MOST_BYTES", "_HELD_BYTES", "_READ_BYTES",
    "_COURSES_TOGETHER", "_BLOCKS_OF_FRAMES", "BLOCK_BYTES", "SUB_BLOCK_BYTES", "KEEP_BYTES",
    "PART_BYTES", "BINS_TOGETHER", "_FEW_TOGETHER", "DENSE", "GROWTH", "_ATTEMPTS",
)  # fmt: skip
"""Names of numbers that decide what a run costs, and nothing of what it finds."""


@dataclass(frozen=True)
class Constant:
    """A number, or a tuple of numbers, that a module of the engine names.

    Attributes
    ----------
    path
        The module, relative to the sources' package.
    name
        As the module spells it.
    line
        Where its value begins, from 1.
    value
        Its value, as Python's parser has it.
    span
        First and last character of the value in the module's text.
    """

    path: Path
    name: str
    line: int
    value: ast.expr
    span: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name} = {ast.unparse(self.value)}"


def find_constants(package: Path) -> list[Constant]:
    """Every constant of the engine that decides what is found, in the order of the files."""
    found = [c for path in sorted((package / "core").rglob("*.py")) for c in _of(path, package)]
    return [constant for constant in found if constant.name not in COST]


def _of(path: Path, package: Path) -> Iterator[Constant]:
    text = path.read_text(encoding="utf-8")
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.parse(text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        target = node.target if isinstance(node, ast.AnnAssign) else target
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        if isinstance(target, ast.Name) and target.id.isupper() and _is_number(node.value):
            value = node.value
            assert value.end_lineno is not None
            assert value.end_col_offset is not None
            # Columns are counted in bytes, which are characters in these lines of plain ASCII.
            span = (
                starts[value.lineno - 1] + value.col_offset,
                starts[value.end_lineno - 1] + value.end_col_offset,
            )
            yield Constant(path.relative_to(package), target.id, value.lineno, value, span)


def _is_number(node: ast.expr) -> bool:
    """Whether an expression is made of numbers alone, and of other constants."""
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and all(map(_is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return _is_number(node.left) and _is_number(node.right)
    if isinstance(node, ast.UnaryOp):
        return _is_number(node.operand)
    if isinstance(node, ast.Name):
        return node.id.isupper()
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def changed(value: ast.expr, factor: float) -> str:
    """The source of a value times a factor; whole numbers stay whole, and at least 1."""
    if isinstance(value, ast.Tuple):
        return f"({', '.join(changed(element, factor) for element in value.elts)},)"
    times = f"lambda v: max(1, round(v * {factor})) if isinstance(v, int) else v * {factor}"
    return f"({times})({ast.unparse(value)})"


def is_noticed(constant: Constant, factor: float, copy: Path, python: Path) -> bool:
    """Whether a test of the constant's step fails while the constant is changed in the copy."""
    module = copy / constant.path
    text = module.read_text(encoding="utf-8")
    start, end = constant.span
    module.write_text(text[:start] + changed(constant.value, factor) + text[end:], encoding="utf-8")
    try:
        return not tests_pass(tests_of(constant), copy.parent, python)
    finally:
        module.write_text(text, encoding="utf-8")


def tests_of(constant: Constant) -> tuple[str, ...]:
    """The test folders that a constant's step has."""
    return TESTS.get(constant.path.parts[1], TESTS[""])


def tests_pass(tests: tuple[str, ...], sources: Path, python: Path) -> bool:
    """Run tests with the sources of a folder; one that hangs has noticed the change."""
    environment = os.environ | {"PYTHONPATH": str(sources)}
    command = [str(python), "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=False, capture_output=True, timeout=_WORST_S
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(done.stdout.decode()[-2000:] + done.stderr.decode()[-2000:])
    return done.returncode == 0


def main() -> int:
    """Change the constants that are asked for; returns 1 where one was not noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("places", nargs="*", help="folders or files of core, or names")
    parser.add_argument("--sample", type=int, help="take so many by chance")
    parser.add_argument("--seed", type=int, default=0, help="of the chance")
    parser.add_argument("--list", action="store_true", help="name the constants and stop")
    parser.add_argument("--python", type=Path, default=Path(sys.executable))
    args = parser.parse_args()
    chosen = [
        constant
        for constant in find_constants(ROOT / _PACKAGE)
        if not args.places or any(place in str(constant) for place in args.places)
    ]
    if args.sample is not None:
        chosen = random.Random(args.seed).sample(chosen, min(args.sample, len(chosen)))
    if args.list:
        print(*chosen, sep="\n")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder:
        copy = Path(folder) / "napari_cnmf"
        shutil.copytree(ROOT / _PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for tests in {tests_of(constant) for constant in chosen}:
            if not tests_pass(tests, copy.parent, args.python):
                parser.error(f"{' '.join(tests)} must pass before anything is changed.")
        missed = []
        for constant in chosen:
            for factor in (0.5, 2.0):
                began = time.perf_counter()
                noticed = is_noticed(constant, factor, copy, args.python)
                took = f"{time.perf_counter() - began:.0f} s"
                verdict = "noticed" if noticed else "NOT NOTICED"
                print(f"{constant}, times {factor:g}: {verdict} ({took})", flush=True)
                if not noticed:
                    missed.append(f"{constant}, times {factor:g}")
    print(f"{len(missed)} of {2 * len(chosen)} changes were not noticed.", *missed, sep="\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
