"""Result of another program, as it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_cnmf.model.components import Components
from napari_cnmf.model.curation import Curation


@dataclass(frozen=True, eq=False)
class Imported:
    """Components of another program's result, and what was said about them.

    Attributes
    ----------
    components
        With ``attributes["history_trace"]``.
    path
        The file that stands for the result; journals lie beside it.
    decisions
        Of each component: ``auto, accepted, rejected, unsure``; empty where there are none.
    tags, notes
        Of each component; empty where there are none.
    """

    components: Components
    path: Path
    decisions: tuple[str, ...] = ()
    tags: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def curation(self) -> Curation:
        """Make a curation in memory, with decisions, tags and notes as edits."""
        cur = Curation(self.components, who="import")
        for name in ("accepted", "rejected", "unsure"):
            ids = [i for i, decision in enumerate(self.decisions) if decision == name]
            if ids:
                {"accepted": cur.accept, "rejected": cur.reject, "unsure": cur.unsure}[name](ids)
        for tag in sorted({tag for tags in self.tags for tag in tags}):
            cur.tag([i for i, tags in enumerate(self.tags) if tag in tags], tag)
        for i, note in enumerate(self.notes):
            if note:
                cur.note(i, note)
        return cur

    def journal_lines(self) -> list[dict[str, Any]]:
        """Lines of a journal with the decisions, tags and notes."""
        return self.curation().journal_lines()


def provenance(program: str, version: str, path: Path, params: dict[str, Any]) -> dict[str, Any]:
    """Attributes of an imported result: where it comes from, as a ``history_trace``."""
    step = {
        "step": "import",
        "engine": program,
        "version": version,
        "params": params,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": str(path),
    }
    return {"history_trace": [step], "engine": program, "engine_version": version}
