"""Summary images by name; a name that is not there is said in a sentence."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from napari_cnmf._names import not_one_of
from napari_cnmf.errors import ResultError


class SummaryImages(dict[str, NDArray[np.floating[Any]]]):
    """Table of images, each of the shape of the field, by name: ``mean``, ``correlation``, ..."""

    def __missing__(self, name: object) -> NoReturn:
        if not self:
            raise ResultError(f"This result holds no summary images, so there is no {name!r:.80}.")
        raise ResultError(not_one_of("A summary image", self, name))

    def _ipython_key_completions_(self) -> list[str]:
        """Names that ``images["...`` can be completed to."""
        return list(self)
