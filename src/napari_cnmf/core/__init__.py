"""The built-in engine: frame sources, parameters and callbacks go in, frozen results come out.

The folders are the steps of the method, in the order in which a run visits them:

``base``        what every step stands on: threads, kernels, callbacks, geometry, boxes
``movie``       reading the movie once: temporal bins, noise, whitening, summary images
``background``  the smooth background below the cells: estimated, predicted, taken out
``plan``        what a run will do, decided before it starts: bins, tiles, memory
``finding``     footprints: energy map, peeling, least squares, merging
``traces``      traces at the full frame rate: demixing, kinetics, deconvolution
``verdict``     scores, and which components are cells
``volumes``     plane by plane, then one component for each cell

:mod:`napari_cnmf.core.run` calls them. ``motion`` registers movies, ``lab`` measures what helps to
choose parameters, ``reestimate`` fits components that a curator edited, ``matching`` finds the same
cells in several sessions.
"""
