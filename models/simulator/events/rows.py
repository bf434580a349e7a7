"""Rows of integers, one for each event: draws fill them by column, and rendering turns each row into JSON.

-1 means the field is absent. Identities (device, ip, account, ...) are numbers that become tokens when rendered.
"""

import numpy as np
from numpy.typing import NDArray

from models.simulator.world.draw import Ints

Rows = NDArray[np.void]

COLUMNS: tuple[str, ...] = (
    "time_ms",  # when the payment happened
    "at_ms",  # when it was published: later than time_ms for a repeat
    "serial",  # becomes the event id
    "card",
    "issuer",
    "last4",
    "merchant",
    "type",
    "channel",
    "mit",
    "recurring",
    "familiar",  # the cardholder shops here; not rendered
    "minor",
    "currency",
    "jpy",
    "answer",
    "entry",
    "cvv2",
    "avs",
    "cavv_result",
    "tds",  # -1 not in the event, 0 not performed, 1 performed
    "version",
    "status",
    "reason",
    "eci",
    "cavv",
    "tds_ref",
    "auth_type",
    "challenge",  # 1 if the issuer mandated one
    "cancel",
    "tds_channel",
    "exempt",
    "tds_age_s",  # from authentication to payment; negative if the clock of the authentication was wrong
    "tds_minor",  # the authenticated amount; -1 is that of the payment
    "odd",  # what is odd about the authentication: bits, see `lapses`
    "device",
    "ip",
    "ip_net",
    "ip_country",
    "asn",
    "proxy",
    "lang",
    "zone",
    "account",
    "age_ind",
    "account_change",  # this and the next two: EMV 3DS acctInfo, see `account`
    "password_change",
    "suspicious",
    "email",
    "domain",
    "phone",
    "address",
    "address_usage",
    "postal",
    "ship_country",
    "method",
    "forwarder",
    "stored",
    "stored_ms",
    "registered",  # the authentication of a stored card's registration
    "order",
    "wallet",
    "fraud",
    "typology",
    "episode",
)
DTYPE = np.dtype([(name, np.int64) for name in COLUMNS])
_ZERO = ("type", "channel", "mit", "recurring", "familiar", "currency", "answer", "fraud", "typology", "proxy", "odd")
_BLANK = np.array([tuple(0 if name in _ZERO else -1 for name in COLUMNS)], DTYPE)


def blank(n: int) -> Rows:
    """Return n rows with all fields absent and no fraud."""
    rows: Rows = np.repeat(_BLANK, n)
    return rows


def attempts(time_ms: Ints, card: Ints, merchant: Ints, jpy: Ints) -> Rows:
    """Return rows with the four columns of every attempt."""
    rows = blank(time_ms.size)
    rows["time_ms"] = time_ms
    rows["card"] = card
    rows["merchant"] = merchant
    rows["jpy"] = jpy
    return rows


def joined(parts: list[Rows]) -> Rows:
    """Concatenate rows; of an empty list: no rows."""
    parts = [part for part in parts if part.size]
    if len(parts) == 1:
        return parts[0]
    together: Rows = np.empty(sum(part.size for part in parts), DTYPE)
    low = 0  # part by part: `np.concatenate` first finds a common type of all parts, field by field
    for part in parts:
        together[low : (low := low + part.size)] = part
    return together
