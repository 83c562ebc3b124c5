"""Writes the parameters' documentation page: ``python -m napari_cnmf.params [FILE]``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from napari_cnmf._atomic import write_text
from napari_cnmf.params.page import render_page


def main(arguments: list[str] | None = None) -> int:
    """Write the page to the file that is named, else to stdout."""
    parser = argparse.ArgumentParser(prog="python -m napari_cnmf.params", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="where the page goes; stdout without it")
    file = parser.parse_args(arguments).file
    if file is not None:
        write_text(file, render_page())
    else:
        sys.stdout.write(render_page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
