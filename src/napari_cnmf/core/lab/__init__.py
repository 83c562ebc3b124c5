"""Measures on a part of the movie what a user needs to choose parameters: pure computations.

Everything works on a :class:`Sample`, a few runs of frames in memory, or on a small window: the
cost does not grow with the movie.
"""
