"""Entities, statistics and windows of profiles, as layout, features and kernels share them."""

from enum import IntEnum
from typing import Final


class Entity(IntEnum):
    """Name the eight keys of an authorization, in the order of the columns of `EventColumns.keys`."""

    CARD = 0
    MERCHANT = 1
    MERCHANT_BIN = 2
    BIN = 3
    DEVICE = 4
    IP = 5
    ACCOUNT = 6
    ADDRESS = 7


REPORTED: Final = len(Entity)
"""Kind of the rows of reported cards, after the eight entities. They are found by the key of the card."""


class Statistic(IntEnum):
    """Name what an event may add to a window. All are integers that add exactly, so rows of one key can be summed."""

    ATTEMPTS = 0
    APPROVED = 1
    CRED = 2  # declined for the card's data: BAD_PAN, BAD_CRED
    FUNDS = 3  # declined for want of funds
    RISK = 4  # declined as risky: FRAUD, HARD, STOP, POLICY
    SMALL = 5  # attempts of at most SMALL_JPY_MAX, zero-amount verification included
    TDS_FAILED = 6  # EMV 3-D Secure ended in N, R or U, or was cancelled
    REVERSALS = 7
    REFUNDS = 8
    SPEND = 9  # approved amounts less reversed ones, whole yen
    GROSS = 10  # approved amounts, including reversed ones, whole yen
    PRICED = 11  # approved attempts whose amount in yen is known: GROSS over PRICED is their mean
    ANSWERED = 12  # attempts whose outcome is known: rates of outcomes divide by them


class Window(IntEnum):
    """Name the trailing windows (t - w, t] of event time."""

    M1 = 0
    M10 = 1
    H1 = 2
    H24 = 3
    D7 = 4
    D30 = 5


WINDOW_S: Final = (60, 600, 3_600, 86_400, 604_800, 2_592_000)
"""Width of each window in seconds. All divide by SUB_BUCKETS, so buckets begin at the same seconds in every row."""

WINDOW_NAME: Final = ("1m", "10m", "1h", "24h", "7d", "30d")

SUB_BUCKETS: Final = 4
"""A window is read as its running sub-bucket and this many whole ones before it: see the package's error bound."""

RING: Final = SUB_BUCKETS + 1

SMALL_JPY_MAX: Final = 500
"""An attempt of at most this many yen counts as small: card testing keeps below what a cardholder notices."""

TIME_S_MAX: Final = 2**32 - 2
"""Last second that a row can hold (the year 2106); the first is 1."""
