"""Shows two or more results of one movie side by side."""

from napari_cnmf.ui.compare._window import ComparisonWindow, compare_items

__all__ = ["ComparisonWindow", "compare_items"]
