"""Entries of lists: cards, devices, addresses and others that an acquirer denies or allows, each with its end."""

from scoring.lists.kinds import KINDS, Action, Mode
from scoring.lists.reading import ListFileError, ListReader
from scoring.lists.table import ListTable

__all__ = ["KINDS", "Action", "ListFileError", "ListReader", "ListTable", "Mode"]
