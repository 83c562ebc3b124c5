"""Shows summary images of an item."""

from __future__ import annotations

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QImage, QPainter, QPaintEvent
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from napari_cnmf.ui._parts import fill, hint_label
from napari_cnmf.ui.batch._read_details import Pictures

PICTURE_TITLES = {
    "mean": "Mean",
    "max": "Maximum",
    "std": "Standard deviation",
    "correlation": "Local correlation",
    "pnr": "Peak to noise",
}
_FIRST = ("correlation", "mean")


class PicturesView(QWidget):
    """View of one summary image at a time, as large as there is room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.names = QComboBox()
        self._picture = _Picture()
        self._hint = hint_label("")
        self._pages = QStackedWidget()
        self._pages.addWidget(self._hint)
        self._pages.addWidget(self._picture)
        fill(QVBoxLayout(self), self.names, (self._pages, 1), margins=4, spacing=4)
        self._pictures: Pictures | None = None
        self.names.currentIndexChanged.connect(lambda _: self._show_chosen())
        self.clear_pictures()

    @property
    def is_filled(self) -> bool:
        """Whether the images of the item on show were looked for."""
        return self._pictures is not None

    def clear_pictures(self) -> None:
        """Clear the images."""
        self._pictures = None
        self.names.clear()
        self.names.hide()
        self._hint.setText("")
        self._pages.setCurrentIndex(0)

    def show_pictures(self, pictures: Pictures) -> None:
        """Show images; the kind of image that was looked at stays."""
        wanted = self.names.currentData()
        self.names.clear()
        self._pictures = pictures
        for name in pictures.by_name:
            self.names.addItem(PICTURE_TITLES.get(name, name), name)
        self.names.setVisible(bool(pictures.by_name))
        if not pictures.by_name:
            self._hint.setText("There are images once the item is completed.")
            self._pages.setCurrentIndex(0)
            return
        names = list(pictures.by_name)
        first = next((n for n in (wanted, *_FIRST) if n in names), names[0])
        self.names.setCurrentIndex(names.index(first))
        self._show_chosen()

    def _show_chosen(self) -> None:
        name = self.names.currentData()
        if self._pictures is not None and name is not None:
            self._picture.show_picture(self._pictures, name)
            self._pages.setCurrentIndex(1)


class _Picture(QLabel):
    """Label that scales its image to the room there is; pixels stay square."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def show_picture(self, pictures: Pictures, name: str) -> None:
        """Show the picture of that name."""
        pixels = pictures.by_name[name]
        height, width = pixels.shape
        # Qt does not keep the pixels alive: the copy does.
        self._image = QImage(
            pixels.tobytes(), width, height, width, QImage.Format.Format_Grayscale8
        ).copy()
        self.update()

    def minimumSizeHint(self) -> QSize:
        """Smallest size at which a picture can be seen."""
        return QSize(60, 60)

    def paintEvent(self, _event: QPaintEvent | None) -> None:
        """Paint the picture in the middle, as large as there is room."""
        if self._image.isNull():
            return
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawImage(QRectF(left, top, size.width(), size.height()), self._image)
        painter.end()
