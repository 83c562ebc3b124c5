"""One sample: a folder with an NWB file, its row of the table, and a table of its ROIs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.errors import ParameterError, ProjectError, ResultError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context, Session
from napari_cnmf.io.imports.nwb import opened_nwb
from napari_cnmf.io.projects.config import ANIMAL, DATE, TRIAL
from napari_cnmf.io.spreadsheets import read_table
from napari_cnmf.params.numbers import read_number

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.model.components import Components
    from napari_cnmf.model.curation import Curation

SAMPLE_FILE, NWB_FILE, ROIS_FILE = "sample.json", "sample.nwb", "rois.csv"
JOURNALS = f"{NWB_FILE}.curation*"
_BETWEEN = "-_-"
_DEVICES = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
_FORMULA = tuple("=+-@")
_LONGEST = 150
"""Bytes of an id: some file systems take 255 for a name, encrypted ones 143 letters."""
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')


def sample_id(animal: str, trial: str) -> str:
    """``AnimalID-_-TrialID``, the name of the sample's folder.

    Raises
    ------
    ProjectError
        What no folder may be called on some system, and what spreadsheets take for a formula.
    """
    for name, text in ((ANIMAL, animal), (TRIAL, trial)):
        if _FORBIDDEN.search(text) or text != text.strip(" .") or _BETWEEN in text:
            raise ProjectError(
                f'{name} becomes the name of a folder: it must have none of <>:"/\\|?* and '
                f"{_BETWEEN}, and not end in a dot, got {text!r}."
            )
        if not text.isprintable():
            raise ProjectError(f"{name} must be of signs that can be seen, got {text!r}.")
        if text.partition(".")[0].strip().casefold() in _DEVICES:
            raise ProjectError(
                f"{name} must not be the name of a device of Windows, got {text!r}. "
                f"Write for example {text}1."
            )
        if text[:1] in _FORMULA:
            raise ProjectError(
                f"{name} must begin with a letter or a digit, got {text!r}: spreadsheets take it "
                "for a formula."
            )
    joined = join_id(animal, trial)
    if len(joined.encode("utf-8")) > _LONGEST:
        raise ProjectError(
            f"{ANIMAL} and {TRIAL} become the name of a folder: together they must have at most "
            f"{_LONGEST} bytes, got {len(joined.encode('utf-8'))}. Shorten one of them."
        )
    return joined


def join_id(animal: str, trial: str) -> str:
    """Join the ids of animal and trial to that of a sample, unchecked."""
    return f"{animal}{_BETWEEN}{trial}"


@dataclass(frozen=True, eq=False)
class Curated:
    """Figures of a curated result that a project shows.

    Attributes
    ----------
    figures
        ``n_components``, ``n_accepted`` and ``tags``, as they stand in the sample's row.
    rois
        One row a component.
    """

    figures: dict[str, Any]
    rois: pd.DataFrame


_curated: dict[Path, tuple[tuple[Any, ...], Curated]] = {}
"""What was read of a sample's journals, with the stamp they had then."""


def curated_of(source: Curation | Components, context: Context = NOTHING_KNOWN) -> Curated:
    """Compute figures and table of ROIs of a result as it stands now."""
    import pandas as pd

    from napari_cnmf.io.exports.selection import select

    chosen = select(source, include_rejected=True)
    figures = {
        "n_components": chosen.n_components,
        "n_accepted": int(chosen.accepted.sum()),
        "tags": "; ".join(sorted({tag for tags in chosen.tags for tag in tags})),
    }
    rois = pd.DataFrame(chosen.table(context.pixel_size_um(chosen.components)))
    return Curated(figures, rois)


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """One recording in a project, with its result.

    Attributes
    ----------
    folder
        Named by the sample's id.
    written
        The row of the table as it was written, ``SampleID`` first.
    """

    folder: Path
    written: dict[str, Any]

    def __repr__(self) -> str:
        accepted, found = self.row.get("n_accepted"), self.row.get("n_components")
        return f"<Sample {self.id!r}: {accepted} of {found} accepted>"

    @property
    def id(self) -> str:
        """Id of the sample, which names its folder."""
        return str(self.written["SampleID"])

    @property
    def row(self) -> dict[str, Any]:
        """Row of the sample; counts and tags follow what was decided since it was added."""
        curated = self._curated()
        return self.written if curated is None else {**self.written, **curated.figures}

    def _curated(self) -> Curated | None:
        """Figures after later decisions about the sample; ``None`` while there are none."""
        journals = sorted(self.folder.glob(JOURNALS))
        stamp = tuple((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in journals)
        if not stamp:
            return None
        known = _curated.get(self.folder)
        if known is None or known[0] != stamp:
            known = _curated[self.folder] = (stamp, curated_of(self.curation()))
        return known[1]

    @property
    def path(self) -> Path:
        """Path of the sample's NWB file."""
        return self.folder / NWB_FILE

    @property
    def rois(self) -> pd.DataFrame:
        """Table with one row a ROI: the sample's row, then id, decision, place, scores, words."""
        import pandas as pd

        curated = self._curated()
        try:
            rois = read_table(self.folder / ROIS_FILE) if curated is None else curated.rois.copy()
        except ResultError as error:
            raise ProjectError(
                f"The table of ROIs of {self.id} cannot be read: {error}. Update the sample."
            ) from error
        rois["accepted"] = rois["accepted"].astype(bool)
        own = pd.DataFrame([self.row] * len(rois), columns=list(self.row))
        own = own.drop(columns=[name for name in ("tags",) if name in own])
        return pd.concat([own, rois.reset_index(drop=True)], axis=1)

    @property
    def session(self) -> Session:
        """Animal and session, as far as the project's columns name them."""
        return Session(**session_of_columns(self.row))

    def curation(self) -> Curation:
        """Open the result inside, with its decisions; further ones lie beside it."""
        from napari_cnmf.io.imports import open_import

        return open_import(self.path)

    @property
    def stimuli(self) -> pd.DataFrame | None:
        """Read the table of stimuli in the NWB file, where there is one."""
        with opened_nwb(self.path) as nwbfile:
            intervals = nwbfile.intervals or {}
            return intervals["stimuli"].to_dataframe() if "stimuli" in intervals else None

    @property
    def history_trace(self) -> list[dict[str, Any]]:
        """History of the result."""
        with opened_nwb(self.path) as nwbfile:
            text = str(nwbfile.get_scratch("history_trace"))
        return list(json.loads(text))


def read_sample(folder: Path) -> Sample | None:
    """Read the sample in a folder; ``None`` where there is none, or not any more."""
    try:
        row = json.loads((folder / SAMPLE_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ProjectError(
            f"{folder / SAMPLE_FILE} cannot be read: {error}. Remove the sample and add it again."
        ) from error
    if not isinstance(row, Mapping) or "SampleID" not in row:
        raise ProjectError(f"{folder / SAMPLE_FILE} must be a sample of this plugin.")
    return Sample(folder, dict(row))


def session_of_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a session in a row of a project's table.

    Parameters
    ----------
    values
        A sample's row. ``AnimalID``, ``TrialID`` and ``date`` are the animal, the session and its
        start; other columns count where they have the name of a field, such as ``species``,
        ``sex``, ``age`` or ``Excitation nm``: case, blanks and underscores make no difference.
    """
    names = {field.name.replace("_", ""): field.name for field in fields(Session)}
    found: dict[str, Any] = {}
    for column, value in values.items():
        name = names.get(str(column).casefold().replace("_", "").replace(" ", ""))
        if name is None or name in ("start", "keywords") or value in (None, ""):
            continue
        if name in ("excitation_nm", "emission_nm"):
            with suppress(ParameterError):
                found[name] = float(read_number(str(value), name))
        elif name == "experimenter":
            found[name] = tuple(part.strip() for part in str(value).split(";") if part.strip())
        else:
            found[name] = str(value)
    if values.get(DATE):
        with suppress(ValueError):  # a project may keep its dates as free text
            day = date.fromisoformat(str(values[DATE])[:10])
            found["start"] = datetime.combine(day, time()).astimezone()
    return found | {"subject_id": str(values[ANIMAL]), "session_id": str(values[TRIAL])}
