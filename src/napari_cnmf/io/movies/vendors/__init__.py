"""Opens formats of microscope makers other than TIFF.

Simple ones (arrays of numbers in one piece) are read here; for the others a library of the extra
``formats`` is used, which is loaded when a file of its kind is opened.
"""

from __future__ import annotations
