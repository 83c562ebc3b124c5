"""Turns what CaImAn left behind into the outputs of an item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf.engines.base import (
    CORRECTED_FILE,
    IMAGES_FILE,
    MOTION_FILE,
    RESULT_FILE,
    Algorithm,
    Job,
    Outcome,
    Reporter,
)
from napari_cnmf.engines.caiman.child import Answer
from napari_cnmf.engines.caiman.memmap import read_frames
from napari_cnmf.engines.caiman.request import processes_of
from napari_cnmf.errors import CancelledByUser, EngineError
from napari_cnmf.model.components import Components
from napari_cnmf.model.movie import Movie

_FRAMES_AT_ONCE = 64


def collect_components(job: Job, movie: Movie, answer: Answer, reporter: Reporter) -> Outcome:
    """Write ``result.hdf5`` and ``images.npz`` from what CaImAn saved.

    Raises
    ------
    EngineError
        CaImAn's file does not fit the movie.
    """
    from napari_cnmf.io import read_images, write_images
    from napari_cnmf.io.caiman import read_caiman, write_caiman

    saved = Path(answer.values["result"])
    components = read_caiman(saved)
    expected = (movie.dims, movie.n_frames)
    if (components.dims, components.n_frames) != expected:
        raise EngineError(
            f"CaImAn's result must have the movie's field and frames {expected}, got "
            f"{(components.dims, components.n_frames)}. Retry the item."
        )
    if job.mask_path is not None:
        components = _inside(components, job.mask_path, reporter)
    beside = None if job.result_path is None else job.result_path.parent / IMAGES_FILE
    if beside is not None and beside.is_file():
        images: dict[str, Any] = dict(read_images(beside))
    else:
        images = _images(movie, job, reporter)
    write_images(job.folder / IMAGES_FILE, images)
    if components.n_components == 0:  # CaImAn evaluates nothing then
        components = components.replace(accepted=np.zeros(0, dtype=bool))
    components = components.replace(
        frame_rate_hz=job.frame_rate_hz,
        images=images,
        attributes=components.attributes | _provenance(job, movie, answer),
    )
    write_caiman(
        components, job.folder / RESULT_FILE, movie_path=job.movie_paths[0], carry_from=saved
    )
    accepted = components.accepted
    return Outcome(
        outputs=(RESULT_FILE, IMAGES_FILE),
        n_components=components.n_components,
        n_accepted=int(np.count_nonzero(accepted)) if accepted is not None else None,
    )


def _provenance(job: Job, movie: Movie, answer: Answer) -> dict[str, Any]:
    provenance: dict[str, Any] = {
        "movie_paths": [path.as_posix() for path in job.movie_paths],
        "movie_fingerprint": movie.fingerprint,
        "engine_version": answer.values["version"],
    }
    if job.algorithm is not Algorithm.EVALUATE:
        provenance["engine"] = "caiman"
    if answer.warnings:
        provenance["warnings"] = answer.warnings
    return provenance


def _inside(components: Components, mask_path: Path, reporter: Reporter) -> Components:
    """Keep components with most of their weight inside the mask; CaImAn itself takes no mask."""
    from napari_cnmf.io.pickled import read_plain_array

    mask = read_plain_array(mask_path).astype(bool).ravel()
    if mask.size != components.n_pixels:
        raise EngineError(
            f"The mask must have the movie's {components.n_pixels} pixels, got {mask.size}."
        )
    total = np.asarray(components.A.sum(axis=0)).ravel()
    inside = np.asarray(components.A.T @ mask.astype(np.float32)).ravel()
    kept = np.flatnonzero(inside > 0.5 * total)
    n_out = components.n_components - kept.size
    if n_out:
        reporter.log(f"{n_out} components outside of the mask were left out.")
    return components.take(kept)


def _images(movie: Movie, job: Job, reporter: Reporter) -> dict[str, NDArray[np.float32]]:
    from napari_cnmf.core.movie.summary import summary_images
    from napari_cnmf.io import frame_source

    return summary_images(
        frame_source(movie),
        n_threads=processes_of(job),
        on_progress=reporter.progress,
        should_stop=reporter.should_stop,
    )


def collect_motion(
    job: Job, movie: Movie, answer: Answer, scratch: Path, reporter: Reporter
) -> Outcome:
    """Write ``corrected.tif``, ``motion.h5`` and ``images.npz``."""
    from napari_cnmf.io import open_movie, write_images
    from napari_cnmf.io.motion import write_motion

    corrected = Path(answer.values["corrected"])
    if not corrected.is_absolute():
        corrected = scratch / corrected
    _write_corrected(job, movie, corrected, answer.values["offset"], reporter)
    with np.load(scratch / "motion.npz", allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    # CaImAn keeps the shift that it applied, we the displacement that it undoes.
    shifts = -np.asarray(arrays["shifts"], dtype=np.float32)
    field, nodes = field_of_patches(arrays)
    figures = {
        "border_px": float(answer.values["border_px"]),
        "max_shift_px": float(np.abs(shifts).max()),
    }
    write_motion(
        job.folder / MOTION_FILE,
        shifts=shifts,
        border_px=answer.values["border_px"],
        template=arrays["template"],
        field=field,
        nodes=nodes,
        figures=figures,
    )
    images = _images(open_movie(job.folder / CORRECTED_FILE), job, reporter)
    write_images(job.folder / IMAGES_FILE, images)
    return Outcome(outputs=(CORRECTED_FILE, MOTION_FILE, IMAGES_FILE), figures=figures)


def _write_corrected(job: Job, movie: Movie, path: Path, offset: float, reporter: Reporter) -> None:
    """Write the memory map as TIFF in the movie's own type and units, without CaImAn's offset."""
    from napari_cnmf.io import TiffMovieWriter

    n_pixels = int(np.prod(movie.dims))
    pixels: Any = np.memmap(path, dtype="<f4", mode="r", shape=(movie.n_frames, n_pixels))
    try:
        with TiffMovieWriter(
            job.folder / CORRECTED_FILE,
            movie.shape,
            movie.dtype,
            frame_rate_hz=job.frame_rate_hz or movie.frame_rate_hz,
            pixel_size_um=job.pixel_size_um or movie.pixel_size_um,
        ) as writer:
            for start in range(0, movie.n_frames, _FRAMES_AT_ONCE):
                if reporter.should_stop():
                    raise CancelledByUser("Cancelled while the corrected movie was written.")
                stop = min(start + _FRAMES_AT_ONCE, movie.n_frames)
                frames = read_frames(np.asarray(pixels[start:stop]), movie.dims) - offset
                writer.write(start, _as_stored(frames, movie.dtype))
                reporter.progress("writing the corrected movie", stop, movie.n_frames)
    finally:
        pixels._mmap.close()


def _as_stored(frames: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind not in "ui":
        return frames.astype(dtype)
    limits = np.iinfo(dtype)
    # the largest float32 below 2**31 - 1, and the like: a cast of more wraps around
    highest = np.nextafter(np.float32(limits.max), np.float32(0)) if dtype.itemsize > 2 else None
    high = float(limits.max if highest is None else highest)
    return np.clip(np.rint(frames), limits.min, high).astype(dtype)


def field_of_patches(arrays: dict[str, NDArray[Any]]) -> tuple[Any, Any]:
    """Displacement at the nodes of a regular grid, ``None`` for rigid shifts."""
    centres = arrays.get("centres")
    if centres is None:
        return None, None
    axes = [np.unique(centres[:, axis]) for axis in range(centres.shape[1])]
    index = [np.searchsorted(axis, centres[:, i]) for i, axis in enumerate(axes)]
    sizes = tuple(len(axis) for axis in axes)
    if int(np.prod(sizes)) != len(centres):
        return None, None
    values = -np.asarray(arrays["nodes"], dtype=np.float32)
    order = np.ravel_multi_index(tuple(index), sizes)
    field = np.empty_like(values)
    field[:, order] = values
    return field.reshape(len(values), *sizes, -1), axes
