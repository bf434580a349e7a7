"""Entries of lists in plain Python: what names an event, and what follows; by values and names, without hashes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.examples import examples

PATHS = {
    "card": ("card", "pan_hmac"),
    "device": ("device", "fp_hmac"),
    "email": ("shopper", "email_hmac"),
    "bin": ("card", "bin"),
    "ip": ("net", "ip_hmac"),
    "ip_network": ("net", "ip_prefix24_hmac"),
    "account": ("shopper", "account_hmac"),
    "address": ("ship", "addr_hmac"),
    "merchant": ("merchant", "id"),
}
BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
RUNS = examples(60)


def seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).timestamp())


def named_by(
    rule: Mapping[str, Any], rows: Sequence[tuple[str, int, int]], event: Mapping[str, Any], at_ms: int
) -> bool:
    """Tell whether a list with rows of (value, since, until) names an event at a time."""
    if rule.get("acquirer") not in (None, event["acquirer"]["id"]):
        return False
    section, field = PATHS[rule["kind"]]
    value = event.get(section, {}).get(field)
    if value is None:
        return False
    named = str.startswith if rule["kind"] == "bin" else str.__eq__
    return any(named(value, each) and since * 1000 <= at_ms < until * 1000 for each, since, until in rows)


def band_after(rules: Sequence[Mapping[str, Any]], model: str, limit: str, critical: bool) -> str:
    """Return the band of an event that these lists name. `model`: by the score alone; `limit`: what a limit demands."""
    before = max(model, limit, key=BANDS.index)
    live = [rule for rule in rules if rule.get("mode", "on") == "on"]
    denied = [rule["action"].upper() for rule in live if rule["direction"] == "deny"]
    if denied:
        return max([before, *denied], key=BANDS.index)
    if any(rule["direction"] == "allow" for rule in live) and not critical:
        return limit
    return before


def lines(rows: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    """Write rows as the file of a list."""
    yield "value,effective_to,effective_from"
    for value, since, until in rows:
        yield ",".join((value, *(datetime.fromtimestamp(at, UTC).isoformat() if at else "" for at in (until, since))))
