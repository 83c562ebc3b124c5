"""Dock of the traces."""
