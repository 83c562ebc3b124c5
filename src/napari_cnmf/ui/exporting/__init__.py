"""Results on their way out: the export dock, and the buttons that lead to it."""
