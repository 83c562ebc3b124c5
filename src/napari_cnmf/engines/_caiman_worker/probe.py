"""Finds out whether this interpreter has CaImAn, and which."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

from .networks import Networks
from .voice import Voice


def version_of(package: str) -> str:
    """Version of an installed package, ``unknown`` where it does not tell."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package), "__version__", "unknown"))


def package_folder() -> Path:
    """Folder of the package CaImAn, which is not imported for that."""
    spec = util.find_spec("caiman")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    if not folders:
        raise ImportError("CaImAn is not in this environment any more.")
    return Path(folders[0])


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
    # the last word of an import that takes its interpreter along
    voice.say("probe", status="importing", **facts)
    try:
        networks = Networks(folders[0])
        networks.prepare()
        facts["without"] = networks.missing
        import_module("caiman.source_extraction.cnmf")
        facts.update(version=version_of("caiman"), scipy=version_of("scipy"))
    # whatever an import of a broken environment raises is the answer
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        voice.say("probe", status="broken", reason=f"{type(error).__name__}: {error}", **facts)
        return
    voice.say("probe", status="found", **facts)
