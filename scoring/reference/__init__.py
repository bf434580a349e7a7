"""Code lists, limits and dates of rules that others set and change: dated rows in YAML, and how they are read."""

from scoring.reference.table import DatedRow, DatedTable, TableError, shipped_table, table_from

__all__ = ["DatedRow", "DatedTable", "TableError", "shipped_table", "table_from"]
