"""Whether a path holds a result of another program; imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from napari_cnmf.errors import ResultError

_PLANE_FILES = ("stat.npy", "F.npy", "ops.npy")


class Kind(StrEnum):
    """Programs whose results are read."""

    SUITE2P = "suite2p"
    NWB = "nwb"


def kind_of(path: Path) -> Kind | None:
    """Kind of result that ``path`` is, or ``None``."""
    if path.is_dir() or path.name == "stat.npy":
        return Kind.SUITE2P if planes_of(path) else None
    if path.suffix.lower() == ".nwb" and path.is_file() and _has_segmentation(path):
        return Kind.NWB
    return None


def planes_of(path: Path) -> list[Path]:
    """Folders with the files of a plane: ``path`` itself, or ``plane0, plane1, …`` below it."""
    folder = path.parent if path.name == "stat.npy" else path
    if _is_plane(folder):
        return [folder]
    for root in (folder, folder / "suite2p"):
        planes = [p for p in root.glob("plane*") if _is_plane(p)]
        if planes:
            return sorted(planes, key=lambda p: (len(p.name), p.name))
    return []


def plane_folder(path: Path, plane: int | None) -> Path:
    """Folder of the plane that is meant.

    Raises
    ------
    ResultError
        There are several and none was chosen, or no such one.
    """
    planes = planes_of(path)
    names = ", ".join(p.name for p in planes)
    if plane is not None and len(planes) > 1:
        wanted = [p for p in planes if p.name == f"plane{plane}"]
        if not wanted:
            raise ResultError(f"The plane must be one of {names}, got {plane}.")
        return wanted[0]
    if len(planes) != 1:
        raise ResultError(
            f"One plane is imported at a time, {path} has {names or 'none'}. Name one (--plane 0), "
            "or open its folder."
        )
    return planes[0]


def _is_plane(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _PLANE_FILES)


def _has_segmentation(path: Path) -> bool:
    import h5py

    from napari_cnmf.io.hdf5_heaps import require_sound_heaps

    try:
        require_sound_heaps(path)
        with h5py.File(path, "r") as file:
            return any(
                node.attrs.get("neurodata_type") == "ImageSegmentation"
                for module in file.get("processing", {}).values()
                for node in module.values()
            )
    except (OSError, AttributeError, RuntimeError, KeyError, ValueError, TypeError):
        return False
