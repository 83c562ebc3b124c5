"""One job of CaImAn, run by the interpreter that has CaImAn, which has no napari-cnmf.

Usage: ``python _caiman_worker.py --probe`` or ``python _caiman_worker.py REQUEST.json``.

Standard library, numpy and caiman only; Python 3.9 to 3.12, CaImAn 1.10.6 and later. Speaks in
JSON, one object a line, on what was standard output; whatever else CaImAn prints goes to standard
error. Ends with its parent: standard input is a pipe that closes when the parent is gone.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from importlib import import_module, metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# Beside this script lies a package named caiman, which is not CaImAn.
_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _HERE]

# Threads inside pool processes oversubscribe the machine, and deadlock on macOS.
for _variable in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[_variable] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

EXIT_FAILED = 1
EXIT_POOL_DIED = 75
EXIT_ORPHANED = 76

_STAGE_OF_TASK = {
    "tile_and_correct_wrapper": "motion",
    "cnmf_patches": "patches",
    "fft_psd_multithreading": "noise",
    "regression_ipyparallel": "footprints",
    "threshold_components_parallel": "footprints",
    "construct_ellipse_parallel": "footprints",
    "construct_dilate_parallel": "footprints",
    "constrained_foopsi_parallel": "traces",
    "dot_place_holder": "traces",
    "merge_iter": "merging",
    "evaluate_components_placeholder": "evaluation",
}
_STAGE_OF_MESSAGE = (
    ("preprocessing", "noise"),
    ("initializing ...", "initialisation"),
    ("generating template", "motion template"),
    ("updating spatial", "footprints"),
    ("update spatial", "footprints"),
    ("updating temporal", "traces"),
    ("update temporal", "traces"),
    ("merging", "merging"),
    ("deconvolution", "traces"),
    ("refinement", "refinement"),
)


class Voice:
    """Lines to the parent; nothing else can get between them."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self.counting = False

    def say(self, event: str, **values: Any) -> None:
        line = json.dumps({"event": event, **values}, default=str) + "\n"
        try:
            with self._lock:
                self._stream.write(line.encode())
        except OSError:
            end_now(EXIT_ORPHANED)


def end_now(code: int) -> None:
    """End this process and its pool at once; a thread cannot raise in the main one."""
    import multiprocessing

    for child in multiprocessing.active_children():
        child.kill()
    os._exit(code)


def end_with_parent() -> None:
    """Wait for the parent's end of the pipe to close; read bare, so that forks inherit no lock."""
    while os.read(0, 1):
        pass
    end_now(EXIT_ORPHANED)


class CountedPool:
    """What CaImAn takes for a multiprocessing pool; counts tasks, notices dead processes.

    With one process the tasks run here, one after the other, and are counted all the same.
    """

    # CaImAn looks for this word in the type's name.
    __module__ = "multiprocessing.counted"

    def __init__(self, n_processes: int, voice: Voice) -> None:
        import multiprocessing

        self._voice = voice
        self._pool: Any = multiprocessing.Pool(n_processes) if n_processes > 1 else None
        self._closing = False
        if self._pool is not None:
            processes = list(multiprocessing.active_children())
            threading.Thread(target=self._watch, args=(processes,), daemon=True).start()

    def _watch(self, processes: list[Any]) -> None:
        """A pool replaces a dead process and waits for ever for the task it had."""
        while not self._closing:
            dead = [process.pid for process in processes if process.exitcode is not None]
            if dead and not self._closing:
                self._voice.say("pool-died", pids=dead)
                end_now(EXIT_POOL_DIED)
            time.sleep(0.5)

    def map_async(self, function: Callable[..., Any], tasks: Iterable[Any], *_: Any) -> _Pending:
        arguments = list(tasks)
        count = _Count(self._voice, getattr(function, "__name__", ""), len(arguments))
        if self._pool is None:
            self._voice.counting = True
            try:
                return _Pending([_Done(count.of(function(argument))) for argument in arguments])
            finally:
                self._voice.counting = False
        return _Pending(
            [self._pool.apply_async(function, (one,), callback=count.of) for one in arguments]
        )

    def map(
        self, function: Callable[..., Any], tasks: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        return self.map_async(function, tasks, chunksize).get()

    def close(self) -> None:
        self._closing = True
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    terminate = close


class _Count:
    """Says how many of the tasks of one call are done."""

    def __init__(self, voice: Voice, task: str, total: int) -> None:
        self._voice, self._total, self._done = voice, total, 0
        self._stage = _STAGE_OF_TASK.get(task, task.strip("_") or "computing")

    def of(self, result: Any) -> Any:
        self._done += 1
        self._voice.say("progress", stage=self._stage, done=self._done, total=self._total)
        return result


class _Done:
    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self, timeout: float | None = None) -> Any:
        return self._value


class _Pending:
    def __init__(self, results: list[Any]) -> None:
        self._results = results

    def get(self, timeout: float | None = None) -> list[Any]:
        return [result.get(timeout) for result in self._results]


class LogToVoice(logging.Handler):
    """CaImAn's log: its stages as progress, its warnings once each."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(logging.INFO)
        self._voice = voice
        self._seen: set[str] = set()
        self._pid = os.getpid()

    def emit(self, record: logging.LogRecord) -> None:
        in_a_pool = os.getpid() != self._pid
        if in_a_pool or f"{os.sep}caiman{os.sep}" not in record.pathname:
            return
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            if message not in self._seen and len(self._seen) < 100:
                self._seen.add(message)
                self._voice.say("log", message=f"CaImAn: {message}")
            return
        if self._voice.counting:  # the stages of one patch, while patches are counted
            return
        for text, stage in _STAGE_OF_MESSAGE:
            if text in message.lower():
                self._voice.say("progress", stage=stage, done=0, total=1)
                return


def plain(value: Any) -> Any:
    """Parameters as JSON knows them."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def tuples(value: Any) -> Any:
    """JSON has lists alone, CaImAn wants tuples."""
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def like(default: Any, value: Any) -> Any:
    """A whole number as int where CaImAn has one: it counts pixels with some of them."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole and type(default) is int else value


def make_params(request: dict[str, Any], voice: Voice) -> Any:
    """CaImAn's parameters from ours; says what it does not know and what it changed."""
    from caiman.source_extraction.cnmf.params import CNMFParams

    params = CNMFParams()
    known = params.to_dict()
    sent: dict[str, dict[str, Any]] = {}
    for group, values in request["params"].items():
        for key, value in values.items():
            if key in known.get(group, {}):
                sent.setdefault(group, {})[key] = like(known[group][key], tuples(value))
            elif f"{group}.{key}" in request["asked_for"]:
                message = f"{group}.{key} is not a parameter of this CaImAn; it was left out."
                voice.say("warning", message=message)
    if "fnames" in sent.get("data", {}):
        # a tuple would be the single frames of one movie
        sent["data"]["fnames"] = list(sent["data"]["fnames"])
    params.change_params(sent)
    result = params.to_dict()
    for group, values in sent.items():
        for key, value in values.items():
            if group not in ("spatial", "temporal") or key != "nb":
                now = plain(result[group][key])
                if now != plain(value) and value is not None:
                    message = f"CaImAn changed {group}.{key} from {plain(value)} to {now}."
                    voice.say("warning", message=message)
    return params


def load_images(path: str) -> Any:
    """``(T, [Z], Y, X)`` view of a memory map; CaImAn wants its pixels in Fortran order."""
    import numpy as np
    from caiman.mmapping import load_memmap

    pixels, dims, n_frames = load_memmap(path)
    return np.reshape(pixels.T, [n_frames, *dims], order="F")


def correct_motion(request: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """Rigid or piecewise-rigid; the corrected memory map stays in the scratch folder."""
    import numpy as np
    from caiman.motion_correction import MotionCorrect

    params = make_params(request, voice)
    pool = CountedPool(request["n_processes"], voice)
    try:
        options = params.get_group("motion")
        movie = MotionCorrect([request["movie"]], dview=pool, **options)
        voice.say("progress", stage="motion template", done=0, total=1)
        movie.motion_correct(save_movie=True)
    finally:
        pool.close()
    arrays = {"template": movie.total_template_els if movie.pw_rigid else movie.total_template_rig}
    if movie.pw_rigid:
        axes = ["x_shifts_els", "y_shifts_els", "z_shifts_els"][: 3 if movie.is3D else 2]
        nodes = np.stack([np.asarray(getattr(movie, axis)) for axis in axes], axis=-1)
        arrays["nodes"] = nodes
        centres = node_centres(movie, request["dims"], nodes.shape[1])
        if centres is not None:
            arrays["centres"] = centres
        arrays["shifts"] = np.median(nodes, axis=1)
    else:
        arrays["shifts"] = np.asarray(movie.shifts_rig)
    np.savez(Path(request["scratch"]) / "motion.npz", **arrays)
    return {
        "corrected": movie.mmap_file[0],
        "border_px": int(movie.border_to_0),
        "offset": float(-movie.min_mov) if movie.nonneg_movie else 0.0,
    }


def node_centres(movie: Any, dims: list[int], n_nodes: int) -> Any:
    """Centres in px of the patches ``(n_nodes, ndim)``; None where their layout is not known."""
    import numpy as np
    from caiman import motion_correction

    window = "sliding_window_3d" if movie.is3D else "sliding_window"
    frame = np.zeros(dims, dtype=np.uint8)
    finer = tuple(np.round(np.divide(movie.strides, movie.upsample_factor_grid)).astype(int))
    for strides in (movie.strides, finer):
        size = np.add(movie.overlaps, strides)
        patches = list(getattr(motion_correction, window)(frame, movie.overlaps, strides))
        if len(patches) == n_nodes:
            starts = np.array([patch[len(dims) : 2 * len(dims)] for patch in patches])
            return starts + (np.minimum(size, dims) - 1) / 2
    return None


def find_components(request: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """CNMF or CNMF-E, refit where asked, evaluation."""
    from caiman.source_extraction.cnmf.cnmf import CNMF

    params = make_params(request, voice)
    images = load_images(request["movie"])
    n_processes = request["n_processes"]
    pool = CountedPool(n_processes, voice)
    try:
        model = CNMF(n_processes, params=params, dview=pool, Ain=load_seeds(request))
        # fit returns None since 1.12, and the model before
        model = model.fit(images) or model
        if request["refit"] and model.estimates.C.shape[0]:
            voice.say("progress", stage="refit", done=0, total=1)
            model = model.refit(images, dview=pool)
        if model.estimates.C.shape[0]:
            evaluate(model, images, request, voice, pool)
    finally:
        pool.close()
    return save(model, request)


def load_seeds(request: dict[str, Any]) -> Any:
    """``Ain``: bool ``(n_pixels, n)``, pixels in Fortran order."""
    import numpy as np

    if request.get("seeds") is None:
        return None
    with np.load(request["seeds"]) as stored:
        seeds = np.zeros(tuple(stored["shape"]), dtype=bool)
        seeds[stored["rows"], stored["columns"]] = True
    return seeds


def score(request: dict[str, Any], voice: Voice) -> dict[str, Any]:
    """Evaluate a given result again."""
    from caiman.source_extraction.cnmf.cnmf import load_CNMF

    pool = CountedPool(request["n_processes"], voice)
    try:
        model = load_CNMF(request["result"], n_processes=request["n_processes"], dview=None)
        model.params = make_params(request, voice)
        images = load_images(request["movie"])
        if model.estimates.C.shape[0]:
            evaluate(model, images, request, voice, pool)
    finally:
        pool.close()
    return save(model, request)


def evaluate(
    model: Any, images: Any, request: dict[str, Any], voice: Voice, pool: CountedPool
) -> None:
    """CaImAn's scores and rule; without its network where that cannot run."""
    wanted = request["use_cnn"]
    voice.say("progress", stage="evaluation", done=0, total=1)
    if wanted is not False and len(request["dims"]) == 2:
        model.params.quality["use_cnn"] = True
        try:
            model.estimates.evaluate_components(images, model.params, dview=pool)
            return
        # TensorFlow, Keras and missing weights each fail in their own way
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            voice.say(
                "warning" if wanted else "log",
                message="CaImAn's classifier cannot run here, so components are evaluated without "
                f"it ({type(error).__name__}: {str(error)[:200]}). Its interpreter needs "
                "TensorFlow and the models that 'caimanmanager install' puts in place.",
            )
    elif wanted:
        voice.say("warning", message="CaImAn's classifier knows planes only; it is off.")
    model.params.quality["use_cnn"] = False
    model.estimates.evaluate_components(images, model.params, dview=pool)


def save(model: Any, request: dict[str, Any]) -> dict[str, Any]:
    path = str(Path(request["scratch"]) / "from-caiman.hdf5")
    model.dview = None
    model.save(path)
    return {"result": path, "params": plain(model.params.to_dict())}


def version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def probe(voice: Voice) -> None:
    """Say whether this interpreter has CaImAn, without trusting anything it prints."""
    facts: dict[str, Any] = {"python": sys.version.split()[0], "executable": sys.executable}
    spec = util.find_spec("caiman")
    if spec is None:
        voice.say("probe", status="absent", **facts)
        return
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not any((folder / "source_extraction").is_dir() for folder in folders):
        voice.say("probe", status="other", origin=str(spec.origin), **facts)
        return
    facts["package"] = str(folders[0])
    try:
        import_module("caiman.source_extraction.cnmf")
        facts.update(version=version_of("caiman"), scipy=version_of("scipy"))
    # whatever an import of a broken environment raises is the answer
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        voice.say("probe", status="broken", reason=f"{type(error).__name__}: {error}", **facts)
        return
    voice.say("probe", status="found", **facts)


JOBS = {"mcorr": correct_motion, "cnmf": find_components, "cnmfe": find_components}
JOBS["evaluate"] = score


def run(path: str, voice: Voice) -> int:
    """Run the job of a request file; the exit code says how it ended."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    os.environ["CAIMAN_TEMP"] = request["scratch"]
    os.chdir(request["scratch"])
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        voice.say("progress", stage="starting CaImAn", done=0, total=1)
        import_module("caiman.source_extraction.cnmf")
        import_module("numpy").random.seed(request["seed"])
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        root.addHandler(LogToVoice(voice))
        logging.getLogger("caiman").setLevel(logging.INFO)
        result = JOBS[request["algorithm"]](request, voice)
    # the process boundary: the parent makes the error of the item out of it
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        versions = {name: version_of(name) for name in ("caiman", "numpy", "scipy")}
        voice.say("error", kind=type(error).__name__, message=str(error), versions=versions)
        return EXIT_FAILED
    voice.say("result", version=version_of("caiman"), **result)
    return 0


def main() -> int:
    voice = Voice()
    if sys.argv[1:] == ["--probe"]:
        probe(voice)
        return 0
    return run(sys.argv[1], voice)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # Threads of TensorFlow and OpenCV may keep an interpreter from ending.
    os._exit(code)
