"""Form that asks for an item."""
