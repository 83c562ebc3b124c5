"""Results, whatever names them: what takes an item or a curation takes a path too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_cnmf._checks import check_path
from napari_cnmf.core.verdict import learning
from napari_cnmf.errors import ResultError
from napari_cnmf.model import why
from napari_cnmf.model.curation import Curatable, Curation

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.core.verdict.learning import Learned
    from napari_cnmf.model.ids import Ids
    from napari_cnmf.model.why import Explanation

AnySource = Curatable | str | Path
"""An item, a sample, a curation, components, or the path of a result."""


def curation_at(path: str | Path) -> Curation:
    """Open a result file, an item's folder, or what another program wrote.

    Raises
    ------
    ResultError
        There is no result, or it cannot be read.
    """
    from napari_cnmf.io.curation import open_curation
    from napari_cnmf.io.imports import kind_of, open_import

    path = result_path(check_path("A result", path, ResultError))
    if kind_of(path) is not None:
        return open_import(path)
    if not path.is_file():
        raise ResultError(f"A result file or the folder of an item is needed, got {path}.")
    # the item's own journal, where the result lies in a batch
    return open_curation(path, in_batch=(path.absolute().parent / "item.json").is_file())


def result_path(path: Path) -> Path:
    """Path of the result's file; for an item's folder that inside it."""
    inside = path / "result.hdf5"
    return inside if (path / "item.json").is_file() and inside.is_file() else path


def explain_place(
    result: AnySource, at: Sequence[int], *, reach_px: float | None = None
) -> Explanation:
    """Why there is a cell at a place, or none.

    Parameters
    ----------
    result
        An item, a project's sample, a curation, components, or the path of a result.
    at
        Pixel ``([z], y, x)``.
    reach_px
        How far away a tried site counts; by default gSig.

    Raises
    ------
    ResultError
        A place outside the field, or no result at the path.
    """
    return why.explain_place(_opened(result), at, reach_px=reach_px)


def learn(curations: AnySource | Iterable[AnySource]) -> Learned:
    """Learn from the decisions by hand of one or several curated results.

    Parameters
    ----------
    curations
        Curations, items, samples or paths, of results that the built-in verdict scored: their
        evidence is what is learnt from. What a curator drew or merged has none and is left out.

    Returns
    -------
    Learned
        Save it, and name the file in ``quality.learned``.

    Raises
    ------
    ResultError
        Fewer than 20 decisions, or all of one kind, or results without evidence.

    Examples
    --------
    >>> learned = nc.learn([first, second]); print(learned)      # doctest: +SKIP
    >>> learned.save("ours.json")                                 # doctest: +SKIP
    """
    if isinstance(curations, Iterable) and not isinstance(curations, str):
        return learning.learn([_opened(one) for one in curations])
    return learning.learn(_opened(curations))


def list_events(source: AnySource, ids: Ids | None = None) -> pd.DataFrame:
    """List the events of components, each with the probability that it is one.

    An event is a run of frames with spikes. Noise makes events, too: how many, and how strong, is
    seen in what the model leaves of the traces, upside down, and what each component's events have
    beyond that is its activity. The probability is the share of events like it that are no noise.

    Parameters
    ----------
    source
        An item, a project's sample, a curation, components, or the path of a result.
    ids
        Components whose events are wanted; by default those that are accepted.

    Returns
    -------
    pandas.DataFrame
        One row an event: ``id`` of the component; ``start_frame`` and ``stop_frame``, its first
        frame with a spike and the frame after its last; ``start_s``, where the frame rate is
        known; ``size``, the sum of its spikes in the units of the traces; ``snr``, the size over
        its standard error; ``probability``, from 0 to 1.

    Raises
    ------
    ResultError
        The result has no spikes, or no residual to tell the noise from; or the path has no result.
    CurationError
        An id is none.

    Examples
    --------
    >>> events = nc.list_events(cur)                   # doctest: +SKIP
    >>> sure = events[events.probability > 0.95]       # doctest: +SKIP
    >>> sure.groupby("id").size()                      # doctest: +SKIP
    """
    from napari_cnmf.io.exports.events import events_of_components

    return events_of_components(_opened(source), ids)


def _opened(source: AnySource) -> Curatable:
    return curation_at(source) if isinstance(source, str | Path) else source
