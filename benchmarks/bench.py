"""The engines against simulated truth: time, memory, accuracy, ratio.

    python benchmarks/bench.py [GROUP ...] [--engines builtin,caiman,suite2p] [--out TABLE.md]

Each engine runs in a process of its own, beside CaImAn and suite2p where they are found.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bench_suite2p as suite2p
import napari_cnmf
from bench_measure import Measured, RunFailed, as_json, kept, measure
from bench_rows import GROUPS, Row, rows_of
from napari_cnmf._overwriting import ExportKind, new_file
from napari_cnmf.cli import EXIT_NOT_COMPLETED, EXIT_OK, EXIT_USAGE
from napari_cnmf.engines import get_engine
from napari_cnmf.errors import CnmfError, EngineError, ParameterError

_MADE_BY = "<!-- made by: benchmarks/bench.py"
_TABLE = ExportKind("table of bench", lambda path: path.read_bytes().startswith(_MADE_BY.encode()))
_HEADER = (
    "| movie | engine | CPU s | wall s | peak GB | F1 found | trace corr. | F1 accepted | "
    "precision / recall | CPU ratio |\n|---|---|---|---|---|---|---|---|---|---|"
)


def build_parser() -> argparse.ArgumentParser:
    """Options of the script."""
    parser = argparse.ArgumentParser(
        description="Run each engine in its own process on simulated recordings whose truth is "
        "known: CPU seconds (imports included), peak memory, accuracy. CaImAn takes part where its "
        f"interpreter is found, suite2p where {suite2p.PYTHON_VARIABLE} names one or it is "
        "installed here. The table goes to stdout, or to --out as markdown.",
    )
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; default: table"
    )
    parser.add_argument(
        "--engines",
        default="auto",
        help="of builtin, caiman, suite2p, with commas; auto: those found",
    )
    parser.add_argument("--rows", nargs="*", type=int, help="only these rows of each group, from 0")
    parser.add_argument(
        "--repeat", type=int, default=2, help="runs of the built-in engine; the cheapest counts"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table to this file")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FILE",
        help="write the figures of each run to this file, and take those that lie there already",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a run instead")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script; returns its exit code, with the words of the command line."""
    try:
        return run(build_parser().parse_args(argv))
    except CnmfError as error:
        print(f"Error: {error}", file=sys.stderr)
        return EXIT_USAGE


def run(args: argparse.Namespace) -> int:
    """Simulate, run, score and print; rewrite ``--out`` after each run."""
    groups = args.groups or ["table"]
    unknown = [g for g in groups if g not in GROUPS]
    if unknown or args.repeat < 1:
        raise ParameterError(
            f"bench takes groups of {', '.join(GROUPS)} and --repeat >= 1, got "
            f"{', '.join(groups)} and {args.repeat}."
        )
    engines = choose_engines(args.engines)
    rows = [row for g in groups for i, row in enumerate(rows_of(g)) if chosen(args.rows, i)]
    lines, complete = [_HEADER], True
    if not args.json:
        print(_HEADER, flush=True)
    with tempfile.TemporaryDirectory(prefix="napari-cnmf-bench-") as name:
        folder = Path(name)
        before = kept(args.keep)
        if "builtin" in engines:
            _warm_up(folder)
        for row in rows:
            there = {e: m for (*key, e), m in before.items() if key == [row.group, row.name]}
            missing = [engine for engine in engines if engine not in there]
            new = _run_row(row, missing, folder, args.repeat) if missing else {}
            _append(args.keep, [as_json(row, *pair) for pair in new.items()])
            both = there | new
            results = {engine: both[engine] for engine in (*engines, *there) if engine in both}
            for engine, measured in results.items():
                complete &= not isinstance(measured, str)
                line = table_line(row, engine, measured, results.get("builtin"))
                print(as_json(row, engine, measured) if args.json else line, flush=True)
                lines.append(line)
            if args.out is not None:
                with new_file(args.out, _TABLE, overwrite=True) as beside:
                    beside.write_text(document(groups, lines), encoding="utf-8")
    return EXIT_OK if complete else EXIT_NOT_COMPLETED


def _append(path: Path | None, lines: list[str]) -> None:
    if path is not None and lines:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


def chosen(rows: list[int] | None, i: int) -> bool:
    """Whether row ``i`` of a group was asked for."""
    return rows is None or i in rows


def choose_engines(asked: str) -> list[str]:
    """Names of the engines that run; for ``auto`` those that are there."""
    everyone = {
        "builtin": None,
        "caiman": get_engine("caiman").unavailable_reason(),
        "suite2p": suite2p.unavailable_reason(),
    }
    names = list(everyone) if asked == "auto" else [name.strip() for name in asked.split(",")]
    for name in names:
        if name not in everyone:
            raise ParameterError(f"--engines takes {', '.join(everyone)}, got {name!r}.")
        reason = everyone[name]
        if reason is not None and asked != "auto":
            raise EngineError(reason)
        if reason is not None:
            print(f"{name} does not take part: {reason}", file=sys.stderr)
    return [name for name in names if everyone[name] is None]


def _warm_up(folder: Path) -> None:
    """Compile the kernels, so that no row pays for it, and what pip compiles when it installs."""
    compileall.compile_dir(Path(napari_cnmf.__file__).parent, quiet=2)
    row = rows_of("smoke")[0]
    measure(row, "builtin", row.simulate(folder / "warm-up.npy"), folder)


def _run_row(row: Row, engines: list[str], folder: Path, repeat: int) -> dict[str, Measured | str]:
    """Figures of each engine on one recording, or the sentence why there are none."""
    path = folder / "movie.npy"
    recording = row.simulate(path)
    results: dict[str, Measured | str] = {}
    for engine in engines:
        if engine != "builtin" and (row.cold or row.memory_gb or row.n_processes):
            # These rows turn knobs that the others do not have.
            continue
        n = repeat if engine == "builtin" and not row.cold else 1
        try:
            runs = [measure(row, engine, recording, folder) for _ in range(n)]
        except RunFailed as error:
            results[engine] = str(error)
        else:
            results[engine] = min(runs, key=lambda run: run.cpu_s)
    path.unlink()
    return results


def table_line(row: Row, engine: str, measured: Measured | str, own: Measured | str | None) -> str:
    """Line of the table; the ratio is CPU time over the built-in engine's."""
    if isinstance(measured, str):
        return f"| {row.name} | {engine} | {measured} | | | | | | | |"
    m = measured
    ratio = f"{m.cpu_s / own.cpu_s:.1f}" if isinstance(own, Measured) else ""
    return (
        f"| {row.name} | {engine} | {m.cpu_s:.1f} | {m.wall_s:.1f} | {m.peak_gb:.2f} | "
        f"{m.f1_found:.3f} | {m.trace_correlation:.4f} | {m.f1:.3f} | "
        f"{m.precision:.3f} / {m.recall:.3f} | {ratio} |"
    )


def document(groups: list[str], lines: list[str]) -> str:
    """The table with what one must know to read it, as a document."""
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"{_MADE_BY} {' '.join(groups)} -->\n\n"
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}{load}. "
        "CPU seconds are user + system of the worker process and its children, imports and the "
        "writing of the result included, kernels cached; memory is theirs together, sampled. F1 by "
        "footprint cosine >= 0.6, one to one; found counts all components, accepted those that the "
        "two-photon preset accepts, of suite2p what its classifier calls a cell; all cells of the "
        "truth count, silent ones too.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
