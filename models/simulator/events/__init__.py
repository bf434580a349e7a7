"""Events: integer rows, the draws that fill them, and their JSON."""
