"""Grid editor: many items from chosen values of several parameters, over several movies."""

from napari_cnmf.ui.grid._dialog import GridDialog, edit_grid

__all__ = ["GridDialog", "edit_grid"]
