"""Exports results: the export dock, and the buttons that lead to it."""
