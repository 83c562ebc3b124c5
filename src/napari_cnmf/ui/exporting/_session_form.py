"""Form of what NWB asks for and no result knows."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QComboBox, QFormLayout, QLineEdit, QWidget

from napari_cnmf.io.exports import MovieIn, Session

_TEXTS = {
    "subject_id": ("Animal", "Its id"),
    "species": ("Species", "In Latin, such as Mus musculus"),
    "sex": ("Sex", "M, F, U or O"),
    "age": ("Age", "ISO 8601 duration, such as P90D"),
    "genotype": ("Genotype", "Of the animal"),
    "experimenter": ("Experimenter", "Last name, first name; several with ; between them"),
    "indicator": ("Indicator", "Such as GCaMP6f"),
    "location": ("Location", "Brain area"),
    "device": ("Microscope", "Its name"),
}
_MOVIES = {
    "leave the movie out": MovieIn.NOT,
    "link to the movie's file": MovieIn.LINKED,
    "copy the movie into the file": MovieIn.COPIED,
}


class SessionForm(QWidget):
    """Form of a ``Session`` and of what becomes of the movie; empty fields stay unset."""

    def __init__(self) -> None:
        super().__init__()
        self.movie = QComboBox()
        self.movie.addItems(list(_MOVIES))
        self.fields = {name: QLineEdit() for name in _TEXTS}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Movie", self.movie)
        for name, (label, said) in _TEXTS.items():
            self.fields[name].setPlaceholderText(said)
            layout.addRow(label, self.fields[name])

    def movie_in_nwb(self) -> MovieIn:
        """Choice of what becomes of the movie."""
        return _MOVIES[self.movie.currentText()]

    def value(self) -> Session:
        """Session as it was filled in."""
        said: dict[str, Any] = {
            name: field.text().strip()
            for name, field in self.fields.items()
            if field.text().strip()
        }
        if "experimenter" in said:
            names = (name.strip() for name in said["experimenter"].split(";"))
            said["experimenter"] = tuple(name for name in names if name)
        return Session(**said)
