"""All components of a curation as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_cnmf.model.curation.edits import Decision
from napari_cnmf.model.figures import areas, event_counts

if TYPE_CHECKING:
    import pandas as pd

    from napari_cnmf.model.curation.result import CuratedResult

SCORE_NAMES = {"snr": "snr", "r_values": "r_value", "cnn_preds": "p_soma"}
"""Fields of ``Components`` and the name of that score of one component, the same everywhere."""


def as_table(cur: CuratedResult) -> pd.DataFrame:
    """A pandas table with one row a component, indexed by id.

    Returns
    -------
    pandas.DataFrame
        ``id``; ``accepted`` as curated, ``engine_accepted`` as the engine decided; ``decision``
        (``auto``, or ``accepted``, ``rejected``, ``unsure`` by hand); ``class``; the scores
        ``p_soma`` (of the classifier), ``snr`` and ``r_value``, NaN where unknown; ``area_px`` in
        pixels; ``n_events``; ``tags``, joined by ``"; "``; ``note``.

    Notes
    -----
    A boolean column selects wherever ids are taken, in whatever order the table is:
    ``cur.reject(cur.df.snr < 2.8)``.
    """
    import pandas as pd

    components, ids = cur.components, cur.ids
    n = ids.size
    classes = components.classes
    columns: dict[str, Any] = {
        "id": ids,
        "accepted": cur.accepted,
        "engine_accepted": cur.engine_accepted,
        "decision": [Decision(int(d)).name.lower() for d in cur.decisions],
        "class": [""] * n if classes is None else classes.tolist(),
    }
    for field in ("cnn_preds", "snr", "r_values"):
        values = getattr(components, field)
        is_known = values is not None and values.size == n
        columns[SCORE_NAMES[field]] = np.asarray(values, float) if is_known else np.full(n, np.nan)
    columns["area_px"] = areas(components)
    columns["n_events"] = event_counts(components)
    columns["tags"] = ["; ".join(sorted(cur.tags(i))) for i in ids.tolist()]
    columns["note"] = [cur.note_of(i) for i in ids.tolist()]
    return pd.DataFrame(columns, index=pd.Index(ids))
