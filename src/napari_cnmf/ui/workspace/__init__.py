"""One dock for the whole path from a movie to exported cells."""
