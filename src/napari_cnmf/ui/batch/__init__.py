"""The batch manager's dock."""
