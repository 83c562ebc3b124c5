"""For the path of an interpreter whose libraries of neural networks are missing or broken."""
