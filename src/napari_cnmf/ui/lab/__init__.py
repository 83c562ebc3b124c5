"""A dock where the picture tells the parameters."""
