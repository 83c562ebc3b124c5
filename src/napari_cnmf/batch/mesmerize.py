"""A batch of mesmerize-core (a pickled table and a folder an item) becomes items of ours.

The pickle is read as data and never executed, see `napari_cnmf.io.table_pickle`. Items keep their
uuids, so that importing twice adds nothing twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from napari_cnmf._checks import check_path, check_switch, shown
from napari_cnmf.batch import _mesmerize_results as results_of
from napari_cnmf.batch.adding import params_hash
from napari_cnmf.batch.inputs import describe_movie
from napari_cnmf.batch.item import Item
from napari_cnmf.batch.spec import ItemSpec, MovieInput
from napari_cnmf.batch.status import ErrorInfo, State, Status
from napari_cnmf.batch.store import add_item_folder
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError, CnmfError, MovieError, ParameterError
from napari_cnmf.io import open_movie
from napari_cnmf.io.table_pickle import read_table_pickle
from napari_cnmf.params import CNMFParams, read_foreign

if TYPE_CHECKING:
    from napari_cnmf.batch.batch import Batch

_COLUMNS = {"algo", "item_name", "input_movie_path", "params", "outputs", "uuid"}
_MOTION_OUTPUT = "mcorr-output-path"


@dataclass
class Imported:
    """Result of an import: what was added, and what was left out."""

    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left out or is still missing, a sentence each."""


def import_mesmerize(
    batch: Batch,
    table: str | Path,
    *,
    movies: str | Path | None = None,
    results: bool = True,
) -> Imported:
    """Add the items of a mesmerize-core batch, with what they have found.

    Parameters
    ----------
    batch
        Where they go.
    table
        The pickled DataFrame of mesmerize-core; the folders of its items lie beside it.
    movies
        The folder that was mesmerize-core's ``parent_raw_data_path``, or where the movies are now.
    results
        Take results along: components are copied, corrected movies written as TIFF. Without, or
        where they are not there, items are queued to be run here.

    Raises
    ------
    BatchError
        When the file is no such table, or names anything that would have to be executed.
    """
    path = check_path("A batch of mesmerize-core", table, BatchError).absolute()
    if movies is not None:
        check_path("The folder with the movies", movies, BatchError)
    if not hasattr(batch, "items"):  # its class imports this module
        raise BatchError(f"Items are imported into a batch, got {shown(batch)}. Open it: nc.Batch.")
    check_switch("results", results, BatchError)
    read = read_table_pickle(path)
    if missing := sorted(_COLUMNS - read.columns.keys()):
        raise BatchError(
            f"{path} must be a batch of mesmerize-core, and has no columns {', '.join(missing)}."
        )
    rows = read.rows()
    importer = _Importer(batch, path.parent, None if movies is None else Path(movies), rows)
    for row in rows:
        importer.take(row, results=results)
    return importer.imported


class _Importer:
    def __init__(
        self, batch: Batch, folder: Path, movies: Path | None, rows: list[dict[str, Any]]
    ) -> None:
        self._batch = batch
        self._folder = folder
        self._movies = movies
        self._motion = {
            _posix(row["outputs"][_MOTION_OUTPUT]): str(row["uuid"])
            for row in rows
            if isinstance(row["outputs"], Mapping) and _MOTION_OUTPUT in row["outputs"]
        }
        self._last_added = datetime.min.replace(tzinfo=UTC)
        self._present = {item.uuid for item in batch.items}
        self.imported = Imported()

    def take(self, row: Mapping[str, Any], *, results: bool) -> None:
        """Add one item, or say why not."""
        name = str(row["item_name"])
        try:
            item_uuid = str(uuid.UUID(str(row["uuid"])))
            if item_uuid in self._present:
                self._note(f"{name!r} ({item_uuid}) is in this batch already.")
                return
            spec = self._spec(row, item_uuid)
            found = self._found(spec, row["outputs"]) if results else None
        except (CnmfError, ValueError) as error:
            self._note(f"{name!r} was left out: {error}")
            return
        if found is None:
            folder = add_item_folder(self._batch.path, spec, self._status(spec, row))
        else:
            status = found.status.model_copy(update=results_of.times(row))
            folder = add_item_folder(self._batch.path, spec, status, found.fill)
        self._present.add(spec.uuid)
        self.imported.items.append(Item(self._batch, folder))

    def _note(self, sentence: str) -> None:
        self.imported.notes.append(sentence)

    def _spec(self, row: Mapping[str, Any], item_uuid: str) -> ItemSpec:
        algorithm = _algorithm(row["algo"])
        name = str(row["item_name"]) or "item"
        foreign, ain = _parameters(row["params"])
        if ain is not None:
            # mesmerize-core keeps them as a pickle inside of .npy, which is not opened here.
            self._note(
                f"{name!r} started from footprints ({ain}), which are not taken over: "
                "add it again with ain=."
            )
        params = CNMFParams.from_dict(foreign.groups)
        source = _posix(row["input_movie_path"])
        parent = self._motion.get(source)
        refit = bool(foreign.refit)
        return ItemSpec(
            uuid=item_uuid,
            name=name[:200],
            comment=comment if isinstance(comment := row.get("comments"), str) else "",
            algorithm=algorithm,
            added=self._added(row.get("added_time")),
            movie=None if parent in self._present else self._movie(source, name),
            parent=parent if parent in self._present else None,
            params=params.to_dict(),
            refit=refit,
            hash=params_hash(algorithm, params, refit=refit),
        )

    def _added(self, text: Any) -> datetime:
        """Time of adding, later than the one before: the order of the table stays."""
        try:
            added = datetime.fromisoformat(str(text)).astimezone(UTC)
        except ValueError:
            added = datetime.now(UTC) if not self.imported.items else self._last_added
        self._last_added = max(added, self._last_added + timedelta(microseconds=1))
        return self._last_added

    def _movie(self, source: str, name: str) -> MovieInput:
        """Movie of an old item as it is found here, or as the table says, to be located later."""
        bases = [self._folder, *([] if self._movies is None else [self._movies.absolute()])]
        candidates = [base / source for base in bases]
        if self._movies is not None:  # an absolute path of another machine
            candidates.append(self._movies.absolute() / PurePosixPath(source).name)
        present = next((path for path in candidates if path.is_file()), None)
        if present is None:
            self._note(
                f"The movie of {name!r} was not found: {candidates[-1]}. Say where it is with "
                "movies= (--movies FOLDER), or later with batch.locate(FOLDER)."
            )
            absolute = PureWindowsPath(source).is_absolute() or source.startswith("/")
            return MovieInput(paths=(source if absolute else candidates[-1].as_posix(),))
        try:
            return describe_movie(self._batch.path, open_movie(present))
        except MovieError as error:
            self._note(f"The movie of {name!r} cannot be opened yet: {error}")
            return MovieInput(paths=(present.as_posix(),))

    def _found(self, spec: ItemSpec, outputs: Any) -> results_of.Found | None:
        if not isinstance(outputs, Mapping) or outputs.get("success") is not True:
            return None
        try:
            return results_of.find(self._folder, spec, outputs)
        except (CnmfError, OSError, ValueError) as error:
            self._note(f"The result of {spec.name!r} was not taken along: {error}")
            return None

    def _status(self, spec: ItemSpec, row: Mapping[str, Any]) -> Status:
        outputs = row["outputs"]
        if isinstance(outputs, Mapping) and outputs.get("success") is False:
            text = str(outputs.get("traceback") or "")
            last = text.strip().splitlines()[-1] if text.strip() else "no reason was noted"
            error = ErrorInfo(
                kind="Imported", message=f"It failed in mesmerize-core: {last}", traceback=text
            )
            return Status(state=State.FAILED, error=error, engine="caiman")
        waits = spec.parent is not None and self._batch[spec.parent].state is not State.COMPLETED
        return Status(state=State.WAITING if waits else State.QUEUED)


def _algorithm(name: Any) -> Algorithm:
    if name not in (Algorithm.MCORR, Algorithm.CNMF, Algorithm.CNMFE):
        raise BatchError(f"its algorithm must be mcorr, cnmf or cnmfe, got {name!r}.")
    return Algorithm(name)


def _parameters(values: Any) -> tuple[Any, str | None]:
    """Parameters in our groups, and the file of footprints that it started from."""
    if not isinstance(values, Mapping):
        raise ParameterError(f"its parameters must be a dict, got {type(values).__name__}.")
    plain = {key: value for key, value in values.items() if key != "Ain_path"}
    ain = values.get("Ain_path")
    return read_foreign(plain), None if ain is None else str(ain)


def _posix(path: Any) -> str:
    """Path of either system, with forward slashes."""
    return PureWindowsPath(str(path)).as_posix()
