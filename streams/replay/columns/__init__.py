"""Columns of a table: which says what is declared in a mapping, and each is read with its declared type."""
