"""Dead letters: list refused records with their reasons, and redrive those that are valid now."""
