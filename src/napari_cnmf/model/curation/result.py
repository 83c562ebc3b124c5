"""Components, verdicts, tables and pictures of a curated result, as they stand now."""

from __future__ import annotations

import getpass
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._checks import check_array, check_kind, check_number, is_whole
from napari_cnmf.errors import CurationError
from napari_cnmf.model.components import Components
from napari_cnmf.model.contours import CONTOUR_LEVEL, contours
from napari_cnmf.model.curation.edits import Decision, Edit
from napari_cnmf.model.curation.estimator import Estimator
from napari_cnmf.model.curation.log import EditLog
from napari_cnmf.model.curation.stored import (
    ArrayStore,
    Journal,
    MemoryArrayStore,
    MemoryJournal,
    SeenIds,
    assemble,
)
from napari_cnmf.model.dff import compute_dff
from napari_cnmf.model.evaluation import (
    ACCEPTED_CLASSES,
    is_scored,
    passes_thresholds,
    read_thresholds,
)
from napari_cnmf.model.ids import Ids, as_id, as_ids
from napari_cnmf.params import CNMFParams, QualityParams

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_logger = logging.getLogger(__name__)


class CuratedResult:
    """Readable side of a `Curation`: the engine's components as the journal's edits show them.

    See Also
    --------
    napari_cnmf.model.curation.Curation : the parameters, and the edits.
    """

    def __init__(
        self,
        original: Components,
        *,
        journal: Journal | None = None,
        arrays: ArrayStore | None = None,
        seen: SeenIds | None = None,
        estimator: Estimator | None = None,
        who: str | None = None,
        path: Path | None = None,
        journal_name: str = "",
        journal_remark: str = "",
    ) -> None:
        advice = "Open a file with nc.open_result(PATH)."
        check_kind(
            "original", original, Components, CurationError, needed="components", advice=advice
        )
        self.original = original
        self.path = path
        self.journal_name = journal_name
        self._journal_remark = journal_remark
        self.estimator = estimator
        self.who = who if who is not None else _user_name()
        self.base_quality = _quality_of(original)
        self.accepted_classes = ACCEPTED_CLASSES
        self._log = EditLog(
            original,
            journal if journal is not None else MemoryJournal(),
            arrays if arrays is not None else MemoryArrayStore(),
            self.who,
            seen,
        )
        self._tree, self._state = self._log.tree, self._log.state
        self._assembled: tuple[int, Components] | None = None
        self._judged: tuple[int, NDArray[np.bool_]] | None = None
        self._curated: tuple[int, Components] | None = None
        if self.journal_problem:
            _logger.warning("%s", self.journal_problem)

    @property
    def ids(self) -> NDArray[np.intp]:
        """Ids of the components, ascending, ``(n_components,)``, read-only."""
        return _read_only(self._state.ids)

    @property
    def shape_version(self) -> int:
        """Counter that changes whenever :attr:`components` or :attr:`ids` change."""
        return self._log.shape_version

    @property
    def components(self) -> Components:
        """The components as curated so far; row ``i`` has id ``ids[i]``.

        Their ``accepted`` is that of the curation. What the engine decided is
        :attr:`engine_accepted`.
        """
        if self._curated is None or self._curated[0] != self._log.version:
            shapes, accepted = self._shapes, self.accepted
            same = shapes.accepted is not None and np.array_equal(shapes.accepted, accepted)
            untouched = shapes.accepted is None and not self.history
            curated = shapes if same or untouched else shapes.with_accepted(accepted)
            self._curated = self._log.version, curated
        return self._curated[1]

    @property
    def _shapes(self) -> Components:
        """The components as curated so far with the verdict of the engine."""
        version = self.shape_version
        if self._assembled is None or self._assembled[0] != version:
            self._assembled = version, assemble(self.original, self._state.rows())
        return self._assembled[1]

    @property
    def has_shape_edits(self) -> bool:
        """Whether there are components that the engine did not find."""
        return self._shapes is not self.original

    @property
    def engine_accepted(self) -> NDArray[np.bool_]:
        """Whether the engine accepted each component, ``(n_components,)``.

        A component that was merged, split or drawn since counts as accepted, and so does every
        component of a result that was never evaluated. Choose between variants of an analysis by
        this one: it does not change when a result is curated.
        """
        verdict = self._shapes.accepted
        return _read_only(np.ones(self.ids.size, dtype=bool)) if verdict is None else verdict

    @property
    def journal_problem(self) -> str:
        """One sentence on what of the journal is damaged; empty where it is whole.

        A journal of another result that was found under the name of this one is named, too.
        """
        return " ".join(filter(None, (self._journal_remark, self._log.problem)))

    @property
    def decisions(self) -> NDArray[np.uint8]:
        """``Decision`` of each component, ``(n_components,)``, read-only."""
        return _read_only(self._state.decisions[self.ids])

    @property
    def quality(self) -> QualityParams:
        """Thresholds that stand: the engine's, with those that were set since."""
        return QualityParams.model_validate(self.base_quality.model_dump() | self._state.thresholds)

    @property
    def auto_accepted(self) -> NDArray[np.bool_]:
        """Whether the thresholds alone accept each component, ``(n_components,)``."""
        version = self._log.verdict_version
        if self._judged is None or self._judged[0] != version:
            judged = self.preview_thresholds()
            judged.setflags(write=False)  # kept for the next one who asks
            self._judged = version, judged
        return self._judged[1]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Accepted components, ``(n_components,)``: by hand, or by the thresholds where undecided.

        ``UNSURE`` keeps the side that the thresholds give it. The array is read-only: decide with
        `accept` and `reject`.
        """
        return _read_only(self.resolve(self.auto_accepted))

    def resolve(self, auto: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Apply the decisions by hand on top of ``auto``, ``(n_components,)``.

        Raises
        ------
        CurationError
            When ``auto`` does not hold a truth value for each component.
        """
        decisions = self.decisions
        advice = "Take for example cur.preview_thresholds(min_SNR=3)."
        verdict = check_array("auto", auto, CurationError, kinds="b", advice=advice)
        if verdict.shape != decisions.shape:
            raise CurationError(
                f"auto must have a truth value for each of {decisions.size} components, got shape "
                f"{verdict.shape}. {advice}"
            )
        by_hand = decisions == Decision.ACCEPTED
        return np.asarray((verdict | by_hand) & (decisions != Decision.REJECTED), dtype=bool)

    def preview_thresholds(self, **thresholds: Any) -> NDArray[np.bool_]:
        """Whether other thresholds would accept each component, ``(n_components,)``.

        Takes what `Curation.set_thresholds` takes, and refuses the same.
        """
        quality = QualityParams.model_validate(
            self.quality.model_dump() | read_thresholds(thresholds)
        )
        components = self._shapes
        verdict = components.accepted
        passed = passes_thresholds(components, quality, self.accepted_classes)
        if verdict is None:
            return passed
        if quality == self.base_quality and components is self.original:
            return verdict
        # What was never scored cannot be judged: it keeps the verdict that it came with.
        return np.where(is_scored(components, quality), passed, verdict)

    def tags(self, id_: int) -> frozenset[str]:
        """Tags of one component, also of one that was deleted; none where there is none."""
        return self._state.tags.get(self._number_of(id_), frozenset())

    def note_of(self, id_: int) -> str:
        """The note of one component, also of one that was deleted; empty where there is none."""
        return self._state.notes.get(self._number_of(id_), "")

    def _number_of(self, id_: Any) -> int:
        """Check one id that is or was there: tables ask while components come and go."""
        n_ids = self._state.n_ids
        return int(id_) if is_whole(id_) and 0 <= id_ < n_ids else as_id(id_, np.arange(n_ids))

    def words(self) -> dict[int, str]:
        """Tags and note of each component that has any, by id."""
        state = self._state
        return {
            i: " ".join((*sorted(state.tags.get(i, ())), state.notes.get(i, "")))
            for i in sorted({*state.tags, *state.notes})
        }

    @property
    def all_tags(self) -> list[str]:
        """Tags in use, in alphabetical order."""
        return sorted({tag for tags in self._state.tags.values() for tag in tags})

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Whether the curator looked at each component, ``(n_components,)``; undo keeps it."""
        return _read_only(np.isin(self.ids, list(self._log.seen)))

    def contours(
        self, ids: Ids | None = None, *, level: float = CONTOUR_LEVEL
    ) -> dict[int, list[NDArray[np.float64]]]:
        """Closed contours by id, of all components by default.

        Parameters
        ----------
        level
            Fraction of a footprint's maximum the contour runs at.

        Returns
        -------
        dict
            Vertices ``(n, 2)`` as (y, x), or ``(n, 3)`` as (z, y, x), in pixels whose centres are
            integers.
        """
        check_number("level", level, CurationError, least=0, most=1)
        A, dims = self._shapes.A, self._shapes.dims
        rows = self.rows_of(ids)
        wanted = self.ids[rows].tolist()
        return {
            i: contours(A, row, dims, level=level)
            for i, row in zip(wanted, rows.tolist(), strict=True)
        }

    def dff(
        self,
        ids: Ids | None = None,
        *,
        percentile: float = 8.0,
        window: int = 500,
        offset: float = 0.0,
    ) -> NDArray[np.float32]:
        """dF/F of the curated components, ``(n, n_frames)``, of all components by default.

        Components without a baseline to divide by are NaN, and a warning names them.

        Parameters
        ----------
        percentile, window, offset
            See :func:`napari_cnmf.model.dff.compute_dff`; ``offset`` is the value of a pixel
            without light.
        """
        return compute_dff(
            self._shapes,
            self.rows_of(ids),
            percentile=percentile,
            window=window,
            offset=offset,
            names=self.ids,
        )

    def take(self, ids: Ids) -> Components:
        """The curated components with these ids alone, in the order given."""
        return self.components.take(self.rows_of(ids))

    def row_of(self, id_: int) -> int:
        """The row of :attr:`components` that has this id."""
        return int(self.rows_of(as_id(id_, self.ids))[0])

    def rows_of(self, ids: Ids | None) -> NDArray[np.intp]:
        """The rows of :attr:`components` that have these ids, in the order given; all by default.

        Raises
        ------
        CurationError
            When something is no id, or is not there.
        """
        if ids is None:
            return np.arange(self.ids.size)
        return np.searchsorted(self.ids, as_ids(ids, self.ids))

    @property
    def df(self) -> pd.DataFrame:
        """A pandas table with one row a component, indexed by id; see :func:`as_table`."""
        from napari_cnmf.model.curation.table import as_table

        return as_table(self)

    # -- pictures

    def plot_contours(
        self, ids: Ids | None = None, *, ax: Axes | None = None, image: str | None = None
    ) -> Axes:
        """Contours on a summary image, accepted ones blue; see :func:`plot_contours`."""
        from napari_cnmf.model.pictures import plot_contours

        return plot_contours(self, ids, ax=ax, image=image)

    def plot_traces(
        self, ids: Ids | None = None, *, kind: str = "raw", ax: Axes | None = None
    ) -> Axes:
        """Traces above each other; see :func:`plot_traces`."""
        from napari_cnmf.model.pictures import plot_traces

        return plot_traces(self, ids, kind=kind, ax=ax)

    def plot_raster(
        self, ids: Ids | None = None, *, kind: str = "denoised", ax: Axes | None = None
    ) -> Axes:
        """Traces as rows of an image; see :func:`plot_raster`."""
        from napari_cnmf.model.pictures import plot_raster

        return plot_raster(self, ids, kind=kind, ax=ax)

    def __repr__(self) -> str:
        where = "" if self.path is None else f" of {str(self.path)!r}"
        counts = f"{int(self.accepted.sum())} of {len(self.ids)} accepted"
        return f"<{type(self).__name__}{where}: {counts}, {len(self.applied)} edits>"

    def _repr_html_(self) -> str:
        from napari_cnmf.model.pictures import curation_html

        decisions = self.decisions
        is_decided = np.isin(decisions, (Decision.ACCEPTED, Decision.REJECTED))
        counts = {
            "components": self.ids.size,
            "accepted": int(self.accepted.sum()),
            "rejected": self.ids.size - int(self.accepted.sum()),
            "decided by hand": int(is_decided.sum()),
            "unsure": int((decisions == Decision.UNSURE).sum()),
            "accepted by the engine": int(self.engine_accepted.sum()),
            "edits": len(self.applied),
        }
        return curation_html(self, counts)

    # -- history

    @property
    def history(self) -> list[Edit]:
        """All edits ever made, in the order made, those undone included."""
        return list(self._tree.edits.values())

    @property
    def applied(self) -> list[Edit]:
        """The edits that lead from the engine's result to what stands now."""
        return [self._tree.edits[n] for n in self._tree.path(self._tree.here)]


def _quality_of(components: Components) -> QualityParams:
    """Thresholds that the engine ran with; CaImAn's defaults where the file does not say."""
    stored = components.params.get("quality", {})
    known = {key: value for key, value in stored.items() if key in QualityParams.model_fields}
    quality = CNMFParams().replace(quality=known).quality
    return quality.for_scores(are_probabilities="evidence" in components.attributes)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, locked: writing into the answer to a question would change nothing."""
    array.setflags(write=False)
    return array


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
