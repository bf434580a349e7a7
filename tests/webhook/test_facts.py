"""What the webhook shows: bounded labels, and a line that names acquirers whose alerts were dropped."""

import logging
from typing import get_args

import pytest

from streams.telemetry.webhook import ACQUIRERS_SHOWN, OTHERS, RESULTS
from streams.webhook.facts import Facts
from streams.webhook.post import Result

WAITING = "sekisho_webhook_waiting_alerts"


def waiting(facts: Facts) -> dict[str, float]:
    lines = [line for line in facts.exposition().decode().splitlines() if line.startswith(WAITING + "{")]
    return {line.split('"')[1]: float(line.split(" ")[-1]) for line in lines}


def test_the_metrics_know_every_result() -> None:
    assert get_args(Result) == RESULTS


def test_a_webhook_that_did_nothing_shows_every_outcome_at_zero() -> None:
    text = Facts().exposition().decode()
    for outcome in ("DELIVERED", "GIVEN_UP", "EXPIRED", "OVERFLOWED", "UNREADABLE"):
        assert f'sekisho_webhook_alerts_total{{outcome="{outcome}"}} 0.0\n' in text
    assert "sekisho_webhook_oldest_alert_seconds 0.0\n" in text
    assert "process_resident_memory_bytes" in text


def test_the_acquirers_with_most_waiting_alerts_are_shown_and_the_others_added_up() -> None:
    facts = Facts()
    counts = {f"acq-{number}": number + 1 for number in range(ACQUIRERS_SHOWN + 3)}
    facts.waiting(counts, 7.0)
    shown = waiting(facts)
    assert shown.pop(OTHERS) == 1 + 2 + 3
    assert shown == {name: count for name, count in counts.items() if count > 3}
    assert "sekisho_webhook_oldest_alert_seconds 7.0\n" in facts.exposition().decode()
    facts.waiting({"acq-1": 4}, 0.0)
    assert waiting(facts) == {"acq-1": 4}
    facts.waiting({}, 0.0)
    assert waiting(facts) == {}


def test_what_was_dropped_is_told_once_by_outcome_and_acquirer(caplog: pytest.LogCaptureFixture) -> None:
    facts = Facts()
    with caplog.at_level(logging.INFO, "streams"):
        for outcome, acquirer in (
            *[("OVERFLOWED", "a b\nc")] * 3,
            *[("OVERFLOWED", "acq-2")] * 5,
            ("EXPIRED", "acq-2"),
            ("GIVEN_UP", "acq-3"),
            ("DELIVERED", "acq-4"),
        ):
            facts.finished(outcome, acquirer)
        facts.unreadable(2)
        facts.tell_dropped()
        facts.tell_dropped()
    assert sorted(record.getMessage() for record in caplog.records) == [
        "webhook_alerts_expired alerts=1 by_acquirer=acq-2:1",
        "webhook_alerts_given_up alerts=1 by_acquirer=acq-3:1",
        "webhook_alerts_overflowed alerts=8 by_acquirer=acq-2:5,a?b?c:3",
    ]
    assert len({record.msg for record in caplog.records}) == 3, "or the log would take them for repeats"
    assert 'sekisho_webhook_alerts_total{outcome="UNREADABLE"} 2.0\n' in facts.exposition().decode()
