"""Pass 2: footprints and the movie go in; traces, calcium and spikes come out.

Demixing solves ``A'(y - A c - B) = 0`` for each frame (:mod:`project`); rise and decay come from
isolated events (:mod:`kinetics`); ``y = bl + h * s + noise`` is solved for ``s >= 0``
(:mod:`deconvolve`, :mod:`oasis`, :mod:`relax`). Afterwards each event gets a probability
(:mod:`event_probability`).
"""
