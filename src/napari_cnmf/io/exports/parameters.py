"""Writes the parameters of a result, for the next run."""

from __future__ import annotations

import json
from pathlib import Path

from napari_cnmf.errors import ExportError, ParameterError
from napari_cnmf.io.exports.context import NOTHING_KNOWN, Context
from napari_cnmf.io.exports.selection import as_curation, sources_of
from napari_cnmf.io.exports.writing import (
    OnProgress,
    PathLike,
    checked_writer,
    ignore_progress,
    new_export,
)
from napari_cnmf.model.curation import Curatable, Curation
from napari_cnmf.params import CNMFParams, read_foreign, to_json, to_toml
from napari_cnmf.params._plain import to_plain
from napari_cnmf.params.files import PARAMETER_FILE


def params_of(cur: Curation) -> CNMFParams:
    """Parameters that the result was made with, and the thresholds that stand now.

    Raises
    ------
    ExportError
        The result's file holds values that no run would take.
    """
    components = cur.components
    try:
        params = CNMFParams.from_dict(read_foreign(components.params).groups)
        params = params.replace(quality=cur.quality.model_dump())
        if params.data.fr is None and components.frame_rate_hz is not None:
            params = params.replace(data={"fr": components.frame_rate_hz})
    except ParameterError as error:
        raise ExportError(f"The result must hold valid parameters: {error}") from error
    return params


def params_json_of(cur: Curation) -> str:
    """Parameters as JSON: checked where they can be, else as the result's file has them."""
    try:
        return to_json(params_of(cur))
    except ExportError:
        # traces must not stay locked in for a parameter that no run would take
        return json.dumps(to_plain(cur.components.params), default=str)


@checked_writer
def write_params(
    source: Curatable,
    out: PathLike,
    *,
    include_rejected: bool = False,
    overwrite: bool = False,
    context: Context = NOTHING_KNOWN,
    on_progress: OnProgress = ignore_progress,
) -> Path:
    """Write the parameters as TOML, or as JSON where ``out`` ends so.

    They hold the frame rate, so that the same movie gives the same result wherever it lies.

    Parameters
    ----------
    source
        A result with its decisions, or bare components.
    out
        File that ends in ``.toml`` or ``.json``.
    include_rejected
        Changes nothing.
    overwrite
        Replace an earlier export of this kind; anything else at ``out`` is never replaced.
    context
        The movie and what else is known.
    on_progress
        ``on_progress(done, total)``; may raise to stop, and nothing is left behind.

    Raises
    ------
    ExportError
        The parameters are not valid, or the file cannot be written.

    See Also
    --------
    napari_cnmf.params.read_params : the inverse.
    """
    cur = as_curation(source)
    params = params_of(cur)
    text = to_json(params) if Path(out).suffix.lower() == ".json" else to_toml(params)
    with new_export(
        out, (".toml", ".json"), PARAMETER_FILE, overwrite=overwrite,
        sources=sources_of(cur, context),
    ) as beside:  # fmt: skip
        beside.write_text(text, encoding="utf-8", newline="\n")
    on_progress(1, 1)
    return Path(out)
