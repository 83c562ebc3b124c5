"""Runs the job of a request file."""

from __future__ import annotations

import json
import logging
import os
import threading
import traceback
from importlib import import_module
from pathlib import Path

from .components import find_components, score
from .log import LogToVoice, rounds_of
from .motion import correct_motion
from .networks import Networks
from .probe import package_folder, version_of
from .voice import EXIT_FAILED, Voice, end_with_parent

JOBS = {"mcorr": correct_motion, "cnmf": find_components, "cnmfe": find_components}
JOBS["evaluate"] = score


def run(path: str, voice: Voice) -> int:
    """Run the job of a request file; the exit code says how it ended."""
    request = json.loads(Path(path).read_text(encoding="utf-8"))
    os.environ["CAIMAN_TEMP"] = request["scratch"]
    os.chdir(request["scratch"])
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        voice.progress("starting CaImAn", 0, 1)
        networks = Networks(package_folder())
        networks.prepare()
        request["no_cnn_because"] = networks.missing
        import_module("caiman.source_extraction.cnmf")
        import_module("numpy").random.seed(request["seed"])
        root = logging.getLogger()
        root.setLevel(logging.INFO)
        root.addHandler(LogToVoice(voice, rounds_of(request)))
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
