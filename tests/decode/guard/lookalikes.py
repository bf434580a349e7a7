"""Numbers that are no card numbers, made at run time, and the share that the guard takes for one.

`python -m tests.decode.guard.lookalikes` prints the table of `deploy/docs/guard.md`.
"""

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Final
from uuid import UUID

from scoring.decode import DecodeLimits, decode
from tests.decode.guard.numbers import luhn_digit
from tests.events import event

HEAD: Final = "| kind | before | now, in a field | now, in an identifier |\n|---|---|---|---|"
PER_KIND: Final = 3_000
PER_KIND_OF_IDS: Final = 1_000
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CATEGORIES: Final = ("5411", "5732", "5812", "5999", "7011", "4829")
_YEAR_MS: Final = 31_536_000_000


def ean_digit(body: str) -> str:
    """Give the check digit of a GTIN (GS1 General Specifications, 7.9): weights 3 and 1 from the right."""
    return str(-sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))) % 10)


def article(r: random.Random, prefix: str) -> str:
    """Make a GTIN-13."""
    body = prefix + _digits(r, 12 - len(prefix))
    return body + ean_digit(body)


def _digits(r: random.Random, size: int) -> str:
    return f"{r.randrange(10**size):0{size}d}"


def _date(r: random.Random) -> str:
    return f"202{r.randrange(4, 8)}{r.randrange(1, 13):02d}{r.randrange(1, 29):02d}"


def _iban(r: random.Random) -> str:
    account = _digits(r, 18)
    check = 98 - int(account + "131400") % 97  # DE00
    text = f"DE{check:02d}{account}"
    return " ".join(text[at : at + 4] for at in range(0, 22, 4))


def _imei(r: random.Random) -> str:
    body = "35" + _digits(r, 12)
    return body + luhn_digit(body)


def _epoch(r: random.Random, per_ms: float) -> str:
    return str(int((1_700_000_000_000 + r.random() * 4 * _YEAR_MS) * per_ms))


KINDS: Final[dict[str, Callable[[random.Random], str]]] = {
    "JAN beginning with 45": lambda r: article(r, "45"),
    "JAN beginning with 49": lambda r: article(r, "49"),
    "EAN beginning with 50 (United Kingdom)": lambda r: article(r, "50"),
    "order number, 3-7-7, beginning with 302 to 306 or 028": lambda r: (
        f"{r.choice(('302', '303', '304', '305', '306', '028'))}-{_digits(r, 7)}-{_digits(r, 7)}"
    ),
    "IMEISV, 16 digits": lambda r: "35" + _digits(r, 14),
    "parcel number, 22 digits": lambda r: _digits(r, 22),
    "shop, date and number, 6-8-10": lambda r: f"{_digits(r, 6)}-{_date(r)}-{_digits(r, 10)}",
    "order number, 16 digits": lambda r: _digits(r, 16),
    "IBAN of Germany, in groups of four": _iban,
    "acquirer reference number, 23 digits": lambda r: _digits(r, 23),
    "UUID": lambda r: str(UUID(int=r.getrandbits(128), version=4)),
    "HMAC in hexadecimal, 256 bits": lambda r: f"{r.getrandbits(256):064x}",
    "ULID": lambda r: "01" + "".join(r.choices(_CROCKFORD, k=24)),
    "epoch in ms": lambda r: _epoch(r, 1),
    "epoch in us": lambda r: _epoch(r, 1e3),
    "epoch in ns": lambda r: _epoch(r, 1e6),
    "epoch in s with a fraction": lambda r: f"{int(_epoch(r, 1)) / 1e3:.6f}",
    "telephone number": lambda r: f"+81-{r.choice(('3', '90', '80', '6'))}-{_digits(r, 4)}-{_digits(r, 4)}",
    "retrieval reference (RRN)": lambda r: _digits(r, 12),
    "IMEI": _imei,
    "coordinates": lambda r: f"{r.uniform(24, 46):.6f},{r.uniform(122, 146):.6f}",
    "float amount": lambda r: f"{r.uniform(0, 1e6):.10f}",
    "traceparent": lambda r: f"00-{r.getrandbits(128):032x}-{r.getrandbits(64):016x}-01",
    "date and time with slashes": lambda r: (
        f"2026/{r.randrange(1, 13):02d}/{r.randrange(1, 29):02d} {r.randrange(24):02d}:{r.randrange(60):02d}:"
        f"{r.randrange(60):02d}.{_digits(r, 6)}"
    ),
    "address and port": lambda r: ".".join(str(r.randrange(256)) for _ in range(4)) + f":{r.randrange(65536)}",
    "amount with thousands": lambda r: f"{r.randrange(10**15):,}",
    "object identifier": lambda r: (
        "1.3.6.1.4.1." + ".".join(str(r.randrange(1, 10 ** r.randrange(1, 6))) for _ in range(5))
    ),
    "list of five category codes": lambda r: ",".join(r.choices(_CATEGORIES, k=5)),
}
"""Kinds of numbers: the first 23 as in payments, the others with the separators that the guard knows."""

BEFORE: Final[dict[str, float]] = {
    "JAN beginning with 45": 10.0,
    "JAN beginning with 49": 10.5,
    "EAN beginning with 50 (United Kingdom)": 0.3,
    "order number, 3-7-7, beginning with 302 to 306 or 028": 7.9,
    "IMEISV, 16 digits": 5.5,
    "parcel number, 22 digits": 0.1,
    "shop, date and number, 6-8-10": 0.8,
    "order number, 16 digits": 2.9,
    "IBAN of Germany, in groups of four": 5.0,
    "acquirer reference number, 23 digits": 0.5,
    "UUID": 0.0,
    "HMAC in hexadecimal, 256 bits": 0.0,
    "ULID": 0.0,
    "epoch in ms": 0.0,
    "epoch in us": 0.0,
    "epoch in ns": 0.0,
    "epoch in s with a fraction": 0.0,
    "telephone number": 0.0,
    "retrieval reference (RRN)": 0.0,
    "IMEI": 0.0,
    "coordinates": 0.0,
    "float amount": 0.0,
    "traceparent": 0.0,
    "date and time with slashes": 0.0,
    "address and port": 0.0,
    "amount with thousands": 0.0,
    "object identifier": 0.0,
    "list of five category codes": 0.0,
}
"""Percent of each kind that an earlier guard refused, which knew single spaces and dashes only."""


def rates(kind: str, field: str, limits: DecodeLimits, size: int = PER_KIND) -> float:
    """Measure how many of a kind are found in a field, in percent."""
    make, r = KINDS[kind], random.Random(2026)  # noqa: S311 - repeatable on purpose
    values = [json.dumps(event(**{field: make(r)})).encode() for _ in range(size)]
    found = 0
    for start in range(0, size, 500):
        found += len(decode(values[start : start + 500], limits).rejects)
    return found / size * 100


@cache
def line(kind: str) -> str:
    """Write the line of a kind in the table of the page."""
    limits = DecodeLimits(guard="refuse")
    free, carried = rates(kind, "unknown", limits), rates(kind, "event_id", limits, PER_KIND_OF_IDS)
    return f"| {kind} | {BEFORE[kind]:.1f} % | {free:.1f} % | {carried:.1f} % |"


def table() -> str:
    """Write the table of the page."""
    return "\n".join([HEAD, *map(line, KINDS)])


if __name__ == "__main__":
    print(table())
