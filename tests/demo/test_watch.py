"""The watcher leaves out alerts about fields of events."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streams.demo.state import State
from streams.demo.watch import Watcher
from streams.kafka.settings import Topics


def record(kind: str, entity: str) -> Any:
    alert = {
        "alert_id": "a-1",
        "dedup_key": "CARD:c",
        "event_id": "e-1",
        "severity": "HIGH",
        "type": kind,
        "entity": entity,
        "merchant_id": "m-1",
    }
    more: dict[str, object] = {"score": 0, "amount_jpy": None, "last_seen_ms": 1, "reasons": []}
    return SimpleNamespace(value=msgspec.json.encode(alert | more))


@pytest.mark.parametrize(
    ("kind", "entity", "is_shown"),
    [
        ("TXN", "CARD", True),
        ("MERCHANT", "MERCHANT", True),
        ("SYSTEM", "FIELD", False),
        ("MERCHANT", "OVERDUE", False),
    ],
)
def test_alerts_about_fields_and_about_records_of_merchants_are_not_shown(
    kind: str, entity: str, is_shown: bool
) -> None:
    state = State(1.0)
    Watcher(None, Topics(), state, "en")._alerts([record(kind, entity)])  # type: ignore[arg-type]
    assert len(state.alerts) == state.severities.total() == int(is_shown)
