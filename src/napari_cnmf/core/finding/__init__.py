"""Footprints: whitened bins of a tile go in, components ``a c`` come out.

An energy map says where something lights up that the model does not explain (:mod:`energy`);
its strongest sites become components by rank-1 non-negative least squares (:mod:`peel`); least
squares for all of them (:mod:`hals`) and merging (:mod:`merge`) follow.
"""
