"""Payments whose result of 3-D Secure was used before: found in decisions, said in alerts, counted by episode."""

import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streams.demo.findings.replays import told
from streams.demo.state import State
from streams.demo.truth import Assessment, Truth, assess
from streams.demo.watch import Watcher
from streams.kafka.settings import Topics


def tds(*rules: str) -> dict[str, Any]:
    return {"status": "AUTHENTICATED", "broken_rules": [{"id": rule} for rule in rules] or None}


def decision(event_id: str, *rules: str) -> Any:
    value = {"decision_id": event_id, "score": 100, "probability": 0.1, "band": "ALLOW", "tds": tds(*rules)}
    return SimpleNamespace(value=msgspec.json.encode(value))


def alert(event_id: str, *rules: str) -> Any:
    value: dict[str, object] = {
        "alert_id": event_id, "dedup_key": "CARD:c", "event_id": event_id,
        "severity": "HIGH", "type": "TXN", "entity": "CARD", "merchant_id": "m-1", "score": 800,
        "amount_jpy": 110, "last_seen_ms": 5, "reasons": [{"en": "Many", "ja": "多い"}], "tds": tds(*rules),
    }  # fmt: skip
    return SimpleNamespace(value=msgspec.json.encode(value))


@pytest.fixture
def state() -> State:
    state = State(60.0)
    state.sent([b'{"event_id":"old"}'], [0], 0.0)
    state.go_live(time.monotonic())
    state.sent([b'{"event_id":"%b"}' % name for name in (b"a", b"b", b"c")], [0, 0, 0], 0.0)
    return state


def watcher(state: State, language: Any = "en") -> Watcher:
    return Watcher(None, Topics(), state, language)  # type: ignore[arg-type]


def test_decisions_of_the_live_part_that_break_a_rule_on_replays_are_kept(state: State) -> None:
    seen = [
        decision("old", "TDS08"),
        decision("a", "TDS01", "TDS08", "TDS09"),
        decision("b", "TDS11", "TDS14"),
        decision("c"),
    ]
    watcher(state)._decisions(seen)
    assert state.replays == {"a": ("TDS08", "TDS09")}


@pytest.mark.parametrize(
    ("language", "rules", "reasons"),
    [
        ("en", ("TDS03", "TDS10"), ("3-D Secure result used again for another order", "Many")),
        ("en", ("TDS08", "TDS09"), ("3-D Secure result used again with another card, at another merchant", "Many")),
        ("ja", ("TDS08", "TDS09"), ("3Dセキュアの認証結果を別のカード・別の加盟店で再利用", "多い")),
        ("en", ("TDS03",), ("Many",)),
    ],
)
def test_an_alert_says_first_that_a_result_was_used_again(
    state: State, language: str, rules: Sequence[str], reasons: tuple[str, ...]
) -> None:
    watcher(state, language)._alerts([alert("a", *rules)])
    assert state.alerts[-1].reasons == reasons


def test_the_summary_counts_payments_by_rule_and_by_episode() -> None:
    def truth(event_id: str, episode: str | None) -> Truth:
        typology = None if episode is None else "T11"
        return Truth(event_id=event_id, fraud=episode is not None, typology=typology, episode=episode, amount_jpy=1_000)

    truths = [*(truth(event_id, "replayed") for event_id in "abc"), truth("d", "other"), truth("e", None)]
    replays = {"b": ("TDS08",), "c": ("TDS08", "TDS09"), "e": ("TDS10",)}
    found = assess(truths, flagged=(), alerted=(), time_of=lambda _: 0, replays=replays)
    assert told(replays, found) == [
        "Results of 3-D Secure used again: 3 payments: with another card 2 (TDS08), at another merchant 1 (TDS09), "
        "for another order 1 (TDS10)",
        "  in replayed: 2 of 3 payments",
    ]
    assert told({}, Assessment()) == ["Results of 3-D Secure used again: none"]
