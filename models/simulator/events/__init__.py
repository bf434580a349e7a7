"""One event: integer rows, the draws that fill them, and JSON."""
