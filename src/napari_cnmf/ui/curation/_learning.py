"""Learns from decisions: which components to decide on first, and what the decisions taught."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_cnmf.core.verdict.learning import FEWEST_DECISIONS, Learned, learn
from napari_cnmf.model.curation import Decision
from napari_cnmf.model.evaluation import worth_asking
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._parts import STRETCH, fill, push_button, text_label

if TYPE_CHECKING:
    from napari_cnmf.ui._session import Session
    from napari_cnmf.ui.curation._table_model import CurationTableModel

_WHAT = (
    "Decide by hand, and the verdict learns what a cell is to you. From {n} decisions on it is "
    "corrected, and checked on decisions that were left out."
)


class LearningPage(QWidget):
    """Tab that learns from the curator's decisions."""

    def __init__(
        self, session: Session, model: CurationTableModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._model = model
        self.learned: Learned | None = None
        about = text_label(_WHAT.format(n=FEWEST_DECISIONS))
        self.ask_button = push_button(
            "Most worth asking first",
            "Sort the table by how much a decision on each component would teach",
            self.sort_by_worth,
        )
        self.learn_button = push_button("Learn from my decisions", clicked=self.learn)
        self.said = text_label()
        self.save_button = push_button(
            "Save, and use it in the next run…",
            "Writes a small file and names it in the form (quality.learned)",
            self._ask_where,
        )
        self.save_button.hide()
        fill(
            QVBoxLayout(self),
            about,
            self.ask_button,
            self.learn_button,
            self.said,
            self.save_button,
            (STRETCH, 1),
            margins=6,
        )

    def show_result(self) -> None:
        """Show another result: what was learnt from the one before is no news of it."""
        self.learned = None
        self.said.clear()
        self.save_button.hide()

    def sort_by_worth(self) -> None:
        """Sort those to the top on which a decision teaches most; decided ones stand last."""
        result = self._session.result
        if result is None:
            return
        worth = worth_asking(result.components)
        cur = result.curation
        decided = cur.ids[cur.decisions != Decision.AUTO]
        worth = np.where(np.isin(result.ids, decided), -1.0, worth)
        self._model.sort_by(worth)

    def learn(self) -> None:
        """Learn from what was decided by hand about the result on screen."""
        result = self._session.result
        if result is None:
            return
        self.learn_button.setEnabled(False)
        self.said.setText("Learning…")

        def done(learned: Learned) -> None:
            self.learn_button.setEnabled(True)
            if self._session.result is result:
                self.learned = learned
                self.said.setText(str(learned))
                self.save_button.show()

        def failed(error: Exception) -> None:
            self.learn_button.setEnabled(True)
            self.said.setText(str(error))

        call_in_background(lambda: learn(result.curation), done=done, failed=failed)

    def _ask_where(self) -> None:
        result = self._session.result
        path = None if result is None else result.curation.path
        folder = Path.home() if path is None else path.parent
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Where should what was learnt be kept?", str(folder / "learned.json"), "*.json"
        )
        if chosen:
            self.save(Path(chosen))

    def save(self, path: Path) -> None:
        """Write what was learnt, and name the file in the form."""
        learned, form = self.learned, self._session.form
        if learned is None:
            return

        def done(written: Path) -> None:
            if form is not None:
                form.form.row("quality.learned").set_value(str(written))
            where = " The form names it for the next run." if form is not None else ""
            self.said.setText(f"{learned} Saved as {written}.{where}")

        # the file dialog has asked whether a file may be replaced
        call_in_background(lambda: learned.save(path, overwrite=True), done=done)
