"""A folder of samples, safe with several users on a share."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from napari_cnmf._atomic import write_json
from napari_cnmf._checks import check_kind, check_path, shown
from napari_cnmf._names import did_you_mean
from napari_cnmf.errors import ProjectError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.writing import new_folder
from napari_cnmf.io.projects.config import ANIMAL, TRIAL, Column, ProjectConfig
from napari_cnmf.io.projects.sample import (
    JOURNALS,
    NWB_FILE,
    ROIS_FILE,
    SAMPLE_FILE,
    Sample,
    curated_of,
    join_id,
    read_sample,
    sample_id,
    session_of_columns,
)
from napari_cnmf.io.projects.stimuli import check_stimuli
from napari_cnmf.io.spreadsheets import csv_text
from napari_cnmf.model.curation import Curatable, Curation

if TYPE_CHECKING:
    import pandas as pd

PROJECT_FILE = "project.json"
_FORMAT, _VERSION = "napari-cnmf-project", 1
_LOCK_FILE, _SAMPLES = ".lock", "samples"
_LOCK_WAIT_S = 60.0
_MOST_SHOWN = 20


class Project:
    """A folder of samples and the columns that are asked for of each.

    ``samples/<SampleID>/`` holds ``sample.nwb`` (footprints, traces, decisions, tags, history),
    ``sample.json`` (its row) and ``rois.csv``. A sample is written beside its place and moved into
    it, under a lock of the project: two users never mix, and a reader sees it whole or not at
    all. Nothing else is kept: the table is what lies in the folders.

    Examples
    --------
    >>> project = nc.Project.open("my project")                  # doctest: +SKIP
    >>> project.df.query("genotype == 'wt'")                     # doctest: +SKIP
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str | Path, config: ProjectConfig | None = None) -> Project:
        """Make a project; the folder is made if need be.

        Raises
        ------
        ProjectError
            There is one already, or the folder cannot be written.
        """
        folder = _folder_of(path).absolute()
        project = cls(folder)
        columns = ProjectConfig.of(config)
        columns.check_names()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with project._locked():
                if (folder / PROJECT_FILE).exists():
                    raise ProjectError(f"There is a project in {folder} already. Open it.")
                (folder / _SAMPLES).mkdir(exist_ok=True)
                project._write_config(columns)
        except OSError as error:
            raise ProjectError(
                f"A project cannot be made in {folder}: {error.strerror or error}. "
                "Choose a folder where you may write."
            ) from error
        return project

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False) -> Project:
        """Open a project.

        Parameters
        ----------
        create
            Make one where there is none, so that a script can be run again.

        Raises
        ------
        ProjectError
            There is none, or none can be made.
        """
        folder = _folder_of(path).absolute()
        if create and not (folder / PROJECT_FILE).exists():
            return cls.create(folder)
        project = cls(folder)
        _ = project.config
        return project

    def __repr__(self) -> str:
        return f"<Project {str(self.path)!r}, {len(self)} samples>"

    def _repr_html_(self) -> str:
        """The table of samples, as notebooks show it."""
        table = self.df
        n = f"{len(table)} sample{'' if len(table) == 1 else 's'}"
        shown = table.to_html(index=False, max_rows=_MOST_SHOWN, na_rep="")
        return f"<p><b>{escape(self.path.name)}</b>: {n} in {escape(str(self.path))}</p>{shown}"

    @property
    def config(self) -> ProjectConfig:
        """Columns of the project, as they stand now."""
        file = self.path / PROJECT_FILE
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ProjectError(
                f"A project must have a readable {PROJECT_FILE}, {self.path} has not: {error}. "
                "Make a new project, or choose another folder."
            ) from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise ProjectError(f"{file} must be a project of this plugin. Choose another folder.")
        if content.get("version") != _VERSION:
            raise ProjectError(
                f"{file} must have version {_VERSION}, got {content.get('version')}. "
                "Update napari-cnmf."
            )
        return ProjectConfig.of(content.get("config"))

    def add_column(self, column: Column | str) -> None:
        """Add a column; samples that are there have it empty."""
        with self._locked():
            new = Column(name=column) if isinstance(column, str) else column
            check_kind("column", new, Column, ProjectError, needed="a name or a Column")
            self._write_config(self.config.with_column(new))

    # -- samples

    @property
    def ids(self) -> list[str]:
        """Ids of the samples, in alphabetical order."""
        return [sample.id for sample in self.samples]

    @property
    def samples(self) -> list[Sample]:
        """Every sample, by id."""
        try:
            folders = sorted(p for p in (self.path / _SAMPLES).iterdir() if p.name[0] != ".")
        except FileNotFoundError:
            return []
        found = (read_sample(folder) for folder in folders)
        return [sample for sample in found if sample is not None]

    def __getitem__(self, id_: str | int) -> Sample:
        """A sample by its id, or by its position in the table."""
        if isinstance(id_, int | np.integer) and not isinstance(id_, bool):
            samples = self.samples
            if not -len(samples) <= id_ < len(samples):
                raise ProjectError(f"The project has {len(samples)} samples, got position {id_}.")
            return samples[id_]
        if not isinstance(id_, str):
            raise ProjectError(
                f"A sample is named by its SampleID or its position, got {id_!r:.80}."
            )
        sample = read_sample(self.path / _SAMPLES / id_) if _is_name(id_) else None
        if sample is None:
            guess = did_you_mean(id_, self.ids)
            raise ProjectError(
                f"The project has no sample {shown(id_)}.{guess} project.df lists them."
            )
        return sample

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def _ipython_key_completions_(self) -> list[str]:
        """Ids that ``project["...`` can be completed to."""
        return self.ids

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and self._taken(id_) is not None

    @property
    def df(self) -> pd.DataFrame:
        """Table with one row a sample: its id, the project's columns, and figures of the result."""
        import pandas as pd

        columns = ["SampleID", *(column.name for column in self.config.columns)]
        rows = [sample.row for sample in self.samples]
        table = pd.DataFrame(rows)
        missing = {name: None for name in columns if name not in table}
        table = table.assign(**missing) if missing else table
        return table[[*columns, *(name for name in table if name not in columns)]]

    @property
    def rois(self) -> pd.DataFrame:
        """Table with one row a ROI of every sample; columns of the sample first."""
        import pandas as pd

        tables = [sample.rois for sample in self.samples]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def stamp(self) -> tuple[Any, ...]:
        """Stamp that changes when a sample, its decisions or the columns change; reads no file."""
        samples = self.path / _SAMPLES
        files = [self.path / PROJECT_FILE, *samples.glob(f"*/{SAMPLE_FILE}")]
        files += samples.glob(f"*/{JOURNALS}")
        found = []
        for file in sorted(files):
            with suppress(FileNotFoundError):  # removed in between
                found.append((file.parent.name, file.name, file.stat().st_mtime_ns))
        return tuple(found)

    def known_values(self, column: str) -> list[str]:
        """Values that stand in a column so far, for completing what is typed."""
        values = {sample.written.get(column) for sample in self.samples}
        return sorted(str(value) for value in values if value is not None)

    # -- changes

    def add(
        self,
        source: Curatable,
        values: Mapping[str, Any],
        *,
        stimuli: pd.DataFrame | None = None,
        context: Context = NOTHING_KNOWN,
        update: bool = False,
    ) -> Sample:
        """Write a result as a sample.

        Parameters
        ----------
        source
            A result: an item, a sample, a curation or components.
        values
            ``AnimalID``, ``TrialID`` and the project's other columns.
        stimuli
            A row a stimulus: ``start_time`` and ``stop_time`` in seconds, and any other columns.
        context
            Movie, shifts, history and session; the animal's id, date and genotype are put in.
        update
            Replace the sample of this id; otherwise that is refused. Its stimuli stay where no
            others are given.

        Raises
        ------
        ProjectError
            The id is taken (or, for an update, is not there), or a value does not fit.
        ExportError
            The sample cannot be written.
        """
        from napari_cnmf.io.exports.selection import as_curation

        cur = as_curation(source)
        row_values = self.config.read(values)
        id_ = sample_id(str(row_values[ANIMAL]), str(row_values[TRIAL]))
        folder = self.path / _SAMPLES / id_
        before = self._check_id(id_, update=update)
        if before is not None and stimuli is None:
            stimuli = before.stimuli
        if stimuli is not None:
            check_stimuli(stimuli)
        context = replace(context, session=_session(context, row_values), stimuli=stimuli)
        names = (SAMPLE_FILE, NWB_FILE, ROIS_FILE, JOURNALS)
        with ExitStack() as until_moved, new_folder(folder, names) as beside:
            # Written before the lock is taken, so that nobody waits for a long file.
            row = _write(cur, beside, row_values, id_, context)
            until_moved.enter_context(self._locked())
            before = self._check_id(id_, update=update)
            if before is not None:
                row |= {name: before.written.get(name) for name in ("added", "added_by")}
            write_json(beside / SAMPLE_FILE, row)
        return Sample(folder, row)

    def update(self, id_: str, **values: Any) -> Sample:
        """Change values of a sample that is there; its file stays.

        Raises
        ------
        ProjectError
            No such sample, or a value does not fit. The id itself is changed by adding anew.
        """
        with self._locked():
            sample = self[id_]
            config = self.config
            known = {c.name: sample.written.get(c.name) for c in config.columns}
            checked = config.read(known | values)
            if join_id(str(checked[ANIMAL]), str(checked[TRIAL])) != sample.id:
                raise ProjectError(
                    "AnimalID and TrialID name the sample and cannot be changed. "
                    "Add it again under the other name, then remove this one."
                )
            row = {**sample.written, **checked, "changed": _now()}
            write_json(sample.folder / SAMPLE_FILE, row)
        return Sample(sample.folder, row)

    def remove(self, *ids: str) -> None:
        """Take samples out, with their files.

        Raises
        ------
        ProjectError
            No such sample (then none is removed), or another program holds its files.
        """
        with self._locked():
            for sample in [self[id_] for id_ in ids]:
                aside = sample.folder.with_name(f".{sample.folder.name}.removed-{os.getpid()}")
                try:
                    # The whole folder at once: nobody sees half a sample.
                    sample.folder.replace(aside)
                    shutil.rmtree(aside)
                except OSError as error:
                    raise ProjectError(
                        f"{sample.id} cannot be removed: {error.strerror or error}. "
                        "Close what has its files open, then try again."
                    ) from error

    def _check_id(self, id_: str, *, update: bool) -> Sample | None:
        taken = self._taken(id_)
        if update and taken != id_:
            raise ProjectError(f"The project has no sample {id_!r} to update. Add it instead.")
        if not update and taken is not None:
            raise ProjectError(
                f"SampleID must be unique, and the project has {taken!r} already. "
                "Choose another TrialID, or write over that sample with Replace (update=True)."
            )
        return None if taken is None else self[taken]

    def _taken(self, id_: str) -> str | None:
        """Sample of this id, whatever its case: some file systems know none."""
        folder = self.path / _SAMPLES
        names = os.listdir(folder) if folder.is_dir() else []
        return next((name for name in names if _key(name) == _key(id_)), None)

    def _write_config(self, config: ProjectConfig) -> None:
        content = {"format": _FORMAT, "version": _VERSION, "config": config.model_dump(mode="json")}
        write_json(self.path / PROJECT_FILE, content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the project's lock, so that nobody else changes it."""
        try:
            with FileLock(self.path / _LOCK_FILE, timeout=_LOCK_WAIT_S):
                yield
        except Timeout as error:
            raise ProjectError(
                f"Somebody else has been writing to {self.path} for {_LOCK_WAIT_S:.0f} s. "
                f"Try again; if nobody is, remove {_LOCK_FILE} there."
            ) from error


def _write(
    source: Curation,
    folder: Path,
    values: Mapping[str, Any],
    id_: str,
    context: Context,
) -> dict[str, Any]:
    """Write the files of a sample but its row, which is returned."""
    from napari_cnmf.io.exports.nwb import write_nwb_file
    from napari_cnmf.io.exports.selection import select

    curated = curated_of(source, context)
    chosen = select(source, include_rejected=True, context=context)
    write_nwb_file(chosen, folder / NWB_FILE, context)
    (folder / ROIS_FILE).write_bytes(csv_text(curated.rois).encode())
    components = chosen.components
    rate, path = components.frame_rate_hz, chosen.curation.path
    return {
        "SampleID": id_,
        **values,
        **curated.figures,
        "frame_rate_hz": rate,
        "duration_s": None if not rate else components.n_frames / rate,
        "file": f"{_SAMPLES}/{id_}/{NWB_FILE}",
        "source": None if path is None else str(path),
        "added": _now(),
        "added_by": getpass.getuser(),
        "changed": _now(),
    }


def _session(context: Context, values: Mapping[str, Any]) -> Any:
    """Session with what the project knows: animal, trial, date, and columns of its fields."""
    known = session_of_columns(values)
    if context.session.start is not None:
        known.pop("start", None)
    return replace(context.session, **known)


def _key(name: str) -> str:
    """Name as the least particular file system knows it: without case, accents in one form."""
    return unicodedata.normalize("NFC", name).casefold()


def _is_name(id_: Any) -> bool:
    return isinstance(id_, str) and bool(id_) and Path(id_).name == id_ and not id_.startswith(".")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _folder_of(path: Any) -> Path:
    return check_path("The folder of a project", path, ProjectError)
