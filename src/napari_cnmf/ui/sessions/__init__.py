"""The dock for the same cells over sessions."""
