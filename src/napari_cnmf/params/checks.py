"""Checks parameters against a movie: what cannot work, and what is probably not meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from napari_cnmf.errors import FrameRateUnknownError, ParameterError
from napari_cnmf.params._problems import InvalidParametersError
from napari_cnmf.params.cnmf import CNMFParams
from napari_cnmf.params.groups import GROUPS, SIZES_PER_AXIS

_GROUPS_OF = {
    "mcorr": frozenset({"data", "motion"}),
    "cnmf": frozenset(GROUPS) - {"motion"},
    "cnmfe": frozenset(GROUPS) - {"motion"},
    "evaluate": frozenset({"data", "quality"}),
}

_SET_RATE = (
    "If it is 30 Hz, set data.fr in the form, with params={'data': {'fr': 30}} in Python, or with "
    "--set data.fr=30 on the command line."
)
_FEW_TRANSIENTS = 10
_SLOW_HZ = 5
_SLOWEST_DECAY_S = 10
"""No calcium indicator takes longer; milliseconds that are taken for seconds do."""
_LARGEST_SHARE = 1 / 4
"""Share of the field that a cell's radius may have before it is probably not meant."""


def resolve_frame_rate(params: CNMFParams, movie_frame_rate: float | None) -> float:
    """The frame rate in Hz: what was set, else what the movie's metadata says.

    Parameters
    ----------
    movie_frame_rate
        Hz, from the metadata; ``None`` where they do not say.

    Raises
    ------
    FrameRateUnknownError
        Where neither says: every time constant depends on it, so it is never assumed.
    """
    if params.data.fr is not None:
        return params.data.fr
    if movie_frame_rate is None:
        raise FrameRateUnknownError(
            f"The frame rate is needed in Hz, and the movie's metadata do not say it. {_SET_RATE}"
        )
    if not movie_frame_rate > 0:
        raise FrameRateUnknownError(
            f"The frame rate must be > 0 Hz, got {movie_frame_rate} from the movie's metadata. "
            + _SET_RATE
        )
    return float(movie_frame_rate)


def check_for_movie(
    params: CNMFParams,
    shape: Sequence[int],
    frame_rate_hz: float | None = None,
    *,
    algorithm: str | None = None,
) -> list[str]:
    """Compare parameters with the movie they are for.

    Parameters
    ----------
    shape
        ``(T, [Z], Y, X)``.
    frame_rate_hz
        What :func:`resolve_frame_rate` said; ``None`` leaves out what depends on time.
    algorithm
        ``mcorr``, ``cnmf``, ``cnmfe`` or ``evaluate``: only what that uses; ``None``
        checks all that was set.

    Returns
    -------
    list of str
        What can run but is probably not meant, one sentence each.

    Raises
    ------
    ParameterError
        For all that cannot work, as :class:`InvalidParametersError` with the parameters' names.
    """
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise ParameterError(
            f"A movie must have axes (T, Y, X) or (T, Z, Y, X), got shape {tuple(shape)}. "
            "Say which axis is which when it is opened."
        )
    movie = _Comparison(params, tuple(int(n) for n in shape), frame_rate_hz, algorithm)
    used = _GROUPS_OF[algorithm] if algorithm else _groups_in_use(params)
    movie.check_axes(used)
    if not movie.problems:
        for group, check in _CHECKS.items():
            if group in used:
                check(movie)
    if movie.problems:
        raise InvalidParametersError(movie.problems)
    return movie.warnings


def _groups_in_use(params: CNMFParams) -> frozenset[str]:
    """Groups to check: motion only where something was set, as its defaults say nothing."""
    unset = {"motion"} if params.motion == GROUPS["motion"]() else set()
    return frozenset(GROUPS) - unset


@dataclass
class _Comparison:
    params: CNMFParams
    shape: tuple[int, ...]
    frame_rate_hz: float | None
    algorithm: str | None
    problems: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def dims(self) -> tuple[int, ...]:
        """Shape ``([Z], Y, X)`` of the movie's field, in pixels."""
        return self.shape[1:]

    def per_axis(self, value: int | Sequence[int]) -> list[tuple[int, int]]:
        """Pairs ``(value, size)`` along each axis of the field."""
        values = [value] * len(self.dims) if isinstance(value, int) else list(value)
        return list(zip(values, self.dims, strict=True))

    def check_axes(self, used: frozenset[str]) -> None:
        """Check that a size has two numbers for a plane, three for a volume."""
        for group in used:
            values = getattr(self.params, group)
            for key, info in type(values).model_fields.items():
                value = getattr(values, key)
                if key not in SIZES_PER_AXIS or not isinstance(value, tuple):
                    continue
                if len(value) == len(self.dims) or not self._must_match(group, key, value, info):
                    continue
                axes = "(y, x)" if len(self.dims) == 2 else "(z, y, x)"
                kind = "a plane" if len(self.dims) == 2 else "a volume"
                self.problems[f"{group}.{key}"] = (
                    f"{group}.{key} must be {axes} for {kind} of {self.dims} px, got {value}. "
                    f"Give {len(self.dims)} numbers, for example "
                    f"{group}.{key}={_suggest(value, len(self.dims))}."
                )

    def _must_match(self, group: str, key: str, value: object, info: object) -> bool:
        """Whether a size must have the field's axes; a default (y, x) seldom has to."""
        if value != getattr(info, "default", None):
            return True
        if (group, key) in (("motion", "strides"), ("motion", "overlaps")):
            return self.algorithm == "mcorr" and self.params.motion.pw_rigid
        if (group, key) == ("motion", "max_shifts"):
            return self.algorithm == "mcorr"
        return (group, key) == ("init", "gSig")


def _suggest(value: tuple[float, ...], n_axes: int) -> str:
    numbers = value[-2:] if n_axes == 2 else (max(1, round(min(value) / 3)), *value[-2:])
    return ",".join(f"{number:g}" for number in numbers)


def _check_data(movie: _Comparison) -> None:
    rate, decay = movie.frame_rate_hz, movie.params.data.decay_time
    n_frames = movie.shape[0]
    if n_frames < 2:
        movie.problems["data"] = (
            f"A movie must have at least 2 frames, got {n_frames}. "
            "Open the whole recording, or say which axis is time."
        )
    if rate is None:
        return
    seconds = n_frames / rate
    if decay >= seconds:
        movie.problems["data.decay_time"] = (
            f"data.decay_time must be shorter than the movie ({seconds:.3g} s at {rate:g} Hz), "
            f"got {decay:g} s. Check data.fr, or use a longer recording."
        )
    elif seconds < _FEW_TRANSIENTS * decay:
        movie.warnings.append(
            f"The movie lasts {seconds:.3g} s, less than {_FEW_TRANSIENTS} times "
            f"data.decay_time = {decay:g} s: few cells will be active in it."
        )
    if rate * decay < 1:
        movie.warnings.append(
            f"data.decay_time = {decay:g} s and {rate:g} Hz contradict each other: a transient "
            f"would end within one frame of {1 / rate:.3g} s. Check both."
        )
    elif decay > _SLOWEST_DECAY_S:
        movie.warnings.append(
            f"data.decay_time = {decay:g} s is longer than the transients of any calcium "
            "indicator. It is in seconds: write 0.7 for 700 ms."
        )
    if movie.params.temporal.p == 2 and rate < _SLOW_HZ and movie.algorithm in (None, "cnmf"):
        movie.warnings.append(
            f"temporal.p = 2 models a rise that {rate:g} Hz does not resolve: p = 1 suits better."
        )


def _check_init(movie: _Comparison) -> None:
    init = movie.params.init
    for radius, size in movie.per_axis(init.gSig)[-2:]:
        if 2 * radius + 1 > size:
            movie.problems["init.gSig"] = (
                f"init.gSig must be the radius of a cell inside the field of {movie.dims} px, "
                f"got {init.gSig}. Measure a cell in the mean image."
            )
        elif radius > _LARGEST_SHARE * size and "init.gSig" not in movie.problems:
            note = (
                f"init.gSig = {init.gSig} px is the radius of a cell, here more than a quarter of "
                f"the field of {movie.dims} px. Measure a cell in the mean image."
            )
            movie.warnings += [note] if note not in movie.warnings else []
    if len(movie.dims) == 3 and init.gSig[0] > movie.dims[0]:
        movie.problems["init.gSig"] = (
            f"init.gSig along z must be at most the {movie.dims[0]} planes there are, "
            f"got {init.gSig}. Give the radius of a cell in planes first."
        )
    if init.gSiz is not None and any(
        width > size for width, size in movie.per_axis(init.gSiz)[-2:]
    ):
        movie.problems["init.gSiz"] = (
            f"init.gSiz must be smaller than the field of {movie.dims} px, got {init.gSiz}. "
            "Write none for 2 gSig + 1."
        )


def _check_patch(movie: _Comparison) -> None:
    patch, init = movie.params.patch, movie.params.init
    if 2 * patch.border_pix >= min(movie.dims[-2:]):
        movie.problems["patch.border_pix"] = (
            f"patch.border_pix must leave part of the field of {movie.dims} px, "
            f"got {patch.border_pix} px on each side. Lower it."
        )
    if patch.rf is None:
        return
    radii = [radius for radius, _ in movie.per_axis(patch.rf)][-2:]
    overlaps = [width for width, _ in movie.per_axis(patch.stride or 0)][-2:]
    windows = [2 * radius + 1 for radius in init.gSig] if init.gSiz is None else list(init.gSiz)
    if any(overlap >= 2 * radius for overlap, radius in zip(overlaps, radii, strict=True)):
        movie.problems["patch.stride"] = (
            f"patch.stride must be smaller than the patch of 2 rf = {2 * min(radii)} px, "
            f"got {patch.stride}. It is the overlap of patches: about two cell diameters."
        )
    if any(radius <= window for radius, window in zip(radii, windows[-2:], strict=True)):
        movie.warnings.append(
            f"patch.rf = {patch.rf} is not above the window of a cell ({max(windows)} px): "
            "patches will cut cells. About 4 times the cell's diameter suits better."
        )
    if all(2 * radius >= size for radius, size in zip(radii, movie.dims[-2:], strict=True)):
        movie.warnings.append(
            f"A patch of 2 rf = {2 * min(radii)} px is as large as the field of {movie.dims} px: "
            "there will be a single one."
        )


def _check_motion(movie: _Comparison) -> None:
    motion = movie.params.motion
    if motion.is3D and len(movie.dims) == 2:
        movie.problems["motion.is3D"] = (
            f"motion.is3D must be false for a plane of {movie.dims} px, got true. "
            "Leave it out: it follows from the movie."
        )
    if len(motion.max_shifts) == len(movie.dims) and any(
        2 * shift >= size for shift, size in movie.per_axis(motion.max_shifts)[-2:]
    ):
        movie.problems["motion.max_shifts"] = (
            f"motion.max_shifts must be below half the field of {movie.dims} px, "
            f"got {motion.max_shifts}. Lower it."
        )
    if motion.gSig_filt is not None and any(
        2 * radius + 1 > size
        for radius, size in zip(motion.gSig_filt[-2:], movie.dims[-2:], strict=True)
    ):
        movie.problems["motion.gSig_filt"] = (
            f"motion.gSig_filt must be the radius of a cell inside the field of {movie.dims} px, "
            f"got {motion.gSig_filt}. Measure a cell in the mean image."
        )
    if motion.pw_rigid and len(motion.strides) == len(movie.dims):
        _check_motion_patches(movie)


def _check_motion_patches(movie: _Comparison) -> None:
    motion = movie.params.motion
    if any(step > size for step, size in movie.per_axis(motion.strides)[-2:]):
        movie.problems["motion.strides"] = (
            f"motion.strides must be smaller than the field of {movie.dims} px, "
            f"got {motion.strides}. Use about a quarter of the field, or turn motion.pw_rigid off."
        )
    if any(overlap >= size for overlap, size in movie.per_axis(motion.overlaps)[-2:]):
        movie.problems["motion.overlaps"] = (
            f"motion.overlaps must be smaller than the field of {movie.dims} px, "
            f"got {motion.overlaps}. Use about a third of motion.strides."
        )
    widths = [step + overlap for step, overlap in zip(motion.strides, motion.overlaps, strict=True)]
    if all(width >= size for width, size in zip(widths[-2:], movie.dims[-2:], strict=True)):
        movie.warnings.append(
            f"A patch of motion.strides + motion.overlaps = {tuple(widths)} px is as large as the "
            f"field of {movie.dims} px: the correction will be rigid. Use smaller strides."
        )


_CHECKS: dict[str, Callable[[_Comparison], None]] = {
    "data": _check_data,
    "init": _check_init,
    "patch": _check_patch,
    "motion": _check_motion,
}
