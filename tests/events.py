"""Events for tests: one plain authorization, and the changes of a test."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

PLAIN: dict[str, Any] = {
    "schema_version": "auth.event.v1",
    "event_id": "e-1",
    "event_ts": "2026-05-01T03:00:00.000Z",
    "acquirer": {"id": "acq-1"},
    "merchant": {"id": "m-1", "mcc": "5732", "country": "JP"},
    "card": {"pan_hmac": "", "network": "visa", "bin": "453200", "issuer_country": "JP"},
    "txn": {"type": "purchase", "channel": "ecom", "initiator": "CIT"},
    "amount": {"minor": 12800, "currency": "JPY", "exponent": 0},
    "outcome": {"phase": "POST_AUTH", "approved": True, "response_code": "00"},
}


def token(name: str) -> str:
    """Make a keyed hash as an acquirer would send it."""
    return blake2b(name.encode(), digest_size=32, key=b"tests").hexdigest()


def event(**changes: Any) -> dict[str, Any]:
    """Give the plain authorization with sections merged in, fields replaced, and None removing them."""
    made = {name: dict(said) if isinstance(said, dict) else said for name, said in PLAIN.items()}
    made["card"]["pan_hmac"] = token("card-1")
    for name, change in changes.items():
        if change is None:
            made.pop(name, None)
        elif isinstance(change, dict):
            section = made.setdefault(name, {})
            section.update(change)
            made[name] = {field: value for field, value in section.items() if value is not None}
        else:
            made[name] = change
    return made


def encoded(**changes: Any) -> bytes:
    """Give the same event as bytes."""
    return orjson.dumps(event(**changes))


_OF_OUTCOMES = ("event_id", "event_ts", "acquirer", "merchant", "card", "amount", "device", "net", "shopper", "ship")


def outcome_of(value: bytes, **changes: Any) -> bytes:
    """Give the record for the topic of outcomes with the outcome of an event, with fields replaced."""
    made = orjson.loads(value)
    said = {name: said for name, said in made["outcome"].items() if name != "phase"}
    kept = {name: made[name] for name in _OF_OUTCOMES if name in made}
    return orjson.dumps({"schema_version": "outcome.v1", **kept, "outcome": said, **changes})


def request_of(value: bytes) -> bytes:
    """Give the request of an event, as before the issuer's answer."""
    return orjson.dumps(orjson.loads(value) | {"outcome": {"phase": "PRE_AUTH"}})


def in_two_phases(values: Sequence[bytes], every: int, behind: int = 4) -> list[bytes]:
    """Make every n-th event a request first; its answer, the event itself, comes some events later."""
    made: list[bytes] = []
    waiting: list[tuple[int, bytes]] = []
    for number, value in enumerate(values):
        is_asked = number % every == 0
        made.append(request_of(value) if is_asked else value)
        waiting += [(number + behind, value)] if is_asked else []
        while waiting and waiting[0][0] <= number:
            made.append(waiting.pop(0)[1])
    return made + [value for _, value in waiting]
