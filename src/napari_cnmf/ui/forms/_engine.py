"""Choice of the engine, and below it which engine that will be and why."""

from __future__ import annotations

from collections.abc import Callable

from magicgui.widgets import ComboBox

from napari_cnmf.engines import engine_names, get_engine, resolve
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.errors import CnmfError, EngineError
from napari_cnmf.ui._background import call_in_background
from napari_cnmf.ui._theme import WARNING_COLOR, WholeLabel

_HELP = "Automatic: CaImAn where it is found when the item starts, else the built-in engine."


class EngineChoice:
    """Choice of an engine; CaImAn is looked for in a thread, as that starts its interpreter.

    Parameters
    ----------
    on_resolved
        Takes the name of the engine that the choice comes to; empty where none can run.
    """

    def __init__(self, on_resolved: Callable[[str], None]) -> None:
        self._on_resolved = on_resolved
        self.combo = ComboBox(choices=_choices())
        self.combo.native.setToolTip(_HELP)
        self.note = WholeLabel()
        self._asked: tuple[str, str] = ("", "")

    def look(self, algorithm: str) -> None:
        """Show which engine the choice leads to for an algorithm."""
        name: str = self.combo.value
        self._asked = asked = (name, algorithm)
        self._say("looking for engines…", is_problem=False)

        def ask() -> tuple[str, str]:
            try:
                engine, reason = resolve(name, Algorithm(algorithm))
            except CnmfError as error:
                return "", str(error)
            title = f"{engine.title} {engine.version() or ''}".strip()
            return engine.name, f"{title}: {reason}" if name == "auto" else title

        def show(answer: tuple[str, str]) -> None:
            if asked == self._asked:
                engine, text = answer
                self._say(text, is_problem=not engine)
                self._on_resolved(engine)

        call_in_background(ask, done=show)

    def _say(self, text: str, *, is_problem: bool) -> None:
        self.note.setText(text)
        self.note.setStyleSheet(f"color: {WARNING_COLOR if is_problem else 'gray'};")


def _choices() -> list[tuple[str, str]]:
    choices = [("Automatic", "auto")]
    for name in engine_names():
        try:
            choices.append((get_engine(name).title, name))
        except EngineError:
            continue  # the package of others that does not load; doctor says why
    return choices
