"""Dock of what belongs to this computer: where CaImAn is."""
