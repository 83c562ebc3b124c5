"""What a run will do, decided before it starts: the movie's shape, parameters and budget go in."""
