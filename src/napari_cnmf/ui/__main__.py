"""``python -m napari_cnmf.ui [PATH]``: napari with a batch, a result or a movie."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_cnmf.ui import view_path


def main() -> None:
    """Parse the command line and open the viewer."""
    parser = argparse.ArgumentParser(prog="python -m napari_cnmf.ui", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="batch, item, result or movie")
    view_path(parser.parse_args().path)


if __name__ == "__main__":
    main()
