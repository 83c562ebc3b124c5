"""Opens TIFF recordings: one file or a set, of every program that writes them.

`read_tiffs` asks in this order who wrote the files, because the first that knows knows best:

1. Bruker's XML beside them (``sidecars.bruker``),
2. ScanImage's header (``scanimage``),
3. OME-XML, which names all files of its set (``ome``),
4. the names of files of one image each, or of one channel each (``_names``),
5. the header of each file by itself (``headers``).

Each gives all images in the order of the files (``pages``, ``singles``) and a table which image is
where (``arranging``); the frames are then picked from the images without reading them.
"""

from __future__ import annotations

from napari_cnmf.io.movies.tiff.reading import read_tiffs

__all__ = ["read_tiffs"]
