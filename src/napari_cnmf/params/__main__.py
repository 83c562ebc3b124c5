"""``python -m napari_cnmf.params [FILE]``: the documentation page, to a file or to stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_cnmf._atomic import write_text
from napari_cnmf.params.page import render_page


def main(arguments: list[str]) -> int:
    """Write the page to the file that is named, else to stdout."""
    if arguments:
        write_text(Path(arguments[0]), render_page())
    else:
        sys.stdout.write(render_page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
