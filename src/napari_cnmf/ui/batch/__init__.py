"""Dock of the batch manager."""
