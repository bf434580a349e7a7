"""Closed sets of the field, as small integers for the kernels and as the strings that events carry.

Sources: ISO 8583:1987 (DE 39), EMV 3-D Secure 2.x, the Security Checklist of Japan's Credit Card Security Guidelines.
"""

from enum import IntEnum


class OutcomeClass(IntEnum):
    """What an issuer's answer means for velocity: response codes differ per switch, their classes do not."""

    UNKNOWN = 0
    APPROVED = 1
    BAD_PAN = 2
    BAD_CRED = 3
    FUNDS = 4
    FRAUD = 5
    HARD = 6
    POLICY = 7
    TECH = 8
    GENERIC = 9
    STEP_UP = 10
    STOP = 11


class Kind(IntEnum):
    """What an event does to a profile: an attempt counts, a reversal subtracts spend, a refund is kept apart."""

    ATTEMPT = 0
    REVERSAL = 1
    REFUND = 2


class ThreeDsStatus(IntEnum):
    """The verdict of EMV 3-D Secure over one authorization, normalised over networks and channels."""

    UNKNOWN = 0  # nothing was said, or nothing that can be read
    ABSENT = 1  # the event says that no authentication took place
    AUTHENTICATED = 2  # transStatus Y
    ATTEMPTED = 3  # A
    NOT_AUTHENTICATED = 4  # N
    UNAVAILABLE = 5  # U
    REJECTED = 6  # R
    INFORMATIONAL = 7  # I
    INCOMPLETE = 8  # C, D or S carried as if it were final


class EciClass(IntEnum):
    """What an electronic commerce indicator claims, by network."""

    UNKNOWN = 0
    AUTHENTICATED = 1
    ATTEMPTED = 2
    NONE = 3
    DATA_ONLY = 4
    EXEMPT = 5
    RECURRING = 6  # Mastercard 07: recurring, initially authenticated
    MOTO = 7  # Visa 01, 04
    STORED = 8  # Visa 02, 03: recurring, instalment
    IMPOSSIBLE = 9  # a value this network does not define


class Liability(IntEnum):
    """Who bears a fraudulent authorization, as far as the event can tell."""

    UNKNOWN = 0
    SHIFT = 1
    NO_SHIFT = 2


class Expectation(IntEnum):
    """Whether 3-D Secure was due on this payment at this merchant."""

    UNKNOWN = 0
    REQUIRED = 1
    NOT_REQUIRED = 2


class Band(IntEnum):
    """How loudly a decision speaks, in rising order."""

    ALLOW = 0
    REVIEW = 1
    STEP_UP = 2
    BLOCK = 3


class Clock(IntEnum):
    """How an event's time stands to its record's, and to what its card has seen; from LATE on it moves no window."""

    ON_TIME = 0
    OUT_OF_ORDER = 1  # trusted, and earlier than the latest event of its card: it counts where it belongs
    LATE = 2  # too far behind its record
    EARLY = 3  # too far ahead of its record


CHECKLIST_ITEMS = ("SC1_ADMIN", "SC2_DIR", "SC3_WEBAPP", "SC4_MALWARE", "SC5_CREDMASTER", "SC6_LOGIN")
"""The six items of the Security Checklist: administration access, exposed directories, web application
weaknesses, malware, validity-check attacks (credit master), illegal login."""
