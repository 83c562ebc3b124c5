"""Dock for the same cells over sessions."""
