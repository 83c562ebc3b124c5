"""The form that asks for an item."""
