"""Parameter lab: a dock where the picture tells the parameters."""
