"""Dock in which a result is curated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_info
from qtpy.QtWidgets import QFileDialog, QSizePolicy, QVBoxLayout

from napari_cnmf.errors import CnmfError, CurationError
from napari_cnmf.model.curation import Curation
from napari_cnmf.settings import Settings, read_settings
from napari_cnmf.ui._background import call_in_background, report, run_in_background
from napari_cnmf.ui._docks import Dock, bring_to_front
from napari_cnmf.ui._loading import LoadedResult, load_again
from napari_cnmf.ui._parts import fill
from napari_cnmf.ui._remembering import remember
from napari_cnmf.ui._session import ShownResult, session_of
from napari_cnmf.ui._theme import CallSoon, connect_while_alive, follow_theme
from napari_cnmf.ui.curation._actions import Action, Tag, actions, tags_of_keys
from napari_cnmf.ui.curation._columns import Figures
from napari_cnmf.ui.curation._decide_actions import DecideActions
from napari_cnmf.ui.curation._edit_actions import EditActions
from napari_cnmf.ui.curation._edit_panel import EditPanel
from napari_cnmf.ui.curation._keys import CurationKeys
from napari_cnmf.ui.curation._learning import LearningPage
from napari_cnmf.ui.curation._link import CurationLink
from napari_cnmf.ui.curation._panel import CurationPanel, set_key_tip
from napari_cnmf.ui.curation._states import Counts
from napari_cnmf.ui.curation._thresholds import effects_of_thresholds
from napari_cnmf.ui.curation._view_panel import ViewPanel
from napari_cnmf.ui.curation._why import WhyPage
from napari_cnmf.ui.exporting._dock import ResultButtons

if TYPE_CHECKING:
    import napari


class CurationWidget(Dock):
    """Table, thresholds, decisions, edits and history of the result on screen.

    Every action is a method of that name of ``decide`` or ``edits``, with a key and, mostly, a
    button.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.session = self.shows_components_of = session_of(napari_viewer)
        """Session of the viewer."""
        self._viewer = self.session.viewer
        self._settings: Settings = read_settings()
        self.bindings = actions(self._settings.keys)
        self.panel = CurationPanel(self.bindings, self.run, curator=self._settings.curator)
        self.panel.set_advances(self._settings.advance)
        self.view = ViewPanel(self.session)
        self.view.set_follows(self._settings.follow)
        self.session.following.is_on = self._settings.follow
        self.panel.tabs.insertTab(1, self.view, "View")
        self.edit_panel = EditPanel(self.panel.buttons)
        self.panel.tabs.insertTab(1, self.edit_panel, "Edit")
        self.decide = DecideActions(self.session, self.panel)
        self.edits = EditActions(self.session, self.edit_panel, self.panel.show_busy, self)
        self.places = WhyPage(self, next(a.key for a in self.bindings if a.name == "why"))
        self.panel.tabs.addTab(self.places, "Why")
        self.learning = LearningPage(self.session, self.panel.model)
        self.panel.tabs.addTab(self.learning, "Learn")
        fill(QVBoxLayout(self), self.panel, ResultButtons(self._viewer), margins=0)
        # Otherwise napari leaves half of a tall dock empty.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._refresh_soon = CallSoon(self, self._refresh)
        self._keys = CurationKeys(self, self.run)
        self._connect()
        self.session.overview.attach(self)
        self._on_result(self.session.result)
        self._on_figures()

    def _connect(self) -> None:
        session, panel = self.session, self.panel
        connect_while_alive(
            self,
            (session.result_changed, self._on_result),
            (session.overview.figures_changed, self._on_figures),
            (session.verdicts_changed, self._on_verdicts),
            (session.selection_changed, self._on_selection),
            (session.flip_wanted, self._flip),
            (session.components_changed, self.edits.show_deleted),
        )
        follow_theme(
            self, self._viewer, lambda theme: panel.set_background(theme.background.as_hex())
        )
        panel.table.chosen.connect(session.select)
        panel.model.reordered.connect(self._on_reordered)
        panel.model.note_written.connect(
            lambda id_, text: self._try(partial(self.decide.write_note, id_, text))
        )
        panel.thresholds.moved.connect(self._preview_thresholds)
        panel.thresholds.settled.connect(self._set_thresholds)
        panel.history.wanted.connect(lambda number: self._try(partial(self.decide.go_to, number)))
        panel.filter_changed.connect(self._filter)
        panel.shown_changed.connect(self._show_states)
        panel.save_wanted.connect(self._ask_where_to_save)
        panel.read_again_wanted.connect(self.read_again)
        panel.tag_wanted.connect(lambda number: self._try(partial(self.decide.toggle_tag, number)))
        panel.advance_changed.connect(lambda on: self.remember(advance=on))
        self.view.follow_changed.connect(self._set_follows)
        panel.preferences.keys_changed.connect(self._set_keys)
        panel.preferences.tags_changed.connect(self._set_tags)
        panel.preferences.curator_changed.connect(lambda name: self.remember(curator=name or None))

    # -- as the user wants it

    def remember(self, **changes: Any) -> None:
        """Write a choice to the settings in the background."""
        self._settings = self._settings.replace(**changes)
        remember(**changes)

    def _set_follows(self, follows: bool) -> None:
        self.session.following.is_on = follows
        self.remember(follow=follows)

    def _set_keys(self, keys: dict[str, str]) -> None:
        built_in = {a.name: a.key for a in actions({})}
        changed = {name: key for name, key in keys.items() if key != built_in[name]}
        self.bindings = actions(changed)
        self._keys.set_keys(self.bindings)
        for action in self.bindings:
            if action.name in self.panel.buttons:
                set_key_tip(self.panel.buttons[action.name], action)
        self.panel.set_tag_keys(self.bindings)
        self.remember(keys=changed)

    def _set_tags(self, tags: tuple[Tag, ...]) -> None:
        self._show_tags(tags)
        self.remember(tags={tag.name: tag.color for tag in tags})

    def _show_tags(self, tags: tuple[Tag, ...]) -> None:
        self.panel.set_tags(tags)
        self.view.set_tags(tags)

    # -- what is curated

    @property
    def link(self) -> CurationLink | None:
        """Link between the layers and the curation on screen; ``None`` without a result."""
        result = self.session.result
        return None if result is None else result.link

    @property
    def curation(self) -> Curation | None:
        """Curation on screen; ``None`` without a result."""
        return None if self.link is None else self.link.curation

    def run(self, action: Action) -> None:
        """Run an action; what cannot be done is said in a notification."""
        if action.tag is not None:
            self._try(partial(self.decide.toggle_tag, action.tag))
            return
        owners = (self.edits, self.decide, self.places)
        owner = next(o for o in owners if hasattr(o, action.name))
        self._try(getattr(owner, action.name))

    def _flip(self, row: int) -> None:
        self._try(partial(self.decide.flip, row))

    # -- thresholds

    def _preview_thresholds(self, values: dict[str, Any]) -> None:
        cur, link = self.curation, self.link
        if cur is not None and link is not None and not link.is_redrawing:
            auto = cur.preview_thresholds(**values)
            link.preview(auto)
            self.panel.show_counts(Counts.of(cur, auto), Counts.of(cur))

    def _set_thresholds(self, values: dict[str, Any]) -> None:
        cur = self.curation
        if cur is None:
            return
        name, value = next(iter(values.items()))
        if getattr(cur.quality, name) == value:
            self._refresh()
            return
        self._try(partial(cur.set_thresholds, **values))

    # -- reading and saving

    def read_again(self) -> None:
        """Open the result once more, with the edits of another window or program."""
        result = self.session.result
        if result is None:
            return
        loaded = result.loaded
        self.panel.show_conflict("")

        def show(again: LoadedResult) -> None:
            self.session.show(again)

        run_in_background(lambda: load_again(loaded), title="CNMF", done=show)

    def _ask_where_to_save(self) -> None:
        result = self.session.result
        if result is None:
            return
        folder = result.curation.path.parent if result.curation.path is not None else Path.home()
        start = str(folder / f"{result.name}-curated.hdf5")
        path, _ = QFileDialog.getSaveFileName(self, "Save as CaImAn", start, "CaImAn (*.hdf5)")
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Write the curated result as CaImAn HDF5, in the background."""
        from napari_cnmf.io.exports import write_caiman

        cur = self.curation
        if cur is not None:
            call_in_background(
                # the file dialog has asked whether a file may be replaced
                lambda: write_caiman(cur, path, overwrite=True),
                done=lambda done: show_info(f"Saved as {done}"),
            )

    # -- showing

    def _on_result(self, result: ShownResult | None) -> None:
        self.edits.close()
        self.learning.show_result()
        self.panel.set_enabled(result is not None)
        self.panel.show_conflict("")
        if result is None:
            self.panel.model.set_content(None, Figures.empty(), np.zeros(0, "<U1"))
            self.panel.history.show_history(None)
            return
        self.panel.thresholds.set_components(result.components)
        self._show_tags(tags_of_keys(self._settings.tags, result.curation.all_tags))
        self._refresh()
        bring_to_front(self)

    def _on_figures(self) -> None:
        """Fill the table, now that events and areas were counted."""
        result, figures = self.session.result, self.session.overview.figures
        if result is not None and len(figures) == len(result.link.states):
            self.panel.model.set_content(result.curation, figures, result.link.states)
            self._show_states()
            self._refresh_soon.start()

    def _on_verdicts(self) -> None:
        self.panel.clear_done()
        result, model = self.session.result, self.panel.model
        if result is not None and len(model.figures) == len(result.link.states):
            model.set_states(result.link.states)
            self._show_states()
        self._refresh_soon.start()

    def _refresh(self) -> None:
        """Renew counts, thresholds and history; many changes of one event are shown once."""
        cur = self.curation
        if cur is None or self.link is None or self.link.is_redrawing:
            return
        self.panel.show_counts(Counts.of(cur))
        self.panel.thresholds.set_quality(cur.quality)
        self.panel.thresholds.show_effects(effects_of_thresholds(cur))
        self.panel.history.show_history(cur)
        self.panel.show_possible(cur.can_undo, cur.can_redo)

    def _on_selection(self, _selection: tuple[int, ...]) -> None:
        self.panel.clear_done()
        self._select_in_table()
        ids = self.decide.selected_ids()
        link = self.link
        # Many are selected to do something with all of them; one is selected to look at it.
        if link is None or len(ids) != 1 or link.is_redrawing:
            return
        try:
            link.curation.mark_seen(ids)
        except CnmfError as error:
            # Said where it stays, not once for each component that is walked over.
            self.panel.show_conflict(str(error))
        self._refresh_soon.start()

    def _on_reordered(self) -> None:
        order, n = self.panel.model.order, len(self.panel.model.figures)
        self.panel.show_matches(len(order), n)
        self._show_states()
        self.session.overview.set_order(self.panel.model.order)
        self._select_in_table()

    def _select_in_table(self) -> None:
        self.panel.table.show_selected(self.session.selection)

    def _filter(self, text: str) -> None:
        try:
            self.panel.model.set_filter(text)
            self.panel.show_filter_problem("")
        except CurationError as error:
            self.panel.show_filter_problem(str(error))

    def _show_states(self) -> None:
        """Hide on the canvas the verdicts that are switched off, and what the filter leaves out."""
        result = self.session.result
        if result is None or result.link.is_redrawing:
            return
        shown = np.isin(result.link.states, self.panel.shown_states())
        model = self.panel.model
        if len(model.figures) == len(shown):
            shown &= model.is_kept
        if not np.array_equal(shown, result.layers.is_shown):
            result.layers.set_shown(shown)

    def _try(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except CnmfError as error:
            report(error)
