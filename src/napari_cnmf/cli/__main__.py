"""Runs the command line as ``python -m napari_cnmf.cli``."""

import sys

from napari_cnmf.cli import main

sys.exit(main())
