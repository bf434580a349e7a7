"""Code lists, limits and dates of rules that others set and change: dated rows in YAML, and how they are read."""
