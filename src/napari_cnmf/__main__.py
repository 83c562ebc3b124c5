"""Runs the command line as ``python -m napari_cnmf``, where its script is not on the path."""

import sys

from napari_cnmf.cli import main

if __name__ == "__main__":
    sys.exit(main())
