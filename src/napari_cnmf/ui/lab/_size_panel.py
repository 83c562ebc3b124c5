"""Page of the cell size: drag circles over cells, or take what was measured."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton

from napari_cnmf.params.cell_size import (
    ONE_PHOTON,
    TWO_PHOTON,
    CellSize,
    circle_radius,
    size_of_circle,
    with_depth,
)
from napari_cnmf.params.volume_sizes import in_a_volume
from napari_cnmf.ui._parts import fill, text_label
from napari_cnmf.ui.lab._panel import Panel, show_sentence
from napari_cnmf.ui.lab._stage import circles

if TYPE_CHECKING:
    from napari_cnmf.ui.lab._link import FormLink
    from napari_cnmf.ui.lab._stage import Stage

_RINGS = "cell size"
_N_RINGS = 16
_SET, _DRAWN = "#ffd54f", "#ffffff"
_SMALLEST_PX = 1.0


class SizePanel(Panel):
    """Page of gSig and gSiz, from circles on the canvas or from the data."""

    def __init__(self, link: FormLink, stage: Stage) -> None:
        super().__init__(link, stage)
        self.drawn: list[tuple[NDArray[np.float64], float]] = []
        self._dragged: tuple[NDArray[np.float64], float] | None = None
        self.measure_button = QPushButton("Measure cells")
        self.measure_button.setCheckable(True)
        self.measure_button.setToolTip(
            "Press on the middle of a cell and drag to its edge; several cells give their median"
        )
        self.clear_button = QPushButton("Clear circles")
        self.take_button = QPushButton("Take it")
        self.rings_box = QCheckBox("Rings of gSig on clear cells")
        self.rings_box.setChecked(True)
        self.explanation, self.facts = text_label(gray=True), text_label()
        self.measured = text_label()
        self._lay_out()
        self.measure_button.toggled.connect(self._on_measuring)
        self.clear_button.clicked.connect(lambda _=False: self.clear_circles())
        self.take_button.clicked.connect(lambda _=False: self.take_suggestion())
        self.rings_box.toggled.connect(lambda _: self.refresh())

    def _lay_out(self) -> None:
        self.column.addWidget(self.link.row("init.gSig"))
        self.column.addWidget(self.link.row("init.gSiz"))
        self.column.addWidget(self.explanation)
        buttons = fill(QHBoxLayout(), (self.measure_button, 1), (self.clear_button, 1))
        self.column.addLayout(buttons)
        self.column.addWidget(self.measured)
        found = fill(QHBoxLayout(), (self.facts, 1), self.take_button)
        self.column.addLayout(found)
        self.column.addWidget(self.rings_box)
        self.column.addStretch(1)

    # -- values

    def suggestion(self) -> CellSize | None:
        """Size that was measured in the data."""
        if self.recording is None:
            return None
        found = self.recording.suggestion(None, one_photon=self.link.is_one_photon)
        return found.size

    def take_suggestion(self) -> None:
        """Put the measured size into the form."""
        size = self.suggestion()
        if size is not None:
            self._set(size)

    def add_circle(self, centre: NDArray[np.float64], radius: float) -> None:
        """Add a circle that the user drew; the median of all goes into the form."""
        self.drawn.append((centre, radius))
        self._set_radius(float(np.median([r for _, r in self.drawn])))

    def clear_circles(self) -> None:
        """Remove the circles that the user drew."""
        self.drawn.clear()
        self.refresh()

    def _set_radius(self, radius: float) -> None:
        self._set(size_of_circle(radius, one_photon=self.link.is_one_photon))

    def _set(self, size: CellSize) -> None:
        params = self.link.params()
        if params is not None:
            size = with_depth(size, params.init.gSig)
        if len(size.gSig) == 3:
            # Sizes of a plane beside those of a volume would be an error in the form.
            for name, value in in_a_volume(self.link.values()).items():
                self.link.set(name, value)
        self.link.set("init.gSig", size.gSig)
        self.link.set("init.gSiz", size.gSiz)
        self.refresh()

    # -- the mouse

    def _on_measuring(self, is_on: bool) -> None:
        callbacks = self.stage.viewer.mouse_drag_callbacks
        if is_on and self._on_drag not in callbacks:
            callbacks.append(self._on_drag)
        elif not is_on and self._on_drag in callbacks:
            callbacks.remove(self._on_drag)
        self.measure_button.setText("Drag over a cell…" if is_on else "Measure cells")

    def _on_drag(self, _viewer: Any, event: Any) -> Generator[None, None, None]:
        if self.stage.layer is None or event.button != 1:
            return
        layers = self.stage.viewer.layers.selection
        panning = [(layer, layer.mouse_pan) for layer in layers]
        for layer, _ in panning:
            layer.mouse_pan = False
        centre = self.stage.to_pixels(event.position)
        yield
        while event.type == "mouse_move":
            radius = float(np.hypot(*(self.stage.to_pixels(event.position) - centre)))
            self._dragged = (centre, radius)
            if radius >= _SMALLEST_PX:
                self._set_radius(radius)  # the form follows while the mouse moves
            yield
        for layer, pan in panning:
            layer.mouse_pan = pan
        dragged, self._dragged = self._dragged, None
        if dragged is not None and dragged[1] >= _SMALLEST_PX:
            self.add_circle(*dragged)

    # -- drawing

    def on_recording(self) -> None:
        """Forget the circles that were drawn on another movie."""
        self.drawn.clear()

    def refresh(self) -> None:
        """Draw the rings, and show the sizes that were measured and are set."""
        one_photon = self.link.is_one_photon
        self.explanation.setText(
            f"<b>{ONE_PHOTON if one_photon else TWO_PHOTON}</b> "
            f"{TWO_PHOTON if one_photon else ONE_PHOTON}"
        )
        self._show_facts()
        if self.drawn:
            radii = ", ".join(f"{radius:.1f}" for _, radius in self.drawn)
            show_sentence(self.measured, f"{len(self.drawn)} circles of {radii} px; their median")
        else:
            show_sentence(self.measured, "")
        self.clear_button.setEnabled(bool(self.drawn))
        if self.is_shown:
            self._draw()

    def _show_facts(self) -> None:
        if self.recording is None:
            self.take_button.hide()
            show_sentence(self.facts, "")
            return
        found = self.recording.suggestion(None, one_photon=self.link.is_one_photon)
        self.take_button.setVisible(found.size is not None)
        if found.radius_px is None:
            text = f"{found.n_cells} clear cells in the sample: too few to measure."
            show_sentence(self.facts, text, kind="warning")
            return
        text = f"{found.n_cells} clear cells are {2 * found.radius_px:.1f} px wide"
        if found.depth_px is not None:
            text += f" and {2 * found.depth_px:.1f} planes deep"
        text += " at half height"
        if found.size is None:
            text += ". The planes do not show how deep they are: set it by hand."
        else:
            text += f": gSig {_size(found.size.gSig)}, gSiz {_size(found.size.gSiz)}"
        show_sentence(self.facts, text)

    def _draw(self) -> None:
        if self.stage.layer is None:
            return
        shapes = self.rings()
        self.stage.draw(
            _RINGS,
            [corners for corners, _ in shapes],
            shape_type="ellipse",
            edge_color=[color for _, color in shapes],
            face_color="transparent",
            edge_width=0.4,
        )

    def rings(self) -> list[tuple[NDArray[np.float64], str]]:
        """Corners and colour of every ring."""
        params = self.link.params()
        places = self._places()
        found: list[tuple[NDArray[np.float64], str]] = []
        if params is not None and self.rings_box.isChecked():
            radius = circle_radius(params.init.gSig, one_photon=self.link.is_one_photon)
            found += [(ring, _SET) for ring in circles(places, radius)]
        drawn = [*self.drawn, *([self._dragged] if self._dragged is not None else [])]
        for centre, radius in drawn:
            found += [(ring, _DRAWN) for ring in circles(centre[None], radius)]
        return found

    def _places(self) -> NDArray[np.float64]:
        """Choose centres of clear cells, spread over the field."""
        if self.recording is None:
            return np.zeros((0, 2))
        return self.recording.cells.at[:_N_RINGS]

    def set_shown(self, is_shown: bool) -> None:
        """Stop measuring by hand while another page is seen."""
        if not is_shown:
            self.measure_button.setChecked(False)
        super().set_shown(is_shown)

    def clear(self) -> None:
        """Hide the rings."""
        self.stage.hide(_RINGS)


def _size(axes: tuple[int, ...]) -> str:
    """Text of a size: one number in a plane, all axes in a volume."""
    return str(axes[0]) if len(axes) == 2 else " × ".join(map(str, axes))
