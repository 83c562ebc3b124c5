"""Plan of a run, made before it starts from the movie's shape, parameters and budget."""
