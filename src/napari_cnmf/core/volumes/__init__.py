"""Volumes plane by plane: each plane is analysed as a movie, then planes share their cells."""
