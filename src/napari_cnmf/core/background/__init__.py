"""The background: a whitened residual goes in, a smooth background comes out.

``Y = A C + B + noise``: B is smooth in space, so that it is known at the nodes of a coarse grid, by
normalised convolution (:mod:`grid`), kriging from around a cell (:mod:`kriging`), or CNMF-E's ring
(:mod:`ring`). :mod:`modes` writes it as CaImAn's ``b f``.
"""
