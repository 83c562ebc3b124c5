"""Writes a folder that suite2p opens."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._overwriting import new_folder
from napari_cnmf.errors import ExportError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import Selected, select
from napari_cnmf.io.exports.writing import OnProgress, PathLike, checked_writer, ignore_progress
from napari_cnmf.io.full_disk import npy_content
from napari_cnmf.model.curation import Curatable

_DIAMETER_OF_GSIG = 2.0


@checked_writer
def write_suite2p(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write ``plane0/{stat,F,Fneu,spks,iscell,ops}.npy`` below ``out``; open ``stat.npy`` there.

    ``Fneu`` is the model's background under each footprint and ``F`` adds the component's raw
    trace to it, both as means weighted by the footprint, so that ``F - Fneu`` is the signal alone:
    the background is part of the model, and ``ops["neucoeff"]`` is 1, not suite2p's usual 0.7.
    Where the background is a ring or there is none, ``Fneu`` is 0. ``iscell`` holds the decision
    and, as its probability, the classifier's score (the decision where there was none).

    suite2p knows planes and no volumes: those are laid out as tiles side by side, as its combined
    view does, and a cell's pixels lie in the tiles of all its planes. ``ops`` holds the files of a
    session (``filelist, frames_per_file``).

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        A folder that is new, empty, or an earlier export.
    include_rejected
        Write rejected components too, with ``iscell`` 0.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        The frame rate is unknown, the folder holds other files, or cannot be written.
    """
    chosen = select(source, include_rejected=include_rejected, context=context)
    tiles = _Tiles(chosen.dims)
    ops = _ops(chosen, tiles)
    with new_folder(
        out, "suite2p", overwrite=overwrite, sources=chosen.sources, said=chosen.about()
    ) as folder:
        plane = folder / "plane0"
        plane.mkdir()
        moments = _write_traces(chosen, plane, on_progress)
        # stat and ops are dicts: suite2p itself keeps them pickled and opens nothing else.
        # Plain built-in types and arrays alone are in them; we never read such files back.
        np.save(plane / "ops.npy", np.array(ops, dtype=object), allow_pickle=True)
        np.save(plane / "stat.npy", _stat(chosen, tiles, moments), allow_pickle=True)
        (plane / "iscell.npy").write_bytes(npy_content(_iscell(chosen)))
    return Path(out)


class _Tiles:
    """Layout of the planes of a volume side by side; a single plane is one tile."""

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.dims = dims
        self.n_planes = dims[0] if len(dims) == 3 else 1
        self.height, self.width = dims[-2:]
        self.n_columns = int(np.ceil(np.sqrt(self.n_planes)))
        self.n_rows = int(np.ceil(self.n_planes / self.n_columns))

    @property
    def shape(self) -> tuple[int, int]:
        """Shape ``(Y, X)`` of the image of all tiles, in pixels."""
        return self.n_rows * self.height, self.n_columns * self.width

    def place(self, pixels: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Place ``y, x`` on the tiles of C-order pixels of the field."""
        where = np.unravel_index(pixels, self.dims)
        plane = where[0] if len(self.dims) == 3 else np.zeros_like(where[0])
        y = where[-2] + plane // self.n_columns * self.height
        x = where[-1] + plane % self.n_columns * self.width
        return y.astype(np.intp), x.astype(np.intp)

    def lay_out(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Lay an image of shape ``dims`` out on the tiles."""
        laid = np.zeros(self.shape, np.float32)
        laid[self.place(np.arange(image.size))] = image.ravel()
        return laid


def _write_traces(chosen: Selected, folder: Path, on_progress: OnProgress) -> NDArray[np.float64]:
    """Write ``F, Fneu, spks`` in blocks; returns sd and skewness of each signal, ``(n, 2)``."""
    whole, A = chosen.whole, chosen.A
    shape = (chosen.n_components, chosen.n_frames)
    mass = np.maximum(np.asarray(A.sum(axis=0), np.float64).ravel(), 1e-12)
    energy = np.asarray(A.multiply(A).sum(axis=0), np.float64).ravel()
    kind = "raw" if "raw" in chosen.trace_kinds else "denoised"
    moments = np.zeros((shape[0], 2))
    with ExitStack() as opened:
        F, Fneu, spks = (
            opened.enter_context((folder / f"{name}.npy").open("wb"))
            for name in ("F", "Fneu", "spks")
        )
        for stream in (F, Fneu, spks):
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(stream, header)
        for start, stop in chosen.blocks():
            part = slice(start, stop)
            signal = chosen.trace_block(kind, start, stop) * (energy / mass)[part, np.newaxis]
            behind = np.zeros_like(signal)
            if whole.b is not None and whole.f is not None:
                behind = (np.asarray(A[:, part].T @ whole.b) / mass[part, np.newaxis]) @ whole.f
            spikes = np.zeros(signal.shape, np.float32)
            if whole.S is not None:
                spikes = chosen.trace_block("spikes", start, stop)
            for stream, array in ((F, signal + behind), (Fneu, behind), (spks, spikes)):
                stream.write(np.ascontiguousarray(array, "<f4").tobytes())
            moments[part] = _moments(signal)
            on_progress(stop, shape[0])
    return moments


def _moments(signal: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Standard deviation and skewness of each row, 0 where a row is constant."""
    if not signal.shape[1]:
        return np.zeros((len(signal), 2))
    spread = signal.std(axis=1)
    centred = signal - signal.mean(axis=1, keepdims=True)
    scale = np.where(spread > 0, spread, 1)[:, np.newaxis]
    return np.column_stack([spread, np.mean((centred / scale) ** 3, axis=1)])


def _iscell(chosen: Selected) -> NDArray[np.float32]:
    """Array of ``iscell``, ``(n_components, 2)``: decision and probability."""
    probability = chosen.accepted.astype(np.float32)
    cnn = chosen.values("cnn_preds")
    if cnn is not None:
        probability = np.where(np.isfinite(cnn), cnn, probability)
    return np.column_stack([chosen.accepted, probability]).astype(np.float32)


def _stat(chosen: Selected, tiles: _Tiles, moments: NDArray[np.float64]) -> NDArray[np.object_]:
    A = chosen.A
    n_owners = np.asarray((A > 0).sum(axis=1)).ravel()
    stat = np.empty(chosen.n_components, dtype=object)
    for row in range(chosen.n_components):
        part = slice(A.indptr[row], A.indptr[row + 1])
        kept = A.data[part] > 0
        pixels, weights = A.indices[part][kept], A.data[part][kept]
        stat[row] = _one_stat(pixels, weights, tiles, n_owners[pixels] > 1)
        stat[row]["std"], stat[row]["skew"] = moments[row].tolist()
        stat[row]["id"] = int(chosen.ids[row])
    sizes = np.array([entry["npix"] for entry in stat], dtype=float)
    typical = float(np.mean(sizes[:100])) if sizes.size and sizes.any() else 1.0
    for entry in stat:
        entry["npix_norm"] = entry["npix_norm_no_crop"] = entry["npix"] / typical
    return stat


def _one_stat(
    pixels: NDArray[Any],
    weights: NDArray[Any],
    tiles: _Tiles,
    overlap: NDArray[np.bool_],
) -> dict[str, Any]:
    """Entry of ``stat`` for one cell, with suite2p's own definitions of shape."""
    y, x = tiles.place(pixels)
    n = pixels.size
    med = [int(np.median(y)), int(np.median(x))] if n else [0, 0]
    plane = int(np.median(np.unravel_index(pixels, tiles.dims)[0])) if n else 0
    distance = np.hypot(y - med[0], x - med[1])
    # mean distance of as many pixels in a disc
    disc = 2 / 3 * np.sqrt(n / np.pi)
    compact = max(1.0, float(distance.mean() / disc)) if n else 1.0
    axes = np.sqrt(np.linalg.eigvalsh(np.cov(np.stack([y, x])))) if n > 2 else np.ones(2)
    return {
        "ypix": y,
        "xpix": x,
        "lam": (weights / max(float(weights.sum()), 1e-12)).astype(np.float32),
        "med": med,
        "npix": int(n),
        "npix_soma": int(n),
        "soma_crop": np.ones(n, dtype=bool),
        "overlap": overlap,
        "radius": float(max(2 * axes.max(), 0.8)),
        "aspect_ratio": float(2 * axes.max() / max(axes.sum(), 1e-12)),
        "compact": compact,
        "solidity": 1.0 / compact,
        "mrs": compact * float(disc),
        "mrs0": float(disc),
        "footprint": 0.0,
        "neuropil_mask": np.zeros(0, np.intp),
        "iplane": plane if len(tiles.dims) == 3 else 0,
        "chan2_prob": -1.0,
        "inmerge": 0,
    }


def _ops(chosen: Selected, tiles: _Tiles) -> dict[str, Any]:
    components = chosen.whole
    rate = components.frame_rate_hz
    if rate is None:
        raise ExportError(
            "suite2p needs the frame rate in Hz, and the result does not say it. "
            "Run it again with data.fr set."
        )
    images = {name: tiles.lay_out(image) for name, image in components.images.items()}
    blank = np.zeros(tiles.shape, np.float32)
    mean = images.get("mean")
    if mean is None:
        mean = _model_mean(chosen, tiles)
    correlation = next((image for name, image in images.items() if "corr" in name), blank)
    height, width = tiles.shape
    gSig = components.params.get("init", {}).get("gSig") or (4, 4)
    recorded_s = chosen.timeline.recorded_s
    return {
        "Ly": height,
        "Lx": width,
        "yrange": [0, height],
        "xrange": [0, width],
        "nframes": components.n_frames,
        "fs": float(rate),
        "tau": float(components.params.get("data", {}).get("decay_time") or 1.0),
        "nplanes": 1,
        "nchannels": 1,
        "functional_chan": 1,
        "diameter": [int(2 * _DIAMETER_OF_GSIG * float(g)) for g in list(gSig)[-2:]],
        "aspect": 1.0,
        "neucoeff": 1.0,
        "neuropil_coefficient": 1.0,  # its name in suite2p 1
        "meanImg": mean,
        "meanImgE": mean,
        "max_proj": images.get("max", mean),
        "Vcorr": correlation,
        "refImg": mean,
        "xoff": np.zeros(components.n_frames, np.int32),
        "yoff": np.zeros(components.n_frames, np.int32),
        "corrXY": np.zeros(components.n_frames, np.float32),
        "badframes": np.zeros(components.n_frames, bool),
        "data_path": [],
        "save_path": "",
        "filelist": list(chosen.timeline.files),
        "frames_per_file": np.asarray(chosen.timeline.frames_per_file or [components.n_frames]),
        "frames_per_folder": np.asarray([components.n_frames]),
        "baseline": "maximin",
        "win_baseline": 60.0,
        "sig_baseline": 10.0,
        "prctile_baseline": 8.0,
        "batch_size": 500,
        "suite2p_version": "written by napari-cnmf",
        # suite2p passes both over; with the second a volume is one again when it is read back
        **({} if recorded_s is None else {"time_s": recorded_s}),
        **chosen.timeline.gap_arrays(),
        "napari_cnmf_dims": [int(size) for size in components.dims],
    }


def _model_mean(chosen: Selected, tiles: _Tiles) -> NDArray[np.float32]:
    """Mean over time of the model, where the result brings no mean image."""
    components = chosen.whole
    means = np.concatenate(
        [np.zeros(0), *(chosen.trace_block("denoised", *b).mean(axis=1) for b in chosen.blocks())]
    )
    mean: NDArray[Any] = np.asarray(chosen.A @ means)
    if components.b is not None and components.f is not None and components.b.shape[1]:
        mean = mean + components.b @ components.f.mean(axis=1)
    elif components.b0 is not None:
        mean = mean + components.b0
    return tiles.lay_out(np.asarray(mean, np.float32))
