"""The command line: the same rooms as the GUI, without Qt."""
