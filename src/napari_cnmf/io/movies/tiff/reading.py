"""Finds which program wrote the files, and the recording that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from napari_cnmf.io.movies._files import runs_by_folder
from napari_cnmf.io.movies._names import (
    channel_groups,
    position_groups,
    with_numbered_channels,
)
from napari_cnmf.io.movies._recording import Recording, fact_of_channels
from napari_cnmf.io.movies._request import Request, chosen_channel, chosen_of
from napari_cnmf.io.movies._session import join, join_volumes
from napari_cnmf.io.movies.sidecars.bruker import PrairieScan, find_prairie_xml, read_prairie_xml
from napari_cnmf.io.movies.sidecars.facts import SidecarFacts, with_sidecar
from napari_cnmf.io.movies.sidecars.micromanager import NAME as MICROMANAGER_TEXT
from napari_cnmf.io.movies.sidecars.micromanager import read_micromanager_text
from napari_cnmf.io.movies.sidecars.thorimage import NAME as THOR_XML
from napari_cnmf.io.movies.sidecars.thorimage import (
    contradictions,
    images_of_planes,
    read_thor_experiment,
)
from napari_cnmf.io.movies.tiff.chain import read_chain
from napari_cnmf.io.movies.tiff.ndtiff import INDEX, read_ndtiff
from napari_cnmf.io.movies.tiff.ome import OmeSet, read_ome_set
from napari_cnmf.io.movies.tiff.one_file import read_one
from napari_cnmf.io.movies.tiff.pages import has_one_image, open_tiff
from napari_cnmf.io.movies.tiff.scanimage import read_scanimage
from napari_cnmf.io.movies.tiff.scanimage_settings import read_settings
from napari_cnmf.io.movies.tiff.sets import read_ome, read_prairie
from napari_cnmf.io.movies.tiff.singles import (
    open_singles,
    read_singles,
    without_empty,
    without_pictures,
)
from napari_cnmf.model.description import Fact


def read_tiffs(files: Sequence[Path], request: Request, *, is_folder: bool) -> Recording:
    """Open the TIFF files of one recording.

    Parameters
    ----------
    files
        In the order of the user, or of a folder's names.
    request
        What the user says.
    is_folder
        Whether the files are all those of a folder, rather than a list that the user made.
    """
    files, remarks = without_empty(files, request)
    if is_folder:
        files, told = without_pictures(files)
        remarks = [*remarks, *told]
    runs = runs_by_folder(files, (THOR_XML, MICROMANAGER_TEXT, INDEX, "*.xml"))
    recording = join(
        [_read(run, request, is_folder=is_folder) for run in runs], [run[0] for run in runs]
    )
    return replace(recording, remarks=tuple(dict.fromkeys((*recording.remarks, *remarks))))


def _read(files: Sequence[Path], request: Request, *, is_folder: bool) -> Recording:
    folder = files[0].parent
    unused: list[str] = []
    if request.axes is None:
        scan = _prairie_scan(files)
        if scan is not None and files[0].name in scan.files:
            return read_prairie(scan, files, request, is_folder=is_folder)
        if scan is not None:
            unused.append(
                f"{scan.path.name} is Bruker's description of a recording, but names other files "
                f"than {files[0].name}: it is not used."
            )
    if request.axes is None and (folder / INDEX).is_file():
        found = read_ndtiff(folder, files, request)
        if found is not None:
            return found
    with open_tiff(files[0]) as tiff:
        settings = read_settings(tiff)
        is_one_image = has_one_image(tiff)
    if settings is not None and request.axes is None and not (is_one_image and len(files) > 8):
        return read_scanimage(files, settings, request)
    thor = read_thor_experiment(folder)
    notes = thor.facts if thor is not None else read_micromanager_text(folder)
    unused += _not_understood(folder, {THOR_XML: thor, MICROMANAGER_TEXT: notes})
    names = [path.name for path in files]
    if thor is not None:
        unused += contradictions(thor, names)
        files, names, told = images_of_planes(thor, files)
        unused += told
    if notes is not None:
        names = with_numbered_channels(names, notes.channels)
    one_set = read_ome_set(files[0], request)
    if one_set is not None and (len(one_set.files) > 1 or one_set.of_others & set(files[1:])):
        recording = _read_sets(files, one_set, request, notes)
    else:
        recording = _read_files(files, names, request, notes, is_folder=is_folder)
    recording = replace(recording, remarks=(*recording.remarks, *unused))
    return with_sidecar(recording, notes)


def _prairie_scan(files: Sequence[Path]) -> PrairieScan | None:
    path = find_prairie_xml(files[0].parent)
    if path is None or any(file.parent != files[0].parent for file in files[1:]):
        return None
    return read_prairie_xml(path)


def _read_sets(
    files: Sequence[Path],
    one_set: OmeSet,
    request: Request,
    notes: SidecarFacts | None,
) -> Recording:
    """Read one OME-TIFF set, or several one after the other."""
    recordings, names = [], []
    rest = list(files)
    current: OmeSet | None = one_set
    while rest:
        if current is None:
            recordings.append(read_one(rest[0], request))
            names.append(rest.pop(0))
        else:
            members = (set(current.files) | {current.where, rest[0]}) - current.of_others
            mine = [path for path in rest if path in members]
            recordings.append(read_ome(current, mine, request, notes))
            names.append(rest[0])
            rest = [path for path in rest if path not in members | current.of_others]
        current = read_ome_set(rest[0], request) if rest else None
    return join(recordings, names)


def _not_understood(folder: Path, found: Mapping[str, object | None]) -> list[str]:
    """Sentences on descriptions beside the files that are damaged or of another program.

    Parameters
    ----------
    found
        What was understood of each description, by the name of its file.
    """
    found = {**found, f"{folder.name}.xml": find_prairie_xml(folder)}
    return [
        f"{name} beside the files cannot be understood: it is not used."
        for name, understood in found.items()
        if understood is None and (folder / name).is_file()
    ]


def _read_files(
    files: Sequence[Path],
    file_names: Sequence[str],
    request: Request,
    notes: SidecarFacts | None,
    *,
    is_folder: bool,
) -> Recording:
    """Read files of one image each, of one channel each, or one after the other."""
    is_of_images = len(files) > 1 and request.axes in (None, "TYX")
    singles = open_singles(files, request) if is_of_images else None
    if singles is not None or is_folder:
        groups = position_groups(file_names, are_images=singles is not None)
        if groups is not None:
            return _read_position(files, file_names, groups, request, notes)
    if singles is not None:
        return read_singles(singles, file_names, request, notes, is_folder=is_folder)
    axes = request.axes.upper() if request.axes is not None else ""
    if len(files) > 1 and "Z" in axes and "T" not in axes:
        of_planes = replace(request, axes=axes.replace("Z", "T"))
        volumes = [read_one(path, of_planes, is_last=False) for path in files]
        return join_volumes(volumes, files)
    groups = channel_groups([path.name for path in files]) if not request.has_cycle else None
    if groups is not None and len({path.parent for path in files}) == 1:
        names = tuple(groups)
        channel = chosen_channel(names, request.channel, files[0].parent, "file names")
        mine = [files[k] for k in groups[names[channel]]]
        without = replace(request, channel=None)
        recording = _in_turn(mine, without)
        facts = {**recording.facts, "channels": fact_of_channels(names, channel, "file names")}
        counts = {name: _count([files[k] for k in members]) for name, members in groups.items()}
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        remarks = (f"The channels differ in length: {told} images.",)
        told_lengths = remarks if len(set(counts.values())) > 1 else ()
        return replace(
            recording,
            facts=facts,
            remarks=(*recording.remarks, *told_lengths),
            settled=("channel",),
        )
    return _in_turn(files, request)


def _read_position(
    files: Sequence[Path],
    file_names: Sequence[str],
    groups: Mapping[str, list[int]],
    request: Request,
    notes: SidecarFacts | None,
) -> Recording:
    """Read the files of one position of the stage."""
    labels = tuple(groups)
    why = "by the file names these are positions of the stage, each a movie of its own"
    place = chosen_of("field", labels, request.field, files[0].parent, why) or 0
    mine = groups[labels[place]]
    recording = _read_files(
        [files[k] for k in mine], [file_names[k] for k in mine], request, notes, is_folder=True
    )
    recording.metadata["field"] = place
    text = f"{len(labels)} positions of the stage: {labels[place]} is analysed"
    facts = {**recording.facts, "scan_fields": Fact(list(labels), text, "file names")}
    return replace(recording, facts=facts, settled=("field", *recording.settled))


def _count(files: Sequence[Path]) -> int:
    """Number of images in files, by the places of their pixels alone."""
    return sum(len(read_chain(path).offsets) for path in files)


def _in_turn(files: Sequence[Path], request: Request) -> Recording:
    """Read files one after the other."""
    recordings = [
        read_one(path, request, is_last=index == len(files) - 1, is_part=len(files) > 1)
        for index, path in enumerate(files)
    ]
    return join(recordings, files)
