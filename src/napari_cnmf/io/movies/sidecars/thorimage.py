"""Reads ThorImage's ``Experiment.xml`` beside TIFF files of one image each, or a raw file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from napari_cnmf.io.movies._clock import Start, start_of_seconds
from napari_cnmf.io.movies._recording import number_or_none, positive_or_none
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, field_of

SOURCE = "ThorImage Experiment.xml"
NAME = "Experiment.xml"
_FRAME = re.compile(r"(Chan\w+?)_\d+_\d+_(\d+)_(\d+)\.tiff?", re.IGNORECASE)
"""Name of a single image: channel, plane, and the time at the end."""


@dataclass(frozen=True)
class ThorExperiment:
    """Settings in ``Experiment.xml``.

    Attributes
    ----------
    n_rows, n_columns
        Pixels of a frame; 0 where it does not say.
    n_planes, n_flyback
        Planes of a volume and images after each that show none; 1 and 0 without fast Z.
    facts
        Rate, pixel size and channels.
    n_images
        Images of each channel that were to be streamed, flyback among them; 0 where it does not
        say.
    """

    n_rows: int
    n_columns: int
    n_planes: int
    n_flyback: int
    facts: SidecarFacts
    n_images: int = 0


def read_thor_experiment(folder: Path) -> ThorExperiment | None:
    """Read ``Experiment.xml`` of a folder; ``None`` where there is none of ThorImage."""
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return None
    if "Thor" not in root.tag:
        return None
    lsm = root.find("LSM")
    lsm = root.find("Camera") if lsm is None or lsm.get("pixelX") is None else lsm
    stage, streaming = root.find("ZStage"), root.find("Streaming")
    is_fast = streaming is not None and streaming.get("zFastEnable") == "1"
    n_planes = _int(stage, "steps") or 1 if is_fast else 1
    n_flyback = _int(streaming, "flybackFrames") if is_fast and n_planes > 1 else 0
    rate = _number(lsm, "frameRate")
    averaged = (
        _number(lsm, "averageNum") if lsm is not None and lsm.get("averageMode") == "1" else 1
    )
    if rate is not None:
        rate /= (averaged or 1) * (n_planes + n_flyback if n_planes > 1 else 1)
    size = _number(lsm, "pixelSizeUM")
    if size is None and (width := _number(lsm, "widthUM")) and (n := _number(lsm, "pixelX")):
        size = width / n
    spacing = {} if size is None else {"Y": size, "X": size}
    step = (
        None
        if stage is None
        else positive_or_none(abs(number_or_none(stage.get("stepSizeUM")) or 0))
    )
    if step is not None and n_planes > 1:
        spacing["Z"] = step
    channels = tuple(
        str(one.get("name")) for one in root.findall("Wavelengths/Wavelength") if one.get("name")
    )
    size_px = None if lsm is None else field_of(lsm.get("pixelY"), lsm.get("pixelX"))
    facts = SidecarFacts(
        SOURCE, rate, "frameRate", spacing, channels, field_px=size_px, start=_start(root)
    )
    is_streamed = streaming is not None and streaming.get("enable") == "1" and averaged == 1
    return ThorExperiment(
        _int(lsm, "pixelY"), _int(lsm, "pixelX"), n_planes, n_flyback, facts,
        _int(streaming, "frames") if is_streamed else 0,
    )  # fmt: skip


def _start(root: ElementTree.Element) -> Start | None:
    """Start in whole seconds, which are counted from 1970."""
    return start_of_seconds(_number(root.find("Date"), "uTime"), 1.0, f"{SOURCE}, Date")


def contradictions(experiment: ThorExperiment, names: Sequence[str]) -> list[str]:
    """Remarks on files whose names count other channels or planes than the experiment does."""
    found = [match for name in names if (match := _FRAME.fullmatch(name))]
    if not found:
        return []
    remarks = []
    named, there = experiment.facts.channels, sorted({match[1] for match in found})
    if named and len(named) != len(there):
        remarks.append(
            f"The {SOURCE} names the channels {', '.join(named)} and the files are of "
            f"{', '.join(there)}: images are missing, or it belongs to another recording."
        )
    n_planes, n_there = experiment.n_planes, len({match[2] for match in found})
    if n_planes > 1 and n_there not in (n_planes, n_planes + experiment.n_flyback):
        remarks.append(
            f"The {SOURCE} tells of volumes of {n_planes} planes and the files are of {n_there}. "
            "The frame rate is that of volumes: say frame_rate_hz= or n_planes= if that is wrong."
        )
    return remarks


def images_of_planes(
    experiment: ThorExperiment, files: Sequence[Path]
) -> tuple[list[Path], list[str], list[str]]:
    """Files of one image each without those of the flyback, and names that say plane and time.

    Returns
    -------
    files, names
        Those that show planes, and a name of each with ``z`` and ``t`` before the numbers; the own
        names where there are no planes, or the files are not ThorImage's single images.
    remarks
        Sentences on files that are left out.
    """
    own = [path.name for path in files]
    found = [_FRAME.fullmatch(name) for name in own]
    planes = sorted({int(match[2]) for match in found if match})
    if None in found or len(planes) < 2:
        return list(files), own, []
    shown = set(planes)
    if 1 < experiment.n_planes == len(planes) - experiment.n_flyback:
        shown = set(planes[: experiment.n_planes])
    kept = [(p, m) for p, m in zip(files, found, strict=True) if m and int(m[2]) in shown]
    left_out = len(files) - len(kept)
    remarks = [f"{left_out} flyback images are left out."] if left_out else []
    names = [f"z{match[2]}_t{match[3]}_{match[1]}.tif" for _, match in kept]
    return [path for path, _ in kept], names, remarks


def is_preview(name: str) -> bool:
    """Whether a file is one of ThorImage's previews rather than a frame."""
    return re.search(r"preview", name, re.IGNORECASE) is not None


def _number(element: ElementTree.Element | None, name: str) -> float | None:
    return None if element is None else positive_or_none(element.get(name))


def _int(element: ElementTree.Element | None, name: str) -> int:
    return int(_number(element, name) or 0)
