"""A folder for the path of an interpreter that lacks this library."""
