"""``python -m napari_cnmf.ui [PATH]``: napari with a batch, a result or a movie."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from napari_cnmf.errors import ViewerError
from napari_cnmf.ui import check_viewer, view_path


def main() -> int:
    """Parse the command line and open the viewer; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m napari_cnmf.ui", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="batch, item, result or movie")
    parser.add_argument("--check", action="store_true", help="only say whether napari opens here")
    args = parser.parse_args()
    try:
        if args.check:
            check_viewer()
        else:
            view_path(args.path)
    except ViewerError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
