"""Bounded primitive types: every accepted string and integer has a limit, which bounds the size of an event."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

AMOUNT_MINOR_MAX = 10**12 - 1  # ISO 8583 DE 4 is n12
JPY_MAX = 10**12 - 1

Token = Annotated[str, Meta(min_length=1, max_length=128)]
"""An opaque keyed hash or token (HMAC hex or base64); it cannot be reversed here."""

EventId = Annotated[str, Meta(min_length=1, max_length=64)]
AcquirerId = Annotated[str, Meta(min_length=1, max_length=32)]
MerchantId = Annotated[str, Meta(min_length=1, max_length=32)]  # ISO 8583 DE 42 is ans15; some PSPs use longer ids
Mcc = Annotated[str, Meta(pattern=r"^[0-9]{4}$", max_length=4)]  # ISO 18245; `$` alone allows a line feed after it
Country = Annotated[str, Meta(min_length=2, max_length=2)]  # ISO 3166-1 alpha-2
Currency = Annotated[str, Meta(min_length=3, max_length=3)]  # ISO 4217 alphabetic
Code = Annotated[str, Meta(max_length=8)]  # a short protocol code, raw; an unknown or empty one reads as unknown
ShortText = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=256)]
Timestamp = Annotated[datetime, Meta(tz=True)]  # RFC 3339 with an offset
AmountMinor = Annotated[int, Meta(ge=0, le=AMOUNT_MINOR_MAX)]
Jpy = Annotated[int, Meta(ge=0, le=JPY_MAX)]
Exponent = Annotated[int, Meta(ge=0, le=4)]
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
TimeMs = Annotated[int, Meta(ge=0, le=2**53)]
