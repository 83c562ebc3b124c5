"""napari's side: docks, layers, reader, sample data. Imported by nothing below it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari

__all__ = ["view"]


def view(source: Any, *, viewer: napari.Viewer | None = None) -> napari.Viewer:
    """Show something in napari: in the viewer that is open, or in a new one.

    Parameters
    ----------
    source
        An item or a batch, ``Components``, a ``Movie``, what ``item.result()`` gives, or the path
        of any of them.
    viewer
        Where to show it.

    Returns
    -------
    napari.Viewer
        With its docks; a script calls ``napari.run()`` next.

    Raises
    ------
    CnmfError
        When there is nothing to show, or napari cannot be opened here.
    """
    from napari_cnmf.ui._requirements import require_napari

    require_napari()
    import napari

    from napari_cnmf.ui._docks import show_docks
    from napari_cnmf.ui._loading import finish
    from napari_cnmf.ui._opening import open_source, show_opened
    from napari_cnmf.ui._session import session_of

    # What cannot be opened leaves no empty window behind.
    opened = finish(open_source(source))
    viewer = viewer or napari.current_viewer() or napari.Viewer()
    show_docks(viewer)
    show_opened(session_of(viewer), opened)
    return viewer


def view_path(path: Path | None) -> None:
    """Open napari with the docks, read ``path`` in the background, and stay until it is closed.

    Raises
    ------
    ViewerError
        When napari cannot be opened here.
    """
    check_viewer()
    import napari

    from napari_cnmf.ui._background import run_in_background
    from napari_cnmf.ui._docks import show_docks
    from napari_cnmf.ui._opening import open_path, show_opened
    from napari_cnmf.ui._session import session_of

    viewer = napari.Viewer(title="napari-cnmf")
    show_docks(viewer)
    if path is not None:
        session = session_of(viewer)
        run_in_background(
            lambda: open_path(path),
            title="CNMF",
            done=lambda opened: show_opened(session, opened),
        )
    napari.run()


def check_viewer() -> None:
    """Refuse an environment, or a screen, in which napari cannot be opened.

    Raises
    ------
    ViewerError
        One sentence that says what is missing, and how to get it.
    """
    from napari_cnmf.ui._requirements import require_napari, require_opengl

    require_napari()
    from napari.qt import get_qapp

    _app = get_qapp()
    require_opengl()
