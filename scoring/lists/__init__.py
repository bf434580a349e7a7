"""Entries of lists: cards, devices, addresses and others that an acquirer denies or allows, each with its end."""

from scoring.lists.dated import DatedEntries, DatedLimits
from scoring.lists.kinds import KINDS, Action, Mode
from scoring.lists.reading import ListFileError, ListReader
from scoring.lists.table import ListTable

__all__ = ["KINDS", "Action", "DatedEntries", "DatedLimits", "ListFileError", "ListReader", "ListTable", "Mode"]
