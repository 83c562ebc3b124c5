"""Seeds of one-photon methods: two thresholds on two images, drawn and counted while they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QRadioButton, QSlider

from napari_cnmf.core.base.reports import Report
from napari_cnmf.core.movie.local_images import LocalImages, filtered_images, find_seeds
from napari_cnmf.errors import CnmfError
from napari_cnmf.params import CNMFParams
from napari_cnmf.ui._parts import text_label
from napari_cnmf.ui._theme import call_later
from napari_cnmf.ui.lab._panel import Panel, show_sentence
from napari_cnmf.ui.lab._task import LatestTask, ShouldStop

if TYPE_CHECKING:
    from napari_cnmf.ui.forms._rows import ParameterRow
    from napari_cnmf.ui.lab._link import FormLink
    from napari_cnmf.ui.lab._recording import Recording
    from napari_cnmf.ui.lab._stage import Stage

CORRELATION, PNR, SEEDS = "correlation", "peak-to-noise", "seeds"
_STEPS = 500
_DELAY_MS = 400


class ThresholdSlider(QSlider):
    """A slider over the values of an image; the row beside it holds the value."""

    def __init__(self, row: ParameterRow) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.row = row
        self.setRange(0, _STEPS)
        self._low, self._high = 0.0, 1.0
        self.valueChanged.connect(self._on_moved)

    def set_span(self, low: float, high: float) -> None:
        """Set the span from the lowest to the highest value of the image."""
        self._low, self._high = low, high if high > low else low + 1
        self.follow()

    def follow(self) -> None:
        """Move the slider to the row's value."""
        value = self.row.value
        if isinstance(value, int | float):
            share = (value - self._low) / (self._high - self._low)
            with QSignalBlocker(self):
                self.setValue(round(float(np.clip(share, 0, 1)) * _STEPS))

    def _on_moved(self, step: int) -> None:
        value = self._low + (self._high - self._low) * step / _STEPS
        self.row.set_value(round(value, 3 if self._high <= 1.5 else 1))


class SeedsPanel(Panel):
    """Page of the two thresholds, min_corr and min_pnr."""

    def __init__(self, link: FormLink, stage: Stage) -> None:
        super().__init__(link, stage)
        self.images: LocalImages | None = None
        self._made_for: tuple[Recording, tuple[float, float]] | None = None
        self.task = LatestTask(self)
        self.corr = ThresholdSlider(link.row("init.min_corr"))
        self.pnr = ThresholdSlider(link.row("init.min_pnr"))
        self.count, self.note = text_label(), text_label(gray=True)
        self.views = QButtonGroup(self)
        self._lay_out()
        self._compute_later = call_later(self, self._compute, _DELAY_MS)
        self.views.buttonClicked.connect(lambda _: self._show_view())

    def _lay_out(self) -> None:
        for slider in (self.corr, self.pnr):
            self.column.addWidget(slider.row)
            self.column.addWidget(slider)
        self.column.addWidget(self.count)
        row = QHBoxLayout()
        for name in ("movie", CORRELATION, PNR):
            button = QRadioButton(name)
            button.setChecked(name == CORRELATION)
            self.views.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        self.column.addLayout(row)
        self.column.addWidget(self.note)
        self.column.addStretch(1)

    # -- images

    def on_recording(self) -> None:
        """Forget the images and seeds of another movie."""
        self.images, self._made_for = None, None
        self.task.cancel()
        self.stage.remove(CORRELATION, PNR, SEEDS)

    def refresh(self) -> None:
        """Compute the images where they are missing, and draw the seeds at the thresholds."""
        for slider in (self.corr, self.pnr):
            slider.follow()
        params, recording = self.link.params(), self.recording
        if recording is None or params is None:
            return
        self._say_method()
        wanted = (recording, _g_sig(params, recording))
        if self._made_for != wanted:
            show_sentence(self.count, "filtering the sample…")
            self._compute_later.start()
        elif self.images is not None:
            self._draw()

    def _say_method(self) -> None:
        if self.link.is_one_photon:
            text = "Images of frames without their smooth background, filtered with gSig."
        else:
            text = (
                "These thresholds are for CNMF-E: choose it as the method in the form. "
                "Two-photon methods search by themselves."
            )
        self.note.setText(text)

    def _compute(self) -> None:
        params, recording = self.link.params(), self.recording
        if recording is None or params is None or not self.is_shown:
            return
        wanted = (recording, _g_sig(params, recording))

        def work(should_stop: ShouldStop) -> LocalImages:
            return filtered_images(recording.sample, wanted[1], Report(should_stop=should_stop))

        def done(images: LocalImages) -> None:
            self.images, self._made_for = images, wanted
            self.corr.set_span(min(0.0, float(images.correlation.min())), 1.0)
            self.pnr.set_span(0.0, float(np.quantile(images.pnr, 0.9995)))
            if self.is_shown:
                self._draw()

        def failed(error: CnmfError) -> None:
            show_sentence(self.count, str(error), kind="error")

        self.task.start(work, done, failed, title="Parameter lab: correlation and PNR")

    # -- seeds

    def seeds(self) -> NDArray[np.float64]:
        """Seeds ``(n, 2)`` in pixels of the movie, at the thresholds of the form."""
        params, recording, images = self.link.params(), self.recording, self.images
        if params is None or recording is None or images is None:
            return np.zeros((0, 2))
        k = recording.sample.binning
        init = params.init
        g_siz = init.gSiz[-1] if init.gSiz is not None else 2 * init.gSig[-1] + 1
        found = find_seeds(
            images, init.min_corr, init.min_pnr, g_siz / 4 / k, params.patch.border_pix // k
        )
        return np.asarray((found + 0.5) * k - 0.5, np.float64)

    def _draw(self) -> None:
        images, recording = self.images, self.recording
        if images is None or recording is None or self.stage.layer is None:
            return
        k = recording.sample.binning
        for name, image in ((CORRELATION, images.correlation), (PNR, images.pnr)):
            layer = self.stage.find(name)
            if layer is None or layer.data is not image:
                self.stage.image(name, image, k, colormap="magma")
        at = self.seeds()
        params = self.link.params()
        self.stage.points(
            SEEDS, at, size=max(1.5, 0.6 * (params.init.gSig[-1] if params else 2)), symbol="disc",
            face_color="#7CFC9A", border_color="#000000", border_width=0.15, opacity=1.0,
        )  # fmt: skip
        self._show_count(len(at), images)
        self._show_view()

    def _show_count(self, n: int, images: LocalImages) -> None:
        if n:
            show_sentence(self.count, f"{n} seed{'s' if n > 1 else ''}")
            return
        show_sentence(
            self.count,
            "No seed: no pixel is above both thresholds. The highest correlation is "
            f"{images.correlation.max():.2f}, the highest peak-to-noise {images.pnr.max():.1f}. "
            "Lower the sliders until the bright spots of the images are reached, or measure gSig.",
            kind="warning",
        )

    def _show_view(self) -> None:
        button = self.views.checkedButton()
        wanted = button.text() if button is not None else "movie"
        for name in (CORRELATION, PNR):
            layer = self.stage.find(name)
            if layer is not None:
                layer.visible = name == wanted

    def clear(self) -> None:
        """Stop computing, and hide images and seeds."""
        self.task.cancel()
        self.stage.hide(CORRELATION, PNR, SEEDS)


def _g_sig(params: CNMFParams, recording: Recording) -> tuple[float, float]:
    """Half-width gSig of a cell along (y, x), in pixels of the sample."""
    y, x = params.init.gSig[-2:]
    k = recording.sample.binning
    return (max(0.6, y / k), max(0.6, x / k))
