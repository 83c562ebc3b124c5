"""The curation dock: table, decisions, thresholds, edits of shapes, history."""
