"""Decisions about a result: a journal of edits, replayed onto the engine's components."""

from napari_cnmf.model.curation.comparing import Comparison, Difference
from napari_cnmf.model.curation.curation import Curation
from napari_cnmf.model.curation.edits import Decision, Edit, EditKind
from napari_cnmf.model.curation.estimator import Estimator
from napari_cnmf.model.curation.mending import mend_lines
from napari_cnmf.model.curation.prepared import PreparedEdit, ShapeEdits
from napari_cnmf.model.curation.sources import Curatable, ItemLike, SampleLike, as_curation
from napari_cnmf.model.curation.stored import ArrayStore, EditedComponent, Journal, SeenIds
from napari_cnmf.model.curation.suggestions import MergeSuggestion

__all__ = [
    "ArrayStore",
    "Comparison",
    "Curatable",
    "Curation",
    "Decision",
    "Difference",
    "Edit",
    "EditKind",
    "EditedComponent",
    "Estimator",
    "ItemLike",
    "Journal",
    "MergeSuggestion",
    "PreparedEdit",
    "SampleLike",
    "SeenIds",
    "ShapeEdits",
    "as_curation",
    "mend_lines",
]
