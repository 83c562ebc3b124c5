"""Matches of cells over sessions: what was found, and what a curator made of it."""

from napari_cnmf.model.matching.matches import Match, MatchEdit, SessionMatches

__all__ = ["Match", "MatchEdit", "SessionMatches"]
