"""Reads what belongs to us and is no movie: batches, items, projects, samples, exports, results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning

from napari_cnmf.batch import Batch, Item
from napari_cnmf.batch.spec import ITEM_FILE
from napari_cnmf.batch.store import BATCH_FILE
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import BatchError, CnmfError, ResultError
from napari_cnmf.io.projects.project import PROJECT_FILE
from napari_cnmf.io.projects.sample import NWB_FILE, SAMPLE_FILE
from napari_cnmf.ui._loading import (
    LoadSteps,
    finish,
    load_file,
    load_item,
    load_movie,
    result_layers,
)
from napari_cnmf.ui._opening import is_result
from napari_cnmf.ui.layers._convert import LayerData, axis_labels

_NO_LAYERS: list[Any] = [(None,)]
"""What a reader of napari returns when it has read the file and has no layer to add."""
_MARKS = (BATCH_FILE, ITEM_FILE, PROJECT_FILE, SAMPLE_FILE)
"""Files that stand for the folder they lie in."""


def read_dropped(path: Path, *, is_label_image: bool) -> list[LayerData] | None:
    """Open what was dropped on the viewer.

    Parameters
    ----------
    path
        A file or folder that napari's reader took for ours.
    is_label_image
        Whether it is an exported labels image.

    Returns
    -------
    list of tuple or None
        Layers for napari; a batch and a project open in their docks and have none. ``None`` where
        the path is a movie.

    Raises
    ------
    CnmfError
        It is damaged, has no result yet, or a table that has no place on the canvas.
    """
    path = path.absolute()
    folder = path.parent if path.name in _MARKS else path
    if (folder / PROJECT_FILE).is_file():
        return _show_project(folder)
    if (folder / SAMPLE_FILE).is_file():
        return _result_layers(load_file(folder / NWB_FILE))
    if (folder / BATCH_FILE).is_file():
        return _show_batch(folder)
    if (item := _item_at(folder)) is not None:
        try:
            return _item_layers(item)
        except CnmfError as error:
            if folder.is_dir():
                raise
            # The item around it is damaged: the result itself may be whole.
            show_warning(f"Opened as a file, without its movie. {error}")
    if path.suffix.lower() == ".csv":
        return _table_layers(path)
    if is_label_image:
        return [_label_layer(path)]
    result = path.parent if _is_part_of_suite2p(path) else path
    return _result_layers(load_file(result)) if is_result(result) else None


def _is_part_of_suite2p(path: Path) -> bool:
    return path.suffix.lower() == ".npy" and (path.parent / "stat.npy").is_file()


def _item_at(path: Path) -> Item | None:
    """Item whose folder or result a path is; ``None`` where it lies in no batch."""
    root = next((p for p in path.parents if (p / BATCH_FILE).is_file()), None)
    if root is None:
        return None
    try:
        for item in Batch.open(root):
            if path == item.folder or (path.parent == item.folder and path == item.result_path):
                return item
    except BatchError:
        # The batch around it is damaged: the result can be read all the same.
        if path.is_dir():
            raise
    return None


def _item_layers(item: Item) -> list[LayerData]:
    batch = item.batch
    if item.algorithm is Algorithm.MCORR:
        movie = finish(load_movie(batch, item.uuid))
        return [*movie.beside, movie.layer_data]
    return _result_layers(load_item(batch, item.uuid))


def _result_layers(steps: LoadSteps) -> list[LayerData]:
    loaded = finish(steps)
    for note in loaded.notes:
        show_warning(note)
    return result_layers(loaded)


def _show_batch(folder: Path) -> list[LayerData]:
    batch = Batch.open(folder)
    from napari_cnmf.ui._docks import show_dock
    from napari_cnmf.ui._session import session_of

    viewer = _viewer_for(folder)
    show_dock(viewer, "Batch manager")
    session_of(viewer).set_batch(batch)
    return _NO_LAYERS


def _show_project(folder: Path) -> list[LayerData]:
    from napari_cnmf.io.projects import Project
    from napari_cnmf.ui._docks import open_dock
    from napari_cnmf.ui.projects._dock import ProjectWidget

    project = Project.open(folder)
    viewer = _viewer_for(folder)
    open_dock(viewer, ProjectWidget, "Project").open(project.path)
    return _NO_LAYERS


def _viewer_for(folder: Path) -> Any:
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        raise CnmfError(f"{folder.name} opens in a dock of a viewer: open a napari viewer first.")
    return viewer


def _table_layers(path: Path) -> list[LayerData]:
    """Centres of the components of an exported table, as points."""
    from napari_cnmf.io.spreadsheets import read_table

    table = read_table(path)
    axes = [axis for axis in ("z", "y", "x") if f"{axis}_px" in table]
    if "id" not in table or axes[-2:] != ["y", "x"]:
        raise ResultError(
            f"{path.name} holds no positions of cells, so there is nothing to draw: it is a table "
            "for a spreadsheet or a script. To see the cells, open the result that it came from."
        )
    places = table[[f"{axis}_px" for axis in axes]].to_numpy(np.float64)
    others = [str(name) for name in table if not str(name).endswith("_px")]
    keywords = {
        "name": f"cells · {path.parent.name}",
        "features": table[others],
        "size": 4,
        "face_color": "transparent",
        "border_color": "white",
        "axis_labels": axis_labels(len(axes), with_time=False),
    }
    return [(places, keywords, "points")]


def _label_layer(path: Path) -> LayerData:
    import tifffile

    image = tifffile.imread(path)
    axes = axis_labels(image.ndim, with_time=False)
    return image, {"name": path.stem, "axis_labels": axes}, "labels"
