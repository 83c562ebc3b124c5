"""CaImAn's side of the engine, for the interpreter that has CaImAn and not napari-cnmf.

Nothing outside of this folder is there, so its modules import each other relatively, and beside
them the standard library, numpy and caiman only; Python 3.9 to 3.12, CaImAn 1.10.6 and later.
`napari_cnmf` itself never imports it: it runs the folder.
"""
