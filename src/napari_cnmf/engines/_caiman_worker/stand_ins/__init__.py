"""Stand-ins for libraries of neural networks that are missing or broken."""
