"""Components that an engine found: footprints, traces, background and scores, frozen."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from napari_cnmf._checks import (
    check_array,
    check_dims,
    check_kind,
    check_names,
    check_number,
    shown,
)
from napari_cnmf.errors import ResultError
from napari_cnmf.model.ids import Ids, as_ids
from napari_cnmf.model.rows import TraceRows, choose_rows
from napari_cnmf.model.summary_images import SummaryImages

if TYPE_CHECKING:
    import dask.array as da

FloatArray = NDArray[np.floating[Any]]

COMPONENT_CLASSES = ("soma", "process", "punctum", "fragment", "out of focus", "noise")
"""What the built-in verdict takes a component for; results of CaImAn have none."""

TRACES = ("C", "S", "YrA", "F_dff")
"""Fields of ``Components`` with a row a component, one value a frame."""
_ARRAYS = (
    *TRACES, "b", "f", "b0", "sn", "g", "bl", "c1", "neurons_sn", "lam", "snr", "r_values",
    "cnn_preds", "ecc", "classes", "accepted",
)  # fmt: skip
_PER_COMPONENT_VALUES = ("bl", "c1", "neurons_sn", "lam", "snr", "r_values", "ecc", "classes")


@dataclass(frozen=True, eq=False, repr=False)
class Components:
    """CNMF factors of one movie: ``Y ~ A C + background`` (Pnevmatikakis et al. 2016, eq. 2).

    Attributes
    ----------
    A
        Footprints, sparse CSC ``(n_pixels, n_components)`` float32; pixels in C order of ``dims``.
    C
        Denoised traces ``(n_components, n_frames)``; the units of the movie times those of A.
    dims
        Field ``(Y, X)`` or ``(Z, Y, X)`` in pixels.
    S, YrA, F_dff
        Spikes, residual traces (raw = C + YrA), dF/F; each like ``C`` or ``None``.
    b, f
        Low-rank background, ``(n_pixels, nb)`` and ``(nb, n_frames)``.
    W, b0
        CNMF-E's ring background: weights CSR ``(n_pixels, n_pixels)``, C order; ``(n_pixels,)``.
    sn
        Noise standard deviation per pixel ``(n_pixels,)``.
    g
        AR coefficients ``(n_components, p)``.
    bl, c1, neurons_sn, lam
        Baseline, initial calcium, trace noise, sparsity of the deconvolution, ``(n_components,)``.
    snr, r_values
        CaImAn's scores ``(n_components,)``; ``None`` before an evaluation.
    cnn_preds
        Probability of being a cell, or the score of CaImAn's network, ``(n_components,)``; length 0
        when it was off.
    classes
        What each component looks like, one of ``COMPONENT_CLASSES``; ``None`` where none was told.
    accepted
        The engine's own verdict, bool ``(n_components,)``; ``None`` before an evaluation.
    frame_rate_hz
        Frames per second; ``None`` when the file does not say.
    params
        CaImAn's parameter groups as plain nested dict, as they were when the result was made.
    images
        Summary images of shape ``dims`` by name (``mean, correlation, ...``), float32.
    attributes
        Provenance that travels with the result: history trace, movie path and fingerprint,
        evidence of the verdict for each component, anything plain.

    Notes
    -----
    The traces of a large result stay in its file until they are asked for: ``C[ids]`` and
    ``C[ids, start:stop]`` give arrays and read no more than that, ``np.asarray(C)`` reads all. See
    :class:`napari_cnmf.model.rows.TraceRows`.
    """

    A: sp.csc_matrix
    C: FloatArray
    dims: tuple[int, ...]
    S: FloatArray | None = None
    YrA: FloatArray | None = None
    F_dff: FloatArray | None = None
    b: FloatArray | None = None
    f: FloatArray | None = None
    W: sp.csr_matrix | None = None
    b0: FloatArray | None = None
    sn: FloatArray | None = None
    g: FloatArray | None = None
    bl: FloatArray | None = None
    c1: FloatArray | None = None
    neurons_sn: FloatArray | None = None
    lam: FloatArray | None = None
    snr: FloatArray | None = None
    r_values: FloatArray | None = None
    cnn_preds: FloatArray | None = None
    ecc: FloatArray | None = None
    classes: NDArray[np.str_] | None = None
    accepted: NDArray[np.bool_] | None = None
    frame_rate_hz: float | None = None
    params: dict[str, Any] = field(default_factory=dict)
    images: dict[str, FloatArray] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check_kinds()
        self._make_read_only()
        n_pixels = self.n_pixels
        if self.C.ndim != 2:
            raise ResultError(f"C must be (n_components, n_frames), got shape {self.C.shape}.")
        n, n_frames = self.C.shape
        self._check("A", self.A.shape, (n_pixels, n))
        for name in TRACES:
            self._check_array(name, (n, n_frames))
        for name in _PER_COMPONENT_VALUES:
            self._check_array(name, (n,))
        self._check_array("accepted", (n,))
        for name in ("sn", "b0"):
            self._check_array(name, (n_pixels,))
        if self.cnn_preds is not None and self.cnn_preds.shape not in ((n,), (0,)):
            self._check("cnn_preds", self.cnn_preds.shape, (n,))
        if self.g is not None and (self.g.ndim != 2 or self.g.shape[0] != n):
            self._check("g", self.g.shape, (n, -1))
        if (self.b is None) != (self.f is None):
            raise ResultError("b and f come together: one of them is missing.")
        if self.b is not None and self.f is not None:
            self._check("b", self.b.shape, (n_pixels, self.f.shape[0]))
            self._check("f", self.f.shape, (self.b.shape[1], n_frames))

    def _check_kinds(self) -> None:
        """Raise ``ResultError`` where a field holds something else than its kind of value."""
        check_dims("dims", self.dims, ResultError)
        for name in ("A", "W"):
            matrix = getattr(self, name)
            if not (sp.issparse(matrix) or (name == "W" and matrix is None)):
                raise ResultError(f"{name} must be a sparse matrix, got {shown(matrix)}.")
        for name in _ARRAYS:
            value = getattr(self, name)
            if value is None and name != "C":
                continue
            needed = "an array" if name == "C" else "an array or None"
            check_kind(name, value, (np.ndarray, TraceRows), ResultError, needed=needed)
        if self.frame_rate_hz is not None:
            advice = "It is in Hz; leave it empty where it is not known."
            check_number("frame_rate_hz", self.frame_rate_hz, ResultError, least=0, advice=advice)
        for name in ("params", "images", "attributes"):
            check_kind(name, getattr(self, name), dict, ResultError, needed="a dict")
        for name, image in self.images.items():
            check_kind(f"images[{name!r}]", image, np.ndarray, ResultError, needed="an array")

    def _make_read_only(self) -> None:
        """Hold read-only views of the arrays: those of the caller stay as they are."""
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, f.name, _read_only(value))
            elif isinstance(value, (sp.csc_matrix, sp.csr_matrix)):
                object.__setattr__(self, f.name, _read_only_matrix(value))
        images = SummaryImages({name: _read_only(image) for name, image in self.images.items()})
        object.__setattr__(self, "images", images)

    def _check_array(self, name: str, expected: tuple[int, ...]) -> None:
        value = getattr(self, name)
        if value is not None:
            self._check(name, value.shape, expected)

    @staticmethod
    def _check(name: str, got: tuple[int, ...], expected: tuple[int, ...]) -> None:
        if tuple(got) != tuple(expected):
            raise ResultError(f"{name} must have shape {expected}, got {tuple(got)}.")

    @property
    def denoised(self) -> da.Array:
        """``A C`` as a lazy movie ``(T, [Z], Y, X)``, one frame a chunk."""
        from napari_cnmf.model.reconstruction import denoised

        return denoised(self)

    @property
    def background(self) -> da.Array:
        """The low-rank background ``b f`` as a lazy movie ``(T, [Z], Y, X)``.

        Raises
        ------
        ResultError
            When the result holds none, or a ring background, which needs the movie.

        See Also
        --------
        napari_cnmf.model.reconstruction.background : of a ring background, with its movie.
        """
        from napari_cnmf.model.reconstruction import background

        return background(self)

    def residual(self, movie: Any) -> da.Array:
        """``movie - A C - background`` as a lazy movie ``(T, [Z], Y, X)``: what is not explained.

        Parameters
        ----------
        movie
            The recording, as ``open_movie`` or ``item.movie()`` gives it, or an array of shape
            ``(T, [Z], Y, X)``.

        Raises
        ------
        ResultError
            When the movie does not have the shape of the result.
        """
        from napari_cnmf.model.reconstruction import residual

        return residual(self, movie)

    @property
    def r_value(self) -> FloatArray | None:
        """Spatial correlation ``(n_components,)``: CaImAn's ``r_values``, named as in tables."""
        return self.r_values

    @property
    def p_soma(self) -> FloatArray | None:
        """Probability of being a cell ``(n_components,)``: ``cnn_preds``, named as in tables.

        ``None`` when nothing estimated it.
        """
        is_known = self.cnn_preds is not None and self.cnn_preds.size == self.n_components
        return self.cnn_preds if is_known else None

    @property
    def n_components(self) -> int:
        """Number of components."""
        return int(self.C.shape[0])

    @property
    def n_frames(self) -> int:
        """Number of frames of the traces."""
        return int(self.C.shape[1])

    @property
    def n_pixels(self) -> int:
        """Number of pixels of the field."""
        return int(np.prod(self.dims))

    @cached_property
    def A_rows(self) -> sp.csr_matrix:
        """``A`` by rows, for what asks pixel by pixel (picking, planes, single frames)."""
        return self.A.tocsr()

    @property
    def has_ring_background(self) -> bool:
        """Whether the background is the ring model of one-photon results."""
        return self.W is not None

    def replace(self, **changes: Any) -> Components:
        """A copy with some fields changed, checked again.

        Raises
        ------
        ResultError
            When there is no such field, or a value does not fit the others.
        """
        check_names(changes, (f.name for f in fields(self)), ResultError)
        return replace(self, **changes)

    def with_accepted(self, accepted: NDArray[np.bool_]) -> Components:
        """A copy with another verdict ``(n_components,)`` that shares everything else.

        Raises
        ------
        ResultError
            When it does not hold a truth value for each component.
        """
        verdict = check_array("accepted", accepted, ResultError, kinds="b")
        copied = copy(self)
        object.__setattr__(copied, "accepted", _read_only(verdict.astype(bool)))
        copied._check_array("accepted", (self.n_components,))
        return copied

    def take(self, ids: Ids) -> Components:
        """Some of the components, every array in step.

        Parameters
        ----------
        ids
            Numbers of components, counted from 0 as the columns of ``A`` are, in the order
            wanted; or a boolean mask ``(n_components,)``.

        Raises
        ------
        CurationError
            When something is no number of a component.
        """
        index = np.asarray(as_ids(ids, np.arange(self.n_components)), dtype=np.intp)
        changes: dict[str, Any] = {"A": self.A[:, index].tocsc()}
        for name in TRACES:
            value = getattr(self, name)
            if value is not None:
                changes[name] = choose_rows(value, index)
        for name in (*_PER_COMPONENT_VALUES, "accepted", "g"):
            value = getattr(self, name)
            if value is not None:
                changes[name] = value[index]
        if self.cnn_preds is not None and self.cnn_preds.size:
            changes["cnn_preds"] = self.cnn_preds[index]
        return replace(self, **changes)

    def __repr__(self) -> str:
        """Sizes of the components; the arrays themselves would fill a screen."""
        said = f"{self.n_components} components, {self.n_frames} frames, field {self.dims}"
        if self.accepted is not None:
            said += f", {int(self.accepted.sum())} accepted"
        return f"<Components: {said}>"

    def _repr_html_(self) -> str:
        from napari_cnmf.model.pictures import components_html

        return components_html(self)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def _read_only_matrix(matrix: Any) -> Any:
    """A sparse matrix on the same memory whose arrays cannot be written to.

    Its indices are sorted in a copy first where they are not: later that could not be done.
    """
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    if not matrix.data.flags.writeable:
        return matrix
    view = copy(matrix)
    view.data, view.indices = _read_only(matrix.data), _read_only(matrix.indices)
    view.indptr = _read_only(matrix.indptr)
    return view
