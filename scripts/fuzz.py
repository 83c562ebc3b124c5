"""Damages files of every kind that is read and reports what reading them ends in.

Each file is made from a good one by a seed: bytes changed, cut off, doubled or zeroed, and for HDF5
and JSON also values, sizes, types and links. It is read in a child process with limits on time and
memory. What it ends in is one of

right      the content of the good file,
clear      one sentence that names the file or what is wrong in it,
wrong      another content, as where a pixel was changed: nothing can tell,
traceback  an exception that is not ours,
crash      the child ended,
hang       no answer in time.

    python scripts/fuzz.py --files 300 --kinds results nwb
    python scripts/fuzz.py --kinds results --seed 17 --show
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "tests" / "data"
OUTCOMES = ("right", "clear", "wrong", "traceback", "crash", "hang")
BAD = ("traceback", "crash", "hang")
_MEMORY_BYTES = 6 * 2**30
_LONGEST_SENTENCE = 1500


# -- good files, one folder each


def make_results(folder: Path) -> None:
    for name in ("2d", "1p", "3d"):
        shutil.copy(DATA / f"result-{name}.hdf5", folder / f"{name}.hdf5")
    make_journal(folder)
    from napari_cnmf.io.curation import open_curation, save_curated

    save_curated(open_curation(folder / "result.hdf5"), folder / "curated.hdf5")
    (folder / "result.hdf5").unlink()
    (folder / "result.hdf5.curation.jsonl").unlink()


def make_journal(folder: Path) -> None:
    from napari_cnmf.io.curation import open_curation

    shutil.copy(DATA / "result-2d.hdf5", folder / "result.hdf5")
    cur = open_curation(folder / "result.hdf5")
    cur.reject([1])
    cur.tag([2], "dim")
    cur.note(3, "looks round")
    cur.undo()


def make_nwb(folder: Path) -> None:
    import napari_cnmf as nc
    from napari_cnmf.io.caiman import read_caiman

    nc.export(read_caiman(DATA / "result-2d.hdf5"), "nwb", folder / "file.nwb")


def make_suite2p(folder: Path) -> None:
    import napari_cnmf as nc
    from napari_cnmf.io.caiman import read_caiman

    nc.export(read_caiman(DATA / "result-2d.hdf5"), "suite2p", folder / "suite2p")


def make_rois(folder: Path) -> None:
    import napari_cnmf as nc
    from napari_cnmf.io.caiman import read_caiman

    nc.export(read_caiman(DATA / "result-2d.hdf5"), "imagej", folder / "cells.zip")


def make_footprints(folder: Path) -> None:
    import scipy.sparse as sp

    A = sp.random(48 * 64, 5, density=0.01, format="csc", rng=np.random.default_rng(0))
    for kind in ("csc", "csr", "coo"):
        sp.save_npz(folder / f"{kind}.npz", A.asformat(kind))
    labels = np.zeros((48, 64), np.int32)
    labels[4:9, 5:11], labels[20:30, 40:44] = 1, 2
    np.save(folder / "labels.npy", labels)
    seg: Any = {"masks": labels, "filename": "x.tif", "flows": [labels.astype(np.float32)]}
    np.save(folder / "cells_seg.npy", seg)


def make_pickles(folder: Path) -> None:
    for source in sorted(DATA.parent.rglob("*.pickle")):
        shutil.copy(source, folder / source.name)


def make_tiff(folder: Path) -> None:
    import tifffile

    frames = np.random.default_rng(0).integers(0, 99, (12, 16, 20)).astype(np.uint16)
    tifffile.imwrite(folder / "plain.tif", frames, photometric="minisblack")
    tifffile.imwrite(folder / "imagej.tif", frames, imagej=True, metadata={"finterval": 0.1})
    tifffile.imwrite(folder / "zlib.ome.tif", frames, compression="zlib", metadata={"axes": "TYX"})


def make_arrays(folder: Path) -> None:
    import h5py

    frames = np.random.default_rng(0).integers(0, 99, (12, 16, 20)).astype(np.uint16)
    np.save(folder / "movie.npy", frames)
    with h5py.File(folder / "movie.h5", "w") as file:
        file.create_dataset("mov", data=frames, chunks=(4, 16, 20), compression="gzip")


def make_zarr(folder: Path) -> None:
    import zarr

    frames = np.random.default_rng(0).integers(0, 99, (12, 16, 20)).astype(np.uint16)
    array = zarr.create_array(folder / "movie.zarr", shape=frames.shape, chunks=(4, 16, 20),
                              dtype=frames.dtype)  # fmt: skip
    array[:] = frames


def make_items(folder: Path) -> None:
    import napari_cnmf as nc

    np.save(folder / "movie.npy", np.random.default_rng(0).integers(0, 9, (9, 24, 28)))
    batch = nc.Batch.create(folder / "batch")
    for name, rate in (("one", 10.0), ("two", 20.0)):
        batch.add("cnmf", folder / "movie.npy", params={"data": {"fr": rate}}, name=name)


def make_outputs(folder: Path) -> None:
    """Files of an item that are no JSON: pictures, shifts, given cells and mask, edited shapes."""
    import scipy.sparse as sp

    from napari_cnmf.io import write_images
    from napari_cnmf.io.curation.arrays import FileArrayStore
    from napari_cnmf.io.motion import write_motion
    from napari_cnmf.model.curation import EditedComponent

    rng = np.random.default_rng(0)
    image = rng.normal(size=(48, 64))
    write_images(folder / "images.npz", {"mean": image, "max": image + 1})
    write_motion(
        folder / "motion.h5", shifts=rng.normal(size=(40, 2)), border_px=3, template=image,
        field=np.zeros((40, 2, 2, 2)), nodes=[np.arange(2), np.arange(2)],
        figures={"max_shift_px": 2.0},
    )  # fmt: skip
    sp.save_npz(folder / "ain.npz", sp.random(48 * 64, 5, density=0.01, format="csc", rng=rng))
    np.save(folder / "mask.npy", image > 0)
    made = EditedComponent(
        np.arange(9), np.ones(9, np.float32), np.ones(40, np.float32), YrA=np.zeros(40, np.float32)
    )
    FileArrayStore(folder / "curation.h5").write(1, [made, made])


# -- readers: what they return is hashed


def read_result(path: Path) -> Any:
    from napari_cnmf.io.curation import open_curation

    cur = open_curation(path)
    return cur.components.A.toarray(), cur.components.C, cur.accepted, cur.components.snr


def read_imported(path: Path) -> Any:
    from napari_cnmf.io.imports import read_import

    found = read_import(path)
    return found.components.A.toarray(), found.components.C, found.components.accepted


def read_suite2p(path: Path) -> Any:
    from napari_cnmf.io.regions import read_footprints

    plane = next(path.parent.rglob("ops.npy"), path).parent
    return read_imported(plane), read_footprints(plane, (48, 64)).toarray()


def read_cells(path: Path) -> Any:
    from napari_cnmf.io.regions import read_footprints

    return read_footprints(path, (48, 64)).toarray()


def read_table(path: Path) -> Any:
    from napari_cnmf.io.table_pickle import read_table_pickle

    return str(read_table_pickle(path).columns)


def read_movie(path: Path) -> Any:
    from napari_cnmf.io import open_movie

    movie = open_movie(_of_folder(path, ".zarr"))
    last = movie.shape[0] - 1
    return movie.shape, np.asarray(movie.data[0]), np.asarray(movie.data[last])


def read_journal(path: Path) -> Any:
    return read_result(path.parent / "result.hdf5")


def read_output(path: Path) -> Any:
    from napari_cnmf.io import read_images
    from napari_cnmf.io.archives import read_sparse
    from napari_cnmf.io.curation.arrays import FileArrayStore
    from napari_cnmf.io.motion import read_motion
    from napari_cnmf.io.pickled import read_plain_array

    match path.name:
        case "images.npz":
            return sorted(read_images(path).items())
        case "motion.h5":
            return sorted(vars(read_motion(path)).items())
        case "ain.npz":
            return read_sparse(path).toarray()
        case "mask.npy":
            return read_plain_array(path)
        case _:
            return [sorted(vars(made).items()) for made in FileArrayStore(path).read(1)]


def read_batch(path: Path) -> Any:
    import napari_cnmf as nc

    batch = nc.Batch.open(_of_folder(path, "batch"))
    return [(item.name, str(item.state), item.algorithm, str(item.error)) for item in batch]


def _of_folder(path: Path, ending: str) -> Path:
    return next((p for p in path.parents if p.name.endswith(ending)), path)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any], str]] = {
    "results": (make_results, read_result, "*.hdf5"),
    "nwb": (make_nwb, read_imported, "*.nwb"),
    "suite2p": (make_suite2p, read_suite2p, "**/*.npy"),
    "rois": (make_rois, read_cells, "*.zip"),
    "footprints": (make_footprints, read_cells, "*.np?"),
    "pickles": (make_pickles, read_table, "*.pickle"),
    "tiff": (make_tiff, read_movie, "*.tif"),
    "arrays": (make_arrays, read_movie, "movie.*"),
    "zarr": (make_zarr, read_movie, "**/movie.zarr/**/*"),
    "journals": (make_journal, read_journal, "*.jsonl"),
    "outputs": (make_outputs, read_output, "*.*"),
    "items": (make_items, read_batch, "batch/**/*.json*"),
}
"""For each kind: what makes the good files, what reads one, and which files are damaged."""


# -- damage


def damage(path: Path, rng: np.random.Generator) -> None:
    """Change one file in place."""
    if path.suffix in (".hdf5", ".h5", ".nwb") and rng.random() < 0.5:
        _damage_hdf5(path, rng)
    elif path.suffix in (".json", ".jsonl") and rng.random() < 0.6:
        _damage_text(path, rng)
    else:
        path.write_bytes(_damage_bytes(bytearray(path.read_bytes()), rng))


def _damage_bytes(data: bytearray, rng: np.random.Generator) -> bytes:
    # headers hold what decides, so they are hit more often
    near = len(data) if rng.random() < 0.5 else min(len(data), 4096)
    if not near:
        return b"\0"
    for _ in range(int(rng.choice([1, 1, 2, 8, 64]))):
        at = int(rng.integers(near))
        match int(rng.integers(7)):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at] = int(rng.integers(256))
            case 2:
                extremes = (b"\xff" * 4, b"\x00" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")
                extreme = extremes[int(rng.integers(4))]
                data[at : at + len(extreme)] = extreme
            case 3:
                data[at : at + 64] = bytes(min(64, len(data) - at))
            case 4:
                data[at:at] = data[at : at + int(rng.integers(1, 40))]
            case 5:
                del data[at : at + int(rng.integers(1, 40))]
            case _:
                if rng.random() < 0.2:
                    del data[at:]
        near = max(1, min(near, len(data)))
        if not data:
            return b""
    return bytes(data)


_TEXTS = ("null", "-1", "1e400", "NaN", '""', "[]", "{}", "true", '"\\u001b[31m"', "9" * 40,
          '"0001-01-01T00:00:00"', '"../../etc"', "[" * 3000, '"x"')  # fmt: skip


def _damage_text(path: Path, rng: np.random.Generator) -> None:
    text = path.read_text("utf-8", "replace")
    starts = [i for i, c in enumerate(text) if c == ":"]
    if not starts:
        path.write_text("")
        return
    start = starts[int(rng.integers(len(starts)))] + 1
    ends = [i for i in (text.find(c, start) for c in ",}\n") if i > 0]
    value = _TEXTS[int(rng.integers(len(_TEXTS)))]
    path.write_text(text[:start] + value + text[min(ends, default=len(text)) :])


def _damage_hdf5(path: Path, rng: np.random.Generator) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = names[int(rng.integers(len(names)))]
        node = file[name]
        values: Any = node[()] if isinstance(node, h5py.Dataset) else None
        match int(rng.integers(9)):
            case 0:
                del file[name]
            case 1:
                del file[name]
                file[name] = h5py.SoftLink("/")
            case 2:
                del file[name]
                file[name] = h5py.ExternalLink("/etc/hostname", "/")
            case 3 if isinstance(values, np.ndarray) and values.size and values.dtype.kind in "iuf":
                flat = values.ravel().copy()
                top = np.iinfo(flat.dtype).max if flat.dtype.kind in "iu" else np.inf
                choices: list[Any] = [0, top, flat.max(), flat.min()]
                if flat.dtype.kind != "u":
                    choices.append(-1)
                flat[int(rng.integers(flat.size))] = choices[int(rng.integers(len(choices)))]
                node[...] = flat.reshape(values.shape)
            case 4:
                del file[name]
                file.create_dataset(name, shape=(2**20, 2**14), dtype="f8", chunks=(64, 64))
            case 5:
                del file[name]
                file[name] = np.zeros(3, dtype=[("a", "i4"), ("b", "S5")])
            case 6 if isinstance(values, np.ndarray) and values.ndim:
                del file[name]
                file[name] = values[: len(values) // 2]
            case 7:
                del file[name]
                file.create_dataset(name, (64,), "u1", external=[("/etc/passwd", 0, 64)])
            case _:
                del file[name]
                odd = (b"\xff\xfe", 7, -1.5, "NoneType", np.zeros((0, 3)), np.bool_(True))
                file[name] = odd[int(rng.integers(len(odd)))]


# -- the child


def run_child(kind: str, folder: Path, seeds: range, show: bool) -> None:
    """Damage and read one file a seed; a line before and a line after each."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    _, read, pattern = KINDS[kind]
    good = folder / "good"
    names = sorted(p.relative_to(good) for p in good.glob(pattern) if p.is_file())
    if not names:
        raise SystemExit(f"There are no good files of the kind {kind}.")
    expected = {name: _hash_of(read(good / name)) for name in names}
    out.write(json.dumps({"ready": len(names)}) + "\n")
    for seed in seeds:
        rng = np.random.default_rng([seed, len(kind)])
        name = names[int(rng.integers(len(names)))]
        copy = folder / "damaged"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(good, copy)
        damage(copy / name, rng)
        out.write(json.dumps({"start": seed, "file": str(name)}) + "\n")
        outcome, said = _outcome(read, copy / name, expected[name], show)
        out.write(json.dumps({"end": seed, "outcome": outcome, "said": said}) + "\n")


def _outcome(read: Callable[[Path], Any], path: Path, expected: str, show: bool) -> tuple[str, str]:
    from napari_cnmf.errors import CnmfError

    try:
        found = _hash_of(read(path))
    except CnmfError as error:
        said = str(error)
        is_sentence = said.rstrip().endswith((".", "?")) and len(said) <= _LONGEST_SENTENCE
        return ("clear" if is_sentence else "traceback"), said
    # whatever else is raised is what is looked for
    except BaseException as error:  # noqa: BLE001
        if show:
            traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        return "traceback", f"{type(error).__name__}: {str(error)[:200]} ({where.name})"
    return ("right" if found == expected else "wrong"), ""


def _hash_of(value: Any) -> str:
    digest = hashlib.blake2b(digest_size=8)

    def add(part: Any) -> None:
        if isinstance(part, tuple | list):
            for item in part:
                add(item)
        elif isinstance(part, np.ndarray):
            digest.update(repr((part.shape, part.dtype.str)).encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())

    add(value)
    return digest.hexdigest()


# -- the parent


def fuzz(
    kind: str, n_files: int, *, first: int = 0, seconds: float = 60.0, show: bool = False
) -> tuple[Counter[str], list[tuple[str, int, str, str]]]:
    """Damage and read files of one kind.

    Parameters
    ----------
    kind
        A key of ``KINDS``.
    n_files
        How many.
    first
        The first seed; the others follow.
    seconds
        Longest time for one file, and ten times that for the good ones.
    show
        Print tracebacks.

    Returns
    -------
    counts
        How many files ended in each of ``OUTCOMES``.
    bad
        ``(outcome, seed, file, message)`` of what must not be.
    """
    counts: Counter[str] = Counter()
    bad: list[tuple[str, int, str, str]] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "good").mkdir()
        KINDS[kind][0](folder / "good")
        seed: int | None = first
        while seed is not None and seed < first + n_files:
            command = [sys.executable, __file__, "--child", kind, str(folder), str(seed),
                       str(first + n_files), *(["--show"] if show else [])]  # fmt: skip
            seed = _one_child(command, seconds, counts, bad)
    return counts, bad


def _one_child(
    command: list[str],
    seconds: float,
    counts: Counter[str],
    bad: list[tuple[str, int, str, str]],
) -> int | None:
    """Run a child until it has done all seeds, ended or hung; the seed to go on with."""
    errors = None if "--show" in command else subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    lines: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=listen, daemon=True).start()
    started: tuple[int, str] | None = None
    wait = 10 * seconds
    outcome = "crash"
    while True:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            outcome = "hang"
            break
        if line is None:
            break
        event = json.loads(line)
        wait = seconds
        if "start" in event:
            started = (event["start"], event["file"])
        elif "end" in event and started is not None:
            counts[event["outcome"]] += 1
            if event["outcome"] in BAD:
                bad.append((event["outcome"], *started, event["said"]))
                print(f"  {bad[-1]}", file=sys.stderr, flush=True)
            started = None
    process.kill()
    code = process.wait()
    if started is None and (code not in (0, -9) or not counts.total()):
        raise RuntimeError(f"{command} ended with {code} before it read a file.")
    if started is None:
        return None
    counts[outcome] += 1
    bad.append((outcome, *started, f"exit code {code}"))
    return started[0] + 1


def main() -> int:
    """Fuzz the kinds that are named and print a table; 1 where something bad was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=list(KINDS))
    parser.add_argument("--files", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--show", action="store_true", help="print tracebacks")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        kind, folder, start, stop = args.child
        run_child(kind, Path(folder), range(int(start), int(stop)), args.show)
        return 0
    print(f"{'':12}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
    all_bad = []
    for kind in args.kinds:
        first, n = (args.first, args.files) if args.seed is None else (args.seed, 1)
        counts, bad = fuzz(kind, n, first=first, show=args.show)
        print(f"{kind:12}" + "".join(f"{counts[o]:10}" for o in OUTCOMES), flush=True)
        all_bad += [(kind, *one) for one in bad]
    for kind, outcome, seed, name, said in all_bad:
        print(f"{outcome} {kind} --seed {seed} ({name}): {said}")
    return 1 if all_bad else 0


if __name__ == "__main__":
    sys.exit(main())
