"""The project dock: samples of a folder, and the form that adds one."""
