"""What a user looks at to choose parameters, from a part of the movie: pure computations.

Everything works on a :class:`Sample`, a few runs of frames in memory, or on a small window: the
cost does not grow with the movie.
"""
