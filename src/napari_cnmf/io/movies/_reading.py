"""Reads the files of one recording: TIFF as a set, others one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_cnmf.errors import MovieError
from napari_cnmf.io.movies._cycle import Cycle
from napari_cnmf.io.movies._damage import OFFER, told_as_damage
from napari_cnmf.io.movies._files import Given, runs_by_folder
from napari_cnmf.io.movies._formats import TIFF, Opener, counts_images, format_of, opener_for
from napari_cnmf.io.movies._recording import Recording
from napari_cnmf.io.movies._request import ChoiceNeededError, Request
from napari_cnmf.io.movies._session import join
from napari_cnmf.io.movies.sidecars.facts import with_sidecar
from napari_cnmf.io.movies.sidecars.miniscope import DESCRIPTIONS as MINISCOPE_FILES
from napari_cnmf.io.movies.sidecars.miniscope import read_miniscope

_POINTER = b"version https://git-lfs"
_LARGEST_POINTER = 1024


def read_files(given: Given, request: Request) -> Recording:
    """Read the files of one recording by the reader of their format."""
    files = given.files
    _refuse_pointers(files)
    if len(files) > 0 and all(format_of(path) == TIFF for path in files):
        from napari_cnmf.io.movies.tiff import read_tiffs

        where = files[0] if len(files) == 1 else files[0].parent
        with told_as_damage(where):
            return read_tiffs(list(files), request, is_folder=given.is_folder)
    return _read_others(files, request)


def _refuse_pointers(files: Sequence[Path]) -> None:
    """Refuse a file in whose place Git left the name of a large file."""
    path = files[0]
    if path.is_dir() or path.stat().st_size > _LARGEST_POINTER:
        return
    with path.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise MovieError(
                f"{path} must be the movie itself, got a pointer of Git LFS to it. Fetch the movie "
                "with: git lfs pull."
            )


def _refuse_empty(path: Path) -> None:
    """Refuse a file without a byte, before a library says so in words of its own."""
    if path.is_file() and path.stat().st_size == 0:
        raise MovieError(
            f"{path} must be a recording, got an empty file of 0 bytes. Copy it again from where "
            "it was recorded."
        )


def _read_each(
    files: Sequence[Path], request: Request
) -> tuple[list[Recording], list[Path], list[str]]:
    """Read files by themselves: their recordings, which they are, and sentences on the others.

    Raises
    ------
    MovieError
        A file cannot be read; where others can, the message offers these.
    """
    without = replace(
        request, n_channels=None, n_planes=None, n_flyback=None,
        channel=None if request.has_cycle else request.channel,
    )  # fmt: skip
    recordings: list[Recording] = []
    read: list[Path] = []
    errors: list[tuple[Path, MovieError]] = []
    for index, path in enumerate(files):
        try:
            opener = opener_for(path)
            _refuse_empty(path)
            with told_as_damage(path):
                recording = (
                    opener(path, request)
                    if counts_images(path)
                    else _opened(opener, path, without, request)
                )
            if request.has_cycle and not counts_images(path):
                cycle = Cycle.of_request(request)
                is_last = index == len(files) - 1
                recording = cycle.of(recording, request.channel, str(path), is_last=is_last)
        except ChoiceNeededError:
            raise
        except MovieError as error:
            errors.append((path, error))
        else:
            recordings.append(recording)
            read.append(path)
    if errors and not recordings:
        raise errors[0][1]
    if errors and not request.allow_missing:
        first = errors[0][1]
        raise MovieError(
            f"{first} The other files can be read: {OFFER.removeprefix('or ')}."
        ) from first
    return recordings, read, [f"Left out, because: {error}" for _, error in errors]


def _read_others(files: Sequence[Path], request: Request) -> Recording:
    """Read files that are no TIFF, one after the other."""
    runs = runs_by_folder(files, MINISCOPE_FILES)
    return join([_read_folder(run, request) for run in runs], [run[0] for run in runs])


def _read_folder(files: Sequence[Path], request: Request) -> Recording:
    """Read files that lie in one folder, with what describes them there."""
    recordings, files, remarks = _read_each(files, request)
    recording = join(recordings, files)
    recording = replace(recording, remarks=(*recording.remarks, *remarks))
    if format_of(files[0]) == "_video.open_video" and not request.has_cycle:
        n_frames, *field_px = recording.store.shape
        beside = read_miniscope(files, n_frames, (field_px[-2], field_px[-1]))
        recording = with_sidecar(recording, beside)
    return recording


def _opened(opener: Opener, path: Path, without: Request, request: Request) -> Recording:
    try:
        recording: Recording = opener(path, without)
    except ChoiceNeededError as error:
        if error.option != "channel" or not request.has_cycle:
            raise
        if len(error.choices) == request.n_channels:
            # The user repeats what the file says itself.
            chosen = Cycle.of_request(request).check_channel(request.channel)
            recording = opener(path, replace(without, channel=chosen))
            return recording
        raise MovieError(
            f"n_channels must be left out for {path}, got {request.n_channels}: the file says "
            f"itself that it has {len(error.choices)} channels. Give channel= alone."
        ) from error
    return recording
