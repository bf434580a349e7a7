"""Time and memory of lists."""
