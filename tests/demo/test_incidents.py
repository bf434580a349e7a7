"""An incident is one line that its alerts renew, and counts once; words say what happened."""

import io
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console

from streams.demo.findings.incidents import Incident, counted, told
from streams.demo.plain import Lines
from streams.demo.state import State
from streams.demo.view import render
from streams.demo.watch import Watcher
from streams.kafka.settings import Topics

TOPICS = Topics()
OPENED = Incident(
    incident_id="i-1", state="OPENED", bin="453201", start_ms=0, last_ms=0, attempts=17, cards=16, approved=1,
    declined_card_data=12, declined_funds=0, declined_risk=0, declined_other=3, visa_estimate=17,
)  # fmt: skip
GREW = msgspec.structs.replace(OPENED, state="GREW", attempts=100)
BELIED = msgspec.structs.replace(OPENED, contradicts=["SC5_CREDMASTER"])
CLOSED = msgspec.structs.replace(OPENED, state="CLOSED", attempts=1_006, cards=985, last_ms=31 * 60_000 + 1)


def alert(event_id: str, incident: Incident | None = None, severity: str = "HIGH", merchant: str = "m-1") -> Any:
    value = {
        "event_id": event_id,
        "type": "TXN" if incident is None else "INCIDENT",
        "severity": severity,
        "entity": "CARD" if incident is None else "MERCHANT_BIN",
        "merchant_id": merchant,
        "score": 800,
        "amount_jpy": 110,
        "last_seen_ms": 5,
        "reasons": [{"en": "Many", "ja": "多い"}],
        "incident": incident,
    }
    return SimpleNamespace(value=msgspec.json.encode(value))


@pytest.fixture
def state() -> State:
    state = State(60.0)
    state.sent([b'{"event_id":"old"}'], [0], 0.0)
    state.go_live(time.monotonic())
    state.sent([b'{"event_id":"a"}', b'{"event_id":"b"}'], [0, 0], 0.0)
    return state


def read(state: State, records: Sequence[Any]) -> None:
    Watcher(None, TOPICS, state, "en")._alerts(records)  # type: ignore[arg-type]


def shown(state: State, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(state, time.monotonic()))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_all_alerts_of_an_incident_are_one_line_and_count_once(state: State) -> None:
    read(
        state, [alert("a", OPENED, "MEDIUM"), alert("b"), alert("a", GREW, "CRITICAL"), alert("a", CLOSED, "CRITICAL")]
    )
    assert dict(state.severities) == {"MEDIUM": 0, "HIGH": 1, "CRITICAL": 1}
    assert state.alerted == ["a", "b"]
    assert [(line.kind, line.about) for line in state.alerts] == [("CARD", None), ("MERCHANT_BIN", "i-1")]
    text = shown(state)
    assert "1 incident, 1,006 attempts" in text
    assert "1,006 attempts, about 985 cards of BIN 453201, 75% wrong card data, over after 31 min" in text
    assert text.count("MERCHANT_BIN") == 1


def test_words_say_that_an_attack_contradicts_the_checklist() -> None:
    assert BELIED.in_words("en") == f"{OPENED.in_words('en')}, though the merchant declares measures against it"
    assert BELIED.in_words("ja") == f"{OPENED.in_words('ja')}、加盟店は対策済みと申告"


def test_an_incident_of_the_history_is_not_shown(state: State) -> None:
    read(state, [alert("old", OPENED), alert("old", CLOSED)])
    assert (state.incidents, list(state.alerts)) == ({}, [])
    assert "incident" not in shown(state)


def test_an_incident_that_no_longer_stands_in_the_list_comes_back_and_counts_once(state: State) -> None:
    read(state, [alert("a", OPENED), *[alert("b")] * 10])
    assert not [line for line in state.alerts if line.about]
    read(state, [alert("a", CLOSED)])
    assert state.alerts[-1].about == "i-1"
    assert (state.severities["HIGH"], len(state.alerted), state.lines) == (11, 11, 12)


def test_plain_lines_tell_each_change_of_an_incident(state: State) -> None:
    written: list[str] = []
    lines = Lines(written.append, state)
    read(state, [alert("a", OPENED)])
    lines.draw()
    read(state, [alert("a", CLOSED)])
    lines.draw()
    assert written[0].endswith("alerts 1, 1 incident, 17 attempts")
    assert "goes on" in written[1]
    assert written[2].endswith("alerts 1, 1 incident, 1,006 attempts")
    assert "over after 31 min" in written[3]


def test_the_summary_says_which_were_found_and_what_visa_may_count() -> None:
    of_many = msgspec.structs.replace(GREW, bin=None, approved=0, declined_card_data=0, declined_other=0)
    assert told({}) == ["Incidents of enumeration: none"]
    assert told({"i-1": ("m-1", CLOSED), "i-2": ("m-2", of_many)}) == [
        "Incidents of enumeration: 2 incidents, 1,106 attempts",
        "  at m-1: 1,006 attempts, about 985 cards of BIN 453201, 75% wrong card data, over after 31 min;",
        "    approved 1, wrong card data 12, funds 0, risk 0, other 3; Visa may count 17 as enumerated (our estimate)",
        "  at m-2: 100 attempts, about 16 cards of many BINs, - wrong card data, goes on;",
        "    approved 0, wrong card data 0, funds 0, risk 0, other 0; Visa may count 17 as enumerated (our estimate)",
    ]
    assert counted([]) == "0 incidents, 0 attempts"


def test_words_come_in_japanese_too() -> None:
    assert CLOSED.in_words("ja") == "試行1,006回、BIN 453201のカード約985枚、カード情報誤り75%、31分で終了"
    assert GREW.in_words("ja").endswith("継続中")
