"""Merge, split, draw and redraw: the ``Estimator`` of a curation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from napari_cnmf.core.base.threads import Workers
from napari_cnmf.core.movie.source import ArraySource, WindowSource
from napari_cnmf.core.reestimate.factorise import demix, fit_one, fit_two, without_floor
from napari_cnmf.core.reestimate.finding import box_around, footprints_in
from napari_cnmf.core.reestimate.local import (
    HeldPixels,
    Local,
    local_light,
    pixels_needed,
    read_pixels,
)
from napari_cnmf.core.traces.deconvolve import deconvolve, estimate_level
from napari_cnmf.core.traces.kinetics import estimate_kinetics
from napari_cnmf.core.verdict.evaluate import elongation
from napari_cnmf.core.verdict.rvalues import spatial_correlation
from napari_cnmf.core.verdict.snr import trace_snr
from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import EditedComponent
from napari_cnmf.params import CNMFParams

_DEFAULT_RATE_HZ = 30.0
"""Of CaImAn, for a result that says none."""
_HELD_BYTES = 512 << 20
"""Of the movie, held in memory while traces of many cells are made."""
_LEAST_SHARE = 0.05
"""Of a footprint's energy: separate parts with less are dropped."""


class Reestimator:
    """Estimates components anew at the pixels of an edit, everything else held as it is.

    The movie at those pixels, less its background and the other components, is factorised; raw
    traces are solved together with overlapping neighbours, deconvolved and scored as by the
    engine. Only the box around the pixels is read.

    Parameters
    ----------
    source
        The movie; without it the model's own traces stand in for it (``A (C + YrA)``), which is
        enough to merge and to cut, and says nothing about anything new.
    frame_rate_hz
        Where the result does not say it.
    """

    def __init__(
        self, source: WindowSource | None = None, *, frame_rate_hz: float | None = None
    ) -> None:
        self.source = source
        self._frame_rate_hz = frame_rate_hz

    def merge(self, components: Components, rows: NDArray[np.intp]) -> EditedComponent:
        """Estimate one component in place of several."""
        footprint = np.asarray(abs(components.A[:, rows]).sum(axis=1)).ravel()
        pixels = _grown(np.flatnonzero(footprint), components.dims)
        local = local_light(components, self.source, pixels, rows)
        start = _mean_footprint(components, rows)[pixels]
        a = _whole(fit_one(local.light, start), local, components.dims)
        return self._finish(components, local, [a], rows)[0]

    def split(
        self, components: Components, row: int, parts: Sequence[NDArray[np.int64]] | None
    ) -> list[EditedComponent]:
        """Estimate components in place of one: by time course, or inside the pixels of ``parts``.

        Raises
        ------
        CurationError
            When its pixels have one time course, or a part holds nothing of it.
        """
        rows = np.array([row], dtype=np.intp)
        weight = np.asarray(components.A[:, row].toarray(), np.float32).ravel()
        pixels = np.flatnonzero(weight > 0).astype(np.int64)
        if parts is not None:
            # What lies outside of all parts goes to none of them.
            pixels = np.unique(np.concatenate([np.asarray(p, np.int64) for p in parts]))
        if pixels.size < 2:
            raise CurationError(
                "A component must have two pixels or more to be split. Delete it, or redraw it."
            )
        local = local_light(components, self.source, pixels, rows)
        if parts is None:
            found = self._two_courses(components, local, weight[pixels])
        else:
            inside = [np.isin(pixels, part) for part in parts]
            found = [_cut(local.light, weight[pixels], part) for part in inside]
        return self._finish(components, local, found, rows)

    def _two_courses(
        self, components: Components, local: Local, weight: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        if local.movie is None:
            raise CurationError(
                "Splitting by time course needs the movie: in the model all pixels of a component "
                "share one. Locate the movie, or draw a line through it."
            )
        rate, params = self._rate(components), self._params(components)
        per_bin = max(1, math.floor(params.data.decay_time * rate / 2))
        found = fit_two(local.light, weight, per_bin)
        if found is None:
            raise CurationError(
                "A split by time course needs pixels that are active at different times, and these "
                "are active together. Draw a line through the component instead."
            )
        return [_whole(a, local, components.dims) for a in found]

    def add(self, components: Components, pixels: NDArray[np.int64]) -> EditedComponent:
        """Estimate a new component inside a drawn outline."""
        pixels = np.unique(pixels)
        nobody = np.zeros(0, np.intp)
        local = local_light(components, self.source, pixels, nobody)
        a = fit_one(local.light, np.ones(pixels.size, np.float32))
        return self._finish(components, local, [_or_flat(a)], nobody)[0]

    def find(self, components: Components, pixels: NDArray[np.int64]) -> list[EditedComponent]:
        """Find new components in the residual of a region, by the engine's own search.

        Raises
        ------
        CurationError
            When there is nothing to find, or no movie to look in.
        """
        region, nobody = np.unique(pixels), np.zeros(0, np.intp)
        box, around = box_around(region, components)
        local = local_light(components, self.source, around, nobody, keep_local=True)
        decay_time = self._params(components).data.decay_time
        found = footprints_in(
            local,
            box,
            region,
            components=components,
            frame_rate_hz=self._rate(components),
            decay_time=decay_time,
        )
        inside = np.flatnonzero(np.any(found, axis=0))
        local = local_light(components, self.source, around[inside], nobody)
        return self._finish(components, local, [a[inside] for a in found], nobody)

    def raw_trace(
        self, components: Components, pixels: NDArray[np.int64]
    ) -> NDArray[np.float32] | None:
        """Mean of the movie over some pixels, ``(n_frames,)``; ``None`` without a movie."""
        if self.source is None:
            return None
        return np.asarray(
            read_pixels(self.source, np.unique(pixels), components.dims).mean(axis=0), np.float32
        )

    def traces_at(self, components: Components, footprints: sp.csc_matrix) -> NDArray[np.float32]:
        """Raw traces of cells that the result does not hold, at footprints that are known.

        Parameters
        ----------
        footprints
            ``(n_pixels, n)``, C-order pixels. They are brought to unit norm, as those of CaImAn.

        Returns
        -------
        ndarray
            ``(n, n_frames)``: what background and overlapping components leave of the movie, with
            its baseline at 0; NaN for a footprint without pixels.
        """
        nobody = np.zeros(0, np.intp)
        out = np.full((footprints.shape[1], components.n_frames), np.nan, np.float32)
        columns = sp.csc_matrix(footprints)
        columns.eliminate_zeros()
        columns.sort_indices()
        parts = np.split(columns.indices.astype(np.int64), columns.indptr[1:-1])
        weights = np.split(columns.data.astype(np.float32), columns.indptr[1:-1])
        for held, group in self._held(components, parts):
            for k in group:
                local = local_light(components, held, parts[k], nobody)
                single = (weights[k] / np.linalg.norm(weights[k]))[:, np.newaxis]
                raw = demix(single, local.light, local.A_others)[:1]
                out[k] = raw[0] - estimate_level(raw)[0]
        return out

    def _held(
        self, components: Components, parts: Sequence[NDArray[np.int64]]
    ) -> Iterator[tuple[HeldPixels | None, list[int]]]:
        """Read the movie for many cells at once, as many as fit into memory."""
        most = max(1, _HELD_BYTES // (4 * components.n_frames))
        wanted, group = np.zeros(0, np.int64), list[int]()
        for k, pixels in enumerate(parts):
            if pixels.size == 0:
                continue
            both = np.union1d(wanted, pixels_needed(components, pixels))
            if group and both.size > most:
                yield self._read(components, wanted), group
                both, group = pixels_needed(components, pixels), []
            wanted = both
            group.append(k)
        if group:
            yield self._read(components, wanted), group

    def _read(self, components: Components, pixels: NDArray[np.int64]) -> HeldPixels | None:
        if self.source is None:
            return None
        return HeldPixels(pixels, read_pixels(self.source, pixels, components.dims))

    def redraw(
        self, components: Components, row: int, pixels: NDArray[np.int64]
    ) -> EditedComponent:
        """Estimate the same component inside another outline."""
        rows, pixels = np.array([row], dtype=np.intp), np.unique(pixels)
        local = local_light(components, self.source, pixels, rows)
        start = np.asarray(components.A_rows[pixels][:, row].toarray(), np.float32).ravel()
        start = start if start.any() else np.ones(pixels.size, np.float32)
        if local.movie is None and not local.light.any():
            raise CurationError(
                "Without the movie a component can be trimmed, but not moved to where it has no "
                "light. Locate the movie, or draw inside the component."
            )
        return self._finish(components, local, [_or_flat(fit_one(local.light, start))], rows)[0]

    def _rate(self, components: Components) -> float:
        return components.frame_rate_hz or self._frame_rate_hz or _DEFAULT_RATE_HZ

    @staticmethod
    def _params(components: Components) -> CNMFParams:
        wanted = {"data": ("decay_time",), "temporal": ("p", "s_min")}
        stored = {
            group: {k: v for k, v in components.params.get(group, {}).items() if k in keys}
            for group, keys in wanted.items()
        }
        return CNMFParams().replace(**stored)

    def _finish(
        self,
        components: Components,
        local: Local,
        footprints: list[NDArray[np.float32]],
        parents: NDArray[np.intp],
    ) -> list[EditedComponent]:
        """Estimate traces and scores of new footprints ``(P,)`` of unit norm."""
        rate, params = self._rate(components), self._params(components)
        A = np.stack(footprints, axis=1)
        raw = demix(A, local.light, local.A_others)
        with Workers(1) as workers:
            kinetics = estimate_kinetics(
                raw, rate, params.data.decay_time, params.temporal.p, workers
            )
            calcium = deconvolve(
                raw,
                kinetics.decay_s,
                kinetics.rise_s,
                rate,
                p=params.temporal.p,
                s_min=params.temporal.s_min or 0.0,
                workers=workers,
            )
            above = raw - calcium.baseline[:, np.newaxis]
            snr = trace_snr(above, rate, params.data.decay_time, workers)
            r = self._correlation(local, A, calcium.C, rate, workers)
        if r is None:
            r = np.full(len(raw), _best_known(components.r_values, parents))
        out = []
        for k, a in enumerate(footprints):
            inside = np.flatnonzero(a)
            at_zero = np.zeros(inside.size, np.int64)
            single = sp.csc_matrix(
                (a[inside], (local.pixels[inside], at_zero)), shape=(components.n_pixels, 1)
            )
            out.append(
                EditedComponent(
                    pixels=local.pixels[inside],
                    weights=a[inside].astype(np.float32),
                    C=calcium.C[k],
                    S=calcium.S[k],
                    YrA=above[k] - calcium.C[k],
                    g=calcium.g[k],
                    snr=float(snr[k]),
                    r_value=float(r[k]),
                    neurons_sn=float(calcium.noise[k]),
                    lam=float(calcium.lam[k]),
                    ecc=float(elongation(single, components.dims)[0]),
                    component_class=_class_of(components, parents),
                )
            )
        return out

    @staticmethod
    def _correlation(
        local: Local,
        A: NDArray[np.float32],
        C: NDArray[np.float32],
        rate: float,
        workers: Workers,
    ) -> NDArray[np.float64] | None:
        if local.movie is None:
            return None
        every = sp.csc_matrix(np.hstack([A, local.A_others]))
        traces = np.vstack([C, local.C_others])
        frames = ArraySource(np.ascontiguousarray(local.movie.T)[:, np.newaxis])
        return spatial_correlation(frames, every, traces, rate, workers)[: A.shape[1]]


def _best_known(scores: NDArray[np.floating] | None, rows: NDArray[np.intp]) -> float:
    """Largest finite score of some rows, NaN where there is none."""
    known = scores[rows] if scores is not None else np.zeros(0)
    known = known[np.isfinite(known)]
    return float(known.max()) if known.size else math.nan


def _class_of(components: Components, parents: NDArray[np.intp]) -> str:
    """Class of a drawn or merged component: a cell, unless all its parents were something else."""
    if components.classes is None or parents.size == 0:
        return "soma"
    classes = components.classes[parents]
    return "soma" if "soma" in classes else str(classes[0])


def _mean_footprint(components: Components, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    """Sum of footprints, each as bright as its trace is at its peaks."""
    brightness = np.nan_to_num(components.C[rows].std(axis=1)) + 1e-6
    return np.asarray(components.A[:, rows] @ brightness, np.float32).ravel()


def _grown(pixels: NDArray[np.intp], dims: tuple[int, ...]) -> NDArray[np.int64]:
    """Grow a set of pixels by those that touch them."""
    mask = np.zeros(dims, np.bool_)
    mask.ravel()[pixels] = True
    return np.flatnonzero(binary_dilation(mask)).astype(np.int64)


def _whole(a: NDArray[np.float32], local: Local, dims: tuple[int, ...]) -> NDArray[np.float32]:
    """Remove specks from a footprint ``(P,)``: separate parts with next to none of its energy."""
    at = np.unravel_index(local.pixels, dims)
    low = [int(i.min()) for i in at]
    box = np.zeros([int(i.max()) - lowest + 1 for i, lowest in zip(at, low, strict=True)])
    inside = tuple(i - lowest for i, lowest in zip(at, low, strict=True))
    box[inside] = a
    parts, n_parts = label(box > 0)
    energy = np.bincount(parts.ravel(), (box**2).ravel(), minlength=n_parts + 1)
    kept = energy >= _LEAST_SHARE * energy.sum()
    kept[0] = False
    return without_floor(np.where(kept[parts[inside]], a, 0).astype(np.float32))


def _cut(
    light: NDArray[np.float32], weight: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Cut the footprint of a component to the part ``inside``."""
    start = np.where(inside, weight, 0).astype(np.float32)
    if not start.any():
        raise CurationError(
            "Each part of a split must hold some of the component. Draw the line through it."
        )
    a = np.zeros_like(weight)
    a[inside] = fit_one(light[inside], start[inside])
    return a


def _or_flat(a: NDArray[np.float32]) -> NDArray[np.float32]:
    """Footprint, or the flat outline where there is no light: its raw trace can still be seen."""
    if a.any():
        return a
    return np.full(a.size, 1 / math.sqrt(a.size), np.float32)
