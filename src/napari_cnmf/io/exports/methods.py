"""Writes a paragraph for the methods section: what was run, how, and whom to cite."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from napari_cnmf._overwriting import mark_of
from napari_cnmf.errors import ExportError, ParameterError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.parameters import params_of
from napari_cnmf.io.exports.selection import as_curation, sources_of
from napari_cnmf.io.exports.timeline import Timeline
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    new_export,
)
from napari_cnmf.model.curation import Curatable, Curation, Decision
from napari_cnmf.model.dff import is_detrended_only
from napari_cnmf.params import CNMFParams, read_foreign

_CITATIONS = {
    "CNMF": "Pnevmatikakis E.A. et al. (2016) Simultaneous denoising, deconvolution, and demixing "
    "of calcium imaging data. Neuron 89:285-299. doi:10.1016/j.neuron.2015.11.037",
    "CaImAn": "Giovannucci A. et al. (2019) CaImAn an open source tool for scalable calcium "
    "imaging data analysis. eLife 8:e38173. doi:10.7554/eLife.38173",
    "CNMF-E": "Zhou P. et al. (2018) Efficient and accurate extraction of in vivo calcium signals "
    "from microendoscopic video data. eLife 7:e28728. doi:10.7554/eLife.28728",
    "OASIS": "Friedrich J., Zhou P., Paninski L. (2017) Fast online deconvolution of calcium "
    "imaging data. PLOS Comput Biol 13:e1005423. doi:10.1371/journal.pcbi.1005423",
    "NoRMCorre": "Pnevmatikakis E.A., Giovannucci A. (2017) NoRMCorre: an online algorithm for "
    "piecewise rigid motion correction of calcium imaging data. J Neurosci Methods 291:83-94. "
    "doi:10.1016/j.jneumeth.2017.07.031",
    "napari": "napari contributors (2019) napari: a multi-dimensional image viewer for Python. "
    "doi:10.5281/zenodo.3555620",
}

_KIND = "methods"
_SAID_ELSEWHERE = ("quality", "motion", "online", "ring_CNN")
"""Groups that decide nothing about the extraction, or have a sentence of their own."""

_ENGINES = {"builtin": "the built-in engine of napari-cnmf", "caiman": "CaImAn"}


def methods_text(source: Curatable, context: Context = NOTHING_KNOWN) -> str:
    """Prose on what was done, with versions, parameters off their defaults, and citations.

    Raises
    ------
    ExportError
        The result holds values that no run would take.
    """
    cur = as_curation(source)
    params = params_of(cur)
    sentences = [
        *_motion(context),
        _extraction(cur, context, params),
        _parameters("Extraction used", params),
        _evaluation(cur),
        _decisions(cur),
        _traces(cur),
    ]
    body = " ".join(sentence for sentence in sentences if sentence)
    references = "\n".join(f"- {_CITATIONS[name]}" for name in _cited(cur, context, params))
    return f"{body}\n\nReferences\n{references}\n"


@checked_writer
def write_methods(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write :func:`methods_text` to a text file, with a last line that says what wrote it.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.txt``.
    include_rejected
        Changes nothing: the text counts accepted and rejected components.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        As there, or the file cannot be written.
    """
    text = f"{methods_text(source, context)}\n({mark_of(_KIND)})\n"
    with new_export(
        out, (".txt", ".md"), _KIND, overwrite=overwrite,
        sources=sources_of(as_curation(source), context),
    ) as beside:  # fmt: skip
        beside.write_text(text, encoding="utf-8", newline="\n")
    on_progress(1, 1)
    return Path(out)


def _motion(context: Context) -> list[str]:
    found = []
    for step in context.history:
        if step.get("step") != "mcorr":
            continue
        sentence = f"Motion was corrected with {_engine(step)}."
        try:
            params = CNMFParams.from_dict(read_foreign(step.get("params") or {}).groups)
        except ParameterError as error:
            raise ExportError(f"The history must hold valid parameters: {error}") from error
        found += [sentence, _parameters("Motion correction used", params, only="motion")]
    return found


def _extraction(cur: Curation, context: Context, params: CNMFParams) -> str:
    components = cur.original
    method = "CNMF-E" if components.has_ring_background or params.is_one_photon else "CNMF"
    steps = [step for step in context.history if step.get("step") in ("cnmf", "cnmfe")]
    attributes = components.attributes
    caiman_version = components.params.get("data", {}).get("caiman_version")
    if steps:
        engine = _engine(steps[-1])
    elif "engine" in attributes:
        engine = _engine({"engine": attributes["engine"]} | _version_in(attributes))
    elif caiman_version:
        engine = _engine({"engine": "caiman", "version": caiman_version})
    else:
        engine = "an engine that the result does not name"
    field = " x ".join(map(str, components.dims))
    rate = components.frame_rate_hz
    length = f"{components.n_frames} frames" + (f" at {rate:g} Hz" if rate is not None else "")
    timeline = Timeline.of(components.n_frames, rate, context.recording)
    counts = [str(count) for count in timeline.frames_per_file]
    if counts:
        length += f" ({len(counts)} files of {', '.join(counts[:-1])} and {counts[-1]} frames)"
    return (
        f"Cells were found by constrained non-negative matrix factorisation ({method}) with "
        f"{engine}, in a movie of {length} and {field} pixels."
    )


def _version_in(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {"version": attributes["engine_version"]} if "engine_version" in attributes else {}


def _engine(step: Mapping[str, Any]) -> str:
    name = str(step.get("engine"))
    said = _ENGINES.get(name, name)
    return f"{said} (version {step['version']})" if step.get("version") else said


def _parameters(start: str, params: CNMFParams, *, only: str | None = None) -> str:
    """Sentence on what differs from the defaults; quality is named with the evaluation."""
    changed = {
        name: value
        for name, (value, _) in params.diff(CNMFParams()).items()
        if (name.split(".")[0] == only if only else name.split(".")[0] not in _SAID_ELSEWHERE)
        and value is not None
    }
    if not changed:
        return f"{start} default parameters."
    listed = ", ".join(f"{name} = {_plain(value)}" for name, value in changed.items())
    return f"{start} {listed}, and defaults otherwise."


def _plain(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_plain, value)) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _evaluation(cur: Curation) -> str:
    components = cur.components
    if components.snr is None or components.r_values is None:
        return "Components were not evaluated automatically."
    quality = cur.quality
    cnn = components.cnn_preds
    classifier = ""
    if cnn is not None and cnn.size and quality.use_cnn is not False:
        quality = quality.for_scores(are_probabilities="evidence" in components.attributes)
        name = "probability of a cell" if "evidence" in components.attributes else "CNN score"
        classifier = f", or {name} >= {quality.min_cnn_thr:g} (never < {quality.cnn_lowest:g})"
    return (
        f"Components were accepted with SNR > {quality.min_SNR:g} (never <= {quality.SNR_lowest:g})"
        f" or spatial correlation >= {quality.rval_thr:g} (never <= {quality.rval_lowest:g})"
        f"{classifier}."
    )


def _decisions(cur: Curation) -> str:
    decisions, accepted = cur.decisions, cur.accepted
    by_hand = int(np.count_nonzero((decisions != Decision.AUTO) & (decisions != Decision.UNSURE)))
    shapes = [edit for edit in cur.applied if edit.new_ids or edit.kind in ("redraw", "delete")]
    sentence = (
        f"Of {accepted.size} components {int(accepted.sum())} were accepted; {by_hand} were "
        f"decided by hand in napari-cnmf {version('napari-cnmf')}"
    )
    if shapes:
        kinds = [str(edit.kind) for edit in shapes]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        sentence += f", after these edits of shapes: {counts}"
    return sentence + "."


def _traces(cur: Curation) -> str:
    if not is_detrended_only(cur.components):
        return (
            "dF/F is (F - F0) / (F0 + B): F the demixed raw trace, F0 its running 8th percentile "
            "over 500 frames, B that of the background under the footprint."
        )
    return (
        "Traces were detrended by their running 8th percentile over 500 frames and not divided: "
        "the background of this model is no baseline."
    )


def _cited(cur: Curation, context: Context, params: CNMFParams) -> list[str]:
    cited = ["CNMF", "CaImAn"]
    if cur.original.has_ring_background or params.is_one_photon:
        cited.append("CNMF-E")
    if cur.original.S is not None:
        cited.append("OASIS")
    if any(s.get("step") == "mcorr" and s.get("engine") == "caiman" for s in context.history):
        cited.append("NoRMCorre")
    return [*cited, "napari"]
