"""Lets CaImAn run without its classifier's libraries, which it imports but needs for one score.

Until 1.12 that is TensorFlow, since 1.13 Keras on PyTorch. Which of them a CaImAn asks for is read
from its own files, so that nothing is imported that it does not use.
"""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path

_STAND_INS = Path(__file__).parent / "stand_ins"
_ELSEWHERE = frozenset({"tests", "volpy"})
"""Folders of CaImAn that are not imported here."""
_TITLES = {"tensorflow": "TensorFlow", "torch": "PyTorch", "keras": "Keras"}
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+|import[ \t]+(?:[^#\n]*,[ \t]*)?)(tensorflow|torch|keras)\b", re.MULTILINE
)


class Networks:
    """Libraries and weights that CaImAn's classifier needs here, and what of them is missing.

    Attributes
    ----------
    libraries
        Names of packages that this CaImAn imports for it.
    weights
        The file of weights that this CaImAn reads, relative to its data folder.
    missing
        Why the classifier cannot run, without a full stop; empty where nothing is missing.
    """

    def __init__(self, package: Path) -> None:
        """Read which libraries the CaImAn in the folder ``package`` imports."""
        found = set()
        for source in package.rglob("*.py"):
            if not _ELSEWHERE & set(source.relative_to(package).parts):
                found.update(_IMPORT.findall(source.read_text("utf-8", "replace")))
        self.libraries = sorted(found - {"keras"} if "tensorflow" in found else found)
        uses_torch = "torch" in found and "tensorflow" not in found
        self.weights = "model/cnn_model.pkl" if uses_torch else "model/cnn_model.h5"
        self.missing = ""

    def prepare(self) -> None:
        """Choose the data folder, import the libraries, and put stand-ins for those missing."""
        if "torch" in self.libraries:
            os.environ["KERAS_BACKEND"] = "torch"
        self.missing = self._choose_data_folder()
        # Keras comes before PyTorch: where it fails for want of that, PyTorch is what is named.
        causes: dict[str, str] = {}
        for name in self.libraries:
            if cause := _import_or_stand_in(name):
                causes[cause] = _TITLES[name]
        if causes:
            names = " and ".join(causes.values())
            self.missing = f"{names} cannot be imported there ({next(iter(causes))})"

    def _choose_data_folder(self) -> str:
        """Take the first data folder with this CaImAn's weights; return the reason without one.

        A folder in the user's home stays there when CaImAn is updated, with weights that a newer
        version cannot read.
        """
        home = Path.home() / "caiman_data"
        named = os.environ.get("CAIMAN_DATA")
        folders = [*([Path(named)] if named else []), home, Path(sys.prefix) / "share" / "caiman"]
        for folder in folders:
            if (folder / self.weights).is_file():
                os.environ["CAIMAN_DATA"] = str(folder)
                return ""
        if not self.libraries:
            return ""
        name = Path(self.weights).name
        for folder in folders[:-1]:
            if (folder / "model").is_dir():
                return (
                    f"{folder} has no {name}, which this CaImAn reads. Rename that folder, then "
                    "run 'caimanmanager install' in CaImAn's environment"
                )
        return f"{name} was not found. Run 'caimanmanager install' in CaImAn's environment"


def _import_or_stand_in(name: str) -> str:
    """Import a library, or put a stand-in before it and return why it cannot be imported.

    On the path rather than in memory: a pool's processes may import CaImAn anew.
    """
    try:
        import_module(name)
    # a missing, half-installed or wrongly compiled one each fail in their own way
    except Exception as error:  # noqa: BLE001
        for module in [one for one in sys.modules if one.partition(".")[0] == name]:
            del sys.modules[module]
        sys.path.insert(0, str(_STAND_INS / name))
        import_module(name)
        return f"{type(error).__name__}: {str(error)[:200]}"
    return ""
