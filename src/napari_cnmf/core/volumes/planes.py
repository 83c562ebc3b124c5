"""Plane-by-plane analysis: each plane as a movie of its own, then one component a cell.

Where planes lie further apart than a cell is high, or move on their own, a model in 3D has nothing
to hold on to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf.core.assemble import as_used
from napari_cnmf.core.base.reports import (
    ProgressCallback,
    Report,
    StopCallback,
    WarningCallback,
    logger,
    never_stop,
    no_progress,
)
from napari_cnmf.core.movie.source import FrameSource, WindowSource
from napari_cnmf.core.result import CNMFResult
from napari_cnmf.core.run import RunOptions, run_cnmf
from napari_cnmf.core.verdict.evaluate import evaluate_result
from napari_cnmf.core.volumes.plane_merge import groups_across_planes, stack_planes
from napari_cnmf.errors import MovieError
from napari_cnmf.params import CNMFParams
from napari_cnmf.params.groups import GROUPS, SIZES_PER_AXIS

_FIGURES = re.compile(r"[\d.]+")


class PlaneSource:
    """One plane of a volume as a movie ``(T, Y, X)``."""

    def __init__(self, source: FrameSource | WindowSource, plane: int) -> None:
        self._source, self._plane = source, plane
        self.shape = (source.shape[0], *source.shape[2:])
        self.dtype = source.dtype

    def read(self, start: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read frames ``start`` to ``stop`` of the plane."""
        z, source = self._plane, self._source
        if hasattr(source, "read_window"):
            window = (slice(z, z + 1), *(slice(0, n) for n in self.shape[1:]))
            frames = source.read_window(start, stop, window)[:, 0]
        else:
            frames = source.read(start, stop)[:, z]
        if out is None:
            return np.ascontiguousarray(frames)
        out[...] = frames
        return out


def run_plane_by_plane(
    source: FrameSource,
    params: CNMFParams,
    *,
    frame_rate_hz: float,
    windows: WindowSource | None = None,
    ain: sp.csc_matrix | None = None,
    mask: NDArray[np.bool_] | None = None,
    on_progress: ProgressCallback = no_progress,
    on_warning: WarningCallback = logger.warning,
    on_log: Callable[[str], None] = logger.info,
    should_stop: StopCallback = never_stop,
    **of_each: Unpack[RunOptions],
) -> CNMFResult:
    """Find cells in every plane of a volume, and merge those that several planes show.

    Parameters
    ----------
    source
        ``(T, Z, Y, X)``.
    params
        As for :func:`run_cnmf`; of ``init.gSig`` the last two values count.
    windows
        The same movie, where planes can be read alone.
    ain, mask
        Of the volume.
    **of_each
        What :func:`run_cnmf` is told besides, the same for every plane.

    Returns
    -------
    CNMFResult
        In 3D, components strongest first.

    Raises
    ------
    MovieError
        The movie is no volume.

    See Also
    --------
    run_cnmf : one model of the whole volume; the other parameters.
    """
    report = Report(on_progress, on_warning, on_log, should_stop)
    if len(source.shape) != 4:
        raise MovieError(
            f"Plane by plane needs a movie (T, Z, Y, X), got shape {tuple(source.shape)}. "
            "Set init.plane_by_plane to false."
        )
    n_planes = source.shape[1]
    flat = flat_params(params)
    if of_each.get("one_photon") and flat.init.nb <= 0:
        # What is merged across planes has one background, which rings of planes are not.
        report.note("Plane by plane the background is the engine's own, not init.nb's ring.")
        flat = flat.replace(init={"nb": 1})
    results: list[CNMFResult] = []
    said: dict[str, list[tuple[int, str]]] = {}
    for z in range(n_planes):

        def on_plane(stage: str, done: float, total: float, z: int = z) -> None:
            report.progress("planes", z + done / max(total, 1e-9) / 10, n_planes)

        def tell(message: str, z: int = z) -> None:
            said.setdefault(_FIGURES.sub("#", message), []).append((z, message))

        report.progress("planes", z, n_planes)
        plane = np.arange(z * np.prod(source.shape[2:]), (z + 1) * np.prod(source.shape[2:]))
        results.append(
            run_cnmf(
                PlaneSource(windows if windows is not None else source, z), flat,
                frame_rate_hz=frame_rate_hz,
                ain=None if ain is None else _nonempty(ain.tocsr()[plane].tocsc()),
                mask=None if mask is None else mask[z],
                on_progress=on_plane, on_warning=tell, should_stop=should_stop, **of_each,
            )
        )  # fmt: skip
    _pass_on(said, report)
    parts = [r.components for r in results]
    groups = groups_across_planes(parts, params.merging.merge_thr)
    merged = stack_planes(parts, groups, tuple(source.shape[1:]), params)
    found = sum(p.n_components for p in parts)
    report.note(
        f"{found} components in {n_planes} planes, each for itself, are {len(groups)} after those "
        "that neighbouring planes share were merged."
    )
    merged = evaluate_result(
        source, merged, params, frame_rate_hz=frame_rate_hz, n_threads=of_each.get("n_threads"),
        on_progress=on_progress, on_warning=on_warning, should_stop=should_stop,
    )  # fmt: skip
    images = {name: np.stack([r.images[name] for r in results]) for name in results[0].images}
    used = as_used(params, round(results[0].figures["frames_per_bin"]))
    lost = max(r.figures["n_lost_frames"] for r in results)
    figures = {"n_planes": float(n_planes), "n_in_planes": float(found), "n_lost_frames": lost}
    return CNMFResult(
        merged.replace(images=images, params=used.to_dict()), images, tuple(report.notes), figures
    )


def _pass_on(said: dict[str, list[tuple[int, str]]], report: Report) -> None:
    """Pass on warnings of the planes, each kind once, with the first plane's figures."""
    for several in said.values():
        planes = ", ".join(str(z) for z, _ in several)
        report.warn(f"Plane{'s' if len(several) > 1 else ''} {planes}: {several[0][1]}")


def flat_params(params: CNMFParams) -> CNMFParams:
    """Parameters of one plane: of three numbers along (z, y, x) the last two."""
    nested = params.to_dict()
    for group in GROUPS:
        for key, value in nested[group].items():
            if key in SIZES_PER_AXIS and isinstance(value, list | tuple) and len(value) == 3:
                nested[group][key] = tuple(value[1:])
    return CNMFParams.from_dict(nested)


def _nonempty(A: sp.csc_matrix) -> sp.csc_matrix:
    """The columns that have something in this plane."""
    return A[:, np.diff(A.indptr) > 0]
