"""Draws the patches of CNMF and of motion correction over the image, with what they cost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QPushButton,
    QRadioButton,
)

from napari_cnmf.core.plan.plan import foresee
from napari_cnmf.engines.base import Algorithm
from napari_cnmf.engines.caiman.preflight import estimate_memory_gb
from napari_cnmf.errors import CnmfError
from napari_cnmf.params import CNMFParams, check_for_movie, propose_K
from napari_cnmf.params.patches import PatchGrid, cnmf_patches, motion_patches
from napari_cnmf.ui._parts import in_column, text_label
from napari_cnmf.ui.lab._panel import Panel, show_sentence

if TYPE_CHECKING:
    from napari_cnmf.ui.lab._link import FormLink
    from napari_cnmf.ui.lab._stage import Stage

GRID = "patches"
_MOST_DRAWN = 2500
_COLORS = {"cnmf": "#4fc3f7", "mcorr": "#ff8a65"}
_UNKNOWN_RATE_HZ = 30.0


class PatchesPanel(Panel):
    """Page of rf and stride, or of strides and overlaps."""

    def __init__(self, link: FormLink, stage: Stage) -> None:
        super().__init__(link, stage)
        self.kinds = QButtonGroup(self)
        self.cnmf_button, self.motion_button = QRadioButton("CNMF"), QRadioButton("Motion")
        self.cnmf_button.setChecked(True)
        self.facts, self.problem = text_label(), text_label()
        self.take_k_button = QPushButton("Take it as K")
        self._cnmf_rows = in_column(
            link.row("patch.rf"), link.row("patch.stride"), link.row("init.K"), spacing=2
        )
        self._motion_rows = in_column(
            link.row("motion.pw_rigid"),
            link.row("motion.strides"),
            link.row("motion.overlaps"),
            spacing=2,
        )
        self._lay_out()
        self.kinds.buttonClicked.connect(lambda _: self.refresh())
        self.take_k_button.clicked.connect(lambda _=False: self.take_k())

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        for button in (self.cnmf_button, self.motion_button):
            self.kinds.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        self.column.addLayout(row)
        self.column.addWidget(self._cnmf_rows)
        self.column.addWidget(self._motion_rows)
        self.column.addWidget(self.problem)
        self.column.addWidget(self.facts)
        self.column.addWidget(self.take_k_button)
        self.column.addStretch(1)

    @property
    def kind(self) -> str:
        """Kind of the patches: ``cnmf`` or ``mcorr``."""
        return "cnmf" if self.cnmf_button.isChecked() else "mcorr"

    def grid(self) -> PatchGrid | None:
        """The patches of the parameters as they stand; ``None`` without patches."""
        params, dims = self.link.params(), self._dims()
        if params is None or dims is None:
            return None
        if self.kind == "cnmf":
            patch = params.patch
            if patch.rf is None or not _fits(patch.rf, dims) or not _fits(patch.stride, dims):
                return None
            return cnmf_patches(dims, patch.rf, patch.stride, patch.border_pix)
        if not params.motion.pw_rigid or len(params.motion.strides) != len(dims):
            return None
        return motion_patches(dims, params.motion.strides, params.motion.overlaps)

    def expected_cells(self) -> int | None:
        """Expected number of cells in a patch, or in the field: what K has to be at least."""
        params, dims = self.link.params(), self._dims()
        if params is None or dims is None or len(params.init.gSig) != len(dims):
            return None
        return propose_K(dims, params.init.gSig, params.patch.rf)

    def take_k(self) -> None:
        """Put the expected number of cells into the form."""
        expected = self.expected_cells()
        if expected is not None:
            self.link.set("init.K", expected)

    def _dims(self) -> tuple[int, ...] | None:
        layer = self.stage.layer
        return None if layer is None else tuple(int(n) for n in layer.data.shape[1:])

    # -- drawing

    def refresh(self) -> None:
        """Draw the patches of the parameters, and show what they cost."""
        is_cnmf = self.kind == "cnmf"
        self._cnmf_rows.setVisible(is_cnmf)
        self._motion_rows.setVisible(not is_cnmf)
        self.take_k_button.setVisible(is_cnmf and self.expected_cells() is not None)
        params, dims = self.link.params(), self._dims()
        if params is None:
            groups = ("patch.", "init.") if is_cnmf else ("motion.",)
            wrong = [v for k, v in self.link.problems.items() if k.startswith(groups)]
            show_sentence(self.problem, wrong[0] if wrong else "", kind="error")
        if params is None or dims is None:
            return
        show_sentence(self.problem, self._problem(params), kind="warning")
        grid = self.grid()
        self.facts.setText(self._facts(params, dims, grid))
        if self.is_shown:
            self._draw(grid)

    def _problem(self, params: CNMFParams) -> str:
        """Sentence on what does not fit the movie, or is probably not meant."""
        layer = self.stage.layer
        assert layer is not None, "it has a shape"
        groups = "patch." if self.kind == "cnmf" else "motion."
        algorithm = self.link.algorithm if self.kind == "cnmf" else "mcorr"
        if self.kind == "cnmf" and algorithm not in ("cnmf", "cnmfe"):
            algorithm = "cnmf"
        try:
            notes = check_for_movie(params, tuple(layer.data.shape), None, algorithm=algorithm)
        except CnmfError as error:
            return str(error)
        return " ".join(note for note in notes if groups in note)

    def _facts(self, params: CNMFParams, dims: tuple[int, ...], grid: PatchGrid | None) -> str:
        if self.kind == "mcorr":
            return self._motion_facts(params, grid)
        lines = []
        if grid is None:
            lines.append("No patches: the whole field at once.")
        else:
            lines.append(_counted(grid))
        cells = self.expected_cells()
        if cells is not None:
            lines.append(f"About {cells} cells in {'the field' if grid is None else 'each patch'}.")
        return "<br>".join([*lines, *self._memory(params)])

    def _motion_facts(self, params: CNMFParams, grid: PatchGrid | None) -> str:
        if grid is None:
            return "Rigid: the whole field moves as one, without patches."
        lines = [_counted(grid)]
        lines += self._memory(params)
        lines.append("The built-in engine lays a grid of its own, never a coarser one.")
        return "<br>".join(lines)

    def _memory(self, params: CNMFParams) -> list[str]:
        """Sentence on the memory that the engines will take for this movie."""
        layer = self.stage.layer
        assert layer is not None, "it has a shape"
        shape = tuple(int(n) for n in layer.data.shape)
        algorithm = Algorithm.MCORR if self.kind == "mcorr" else Algorithm.CNMF
        if self.kind == "cnmf" and self.link.is_one_photon:
            algorithm = Algorithm.CNMFE
        n = max(1, (os.cpu_count() or 2) - 1)
        caiman = estimate_memory_gb(params, algorithm, shape, n)
        lines = [f"Memory: CaImAn about {caiman:.1f} GB with {n} process{'es' if n > 1 else ''}"]
        if self.kind == "cnmf" and len(params.init.gSig) == len(shape) - 1:
            rate = params.data.fr or self._rate()
            try:
                own = foresee(
                    shape, np.dtype(layer.data.dtype), params, rate,
                    one_photon=algorithm is Algorithm.CNMFE,
                ).memory_gb  # fmt: skip
            except CnmfError:
                return lines  # the form says what is wrong
            lines[0] += f", the built-in engine {own:.1f} GB (out of core where less is free)"
        lines[0] += "."
        return lines

    def _rate(self) -> float:
        rate = self.recording.frame_rate_hz if self.recording is not None else None
        return rate or _UNKNOWN_RATE_HZ

    def _draw(self, grid: PatchGrid | None) -> None:
        if self.stage.layer is None:
            return
        boxes = [] if grid is None else sorted({box[-2:] for box in grid.boxes})
        if len(boxes) > _MOST_DRAWN:
            text = f"{len(boxes)} patches are too many to draw, and to compute."
            show_sentence(self.problem, text, kind="warning")
            boxes = []
        color = _COLORS[self.kind]
        self.stage.draw(
            GRID,
            [
                np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]]) - 0.5
                for (y0, y1), (x0, x1) in boxes
            ],
            shape_type="rectangle",
            edge_color=color,
            edge_width=max(self._dims() or (1,)) / 400,
            face_color=f"{color}18",
        )

    def clear(self) -> None:
        """Hide the patches."""
        self.stage.hide(GRID)


def _fits(value: int | tuple[int, ...] | None, dims: tuple[int, ...]) -> bool:
    return not isinstance(value, tuple) or len(value) == len(dims)


def _counted(grid: PatchGrid) -> str:
    by = " × ".join(map(str, grid.shape))
    size = " × ".join(map(str, grid.size))
    return f"{len(grid)} patch{'es' if len(grid) > 1 else ''} ({by}) of {size} px."
