"""For the path of an interpreter whose TensorFlow is missing or broken."""
