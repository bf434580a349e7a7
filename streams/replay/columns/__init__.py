"""Columns of a table: a mapping declares their meaning and type, and they are read accordingly."""
