"""Plots of all components at once: a scatter of two metrics, a heat map of the traces."""
