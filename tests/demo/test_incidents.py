"""An incident is one line that its alerts renew, and counts once; words say what happened."""

import io
import random
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from rich.console import Console

from streams.demo.findings.incidents import Incident, Incidents, counted, told
from streams.demo.plain import Lines
from streams.demo.state import State
from streams.demo.view import render
from streams.demo.watch import Watcher
from streams.kafka.settings import Topics

TOPICS = Topics()
OPENED = Incident(
    state="OPENED", bin="453201", start_ms=0, last_ms=0, attempts=17, cards=16, approved=1,
    declined_card_data=12, declined_funds=0, declined_risk=0, declined_other=3, visa_estimate=17,
)  # fmt: skip
GREW = msgspec.structs.replace(OPENED, state="GREW", attempts=100)
BELIED = msgspec.structs.replace(OPENED, contradicts=["SC5_CREDMASTER"])
CLOSED = msgspec.structs.replace(OPENED, state="CLOSED", attempts=1_006, cards=985, last_ms=31 * 60_000 + 1)


def alert(
    event_id: str,
    incident: Incident | None = None,
    severity: str = "HIGH",
    merchant: str = "m-1",
    name: str = "",
    of: str = "i-1",
) -> Any:
    """Make an alert. `name` tells alerts that say the same of an incident apart, `of` is the incident's id."""
    value = {
        "alert_id": f"{name}:{of}:{event_id if incident is None else incident.state}",
        "dedup_key": f"INCIDENT:MERCHANT_BIN:{merchant}",
        "event_id": event_id,
        "type": "TXN" if incident is None else "INCIDENT",
        "severity": severity,
        "entity": "CARD" if incident is None else "MERCHANT_BIN",
        "merchant_id": merchant,
        "score": 800,
        "amount_jpy": 110,
        "last_seen_ms": 5,
        "reasons": [{"en": "Many", "ja": "多い"}],
        "incident": None if incident is None else msgspec.structs.asdict(incident) | {"incident_id": of},
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
    assert [(line.kind, bool(line.about)) for line in state.alerts] == [("CARD", False), ("MERCHANT_BIN", True)]
    text = shown(state)
    assert "1 incident, 1,006 attempts" in text
    assert "1,006 attempts, about 985 cards of BIN 453201, 75% wrong card data, over after 31 min" in text
    assert text.count("MERCHANT_BIN") == 1


def test_words_say_that_an_attack_contradicts_the_checklist() -> None:
    assert BELIED.in_words("en") == f"{OPENED.in_words('en')}, though the merchant declares measures against it"
    assert BELIED.in_words("ja") == f"{OPENED.in_words('ja')}、加盟店は対策済みと申告"


def test_an_incident_of_the_history_is_not_shown(state: State) -> None:
    read(state, [alert("old", OPENED), alert("old", CLOSED)])
    assert (list(state.incidents), list(state.alerts)) == ([], [])
    assert "incident" not in shown(state)


def test_an_incident_that_no_longer_stands_in_the_list_comes_back_and_counts_once(state: State) -> None:
    read(state, [alert("a", OPENED), *[alert("b")] * 10])
    assert not [line for line in state.alerts if line.about]
    read(state, [alert("a", CLOSED)])
    assert state.alerts[-1].kind == "MERCHANT_BIN"
    assert (state.severities["HIGH"], len(state.alerted), state.lines) == (11, 11, 12)


def test_an_attack_that_two_workers_open_under_two_ids_is_one_incident_and_the_next_attack_another(
    state: State,
) -> None:
    grown = msgspec.structs.replace(GREW, attempts=300)
    read(state, [alert("a", OPENED), alert("b", OPENED, of="i-2"), alert("a", grown), alert("b", GREW, of="i-2")])
    assert counted(state.incidents) == "1 incident, 100 attempts", "the latest alert is what is known"
    read(state, [alert("a", CLOSED), alert("a", CLOSED), alert("b", OPENED), alert("b", OPENED, of="i-2")])
    assert told(state.incidents)[0] == "Incidents of enumeration: 1 incident, 1,006 attempts", "each alert once"
    assert (len(state.alerted), state.severities.total(), len(state.alerts)) == (1, 1, 1)
    read(state, [alert("b", OPENED, of="i-3")])
    assert [(incident.attempts, incident.is_over) for _, incident in state.incidents] == [(1_006, True), (17, False)]
    assert shown(state).count("MERCHANT_BIN") == 2


@pytest.mark.parametrize("seed", range(20))
def test_incidents_are_those_of_the_rule_whatever_the_alerts(state: State, seed: int) -> None:
    """By hand: of each key the alerts without repeats, cut after each CLOSED; the last of each part is what counts."""
    draw = random.Random(seed)  # noqa: S311 - a reproducible course
    records, parts = list[Any](), dict[str, list[list[int]]]()
    for number in range(60):
        merchant = draw.choice(("m-1", "m-2", "m-3"))
        said = draw.choice((OPENED, GREW, GREW, CLOSED))
        records.append(alert("a", msgspec.structs.replace(said, attempts=number), merchant=merchant, name=f"{number}"))
        listed = parts.setdefault(merchant, [[]])
        listed[-1].append(number)
        listed.extend([[]] if said is CLOSED else [])
        records += draw.sample(records, draw.randrange(3) * draw.randrange(2) if len(records) > 2 else 0)
    read(state, records)
    expected = sorted(part[-1] for listed in parts.values() for part in listed if part)
    assert sorted(incident.attempts for _, incident in state.incidents) == expected
    assert counted(state.incidents) == f"{len(expected)} incidents, {sum(expected):,} attempts"
    assert state.severities.total() == len(expected)


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
    incidents = Incidents()
    assert told(incidents) == ["Incidents of enumeration: none"]
    assert counted(incidents) == "0 incidents, 0 attempts"
    incidents.take("1", "key-1", "m-1", CLOSED)
    incidents.take("2", "key-2", "m-2", of_many)
    assert told(incidents) == [
        "Incidents of enumeration: 2 incidents, 1,106 attempts",
        "  at m-1: 1,006 attempts, about 985 cards of BIN 453201, 75% wrong card data, over after 31 min;",
        "    approved 1, wrong card data 12, funds 0, risk 0, other 3; Visa may count 17 as enumerated (our estimate)",
        "  at m-2: 100 attempts, about 16 cards of many BINs, - wrong card data, goes on;",
        "    approved 0, wrong card data 0, funds 0, risk 0, other 0; Visa may count 17 as enumerated (our estimate)",
    ]


def test_words_come_in_japanese_too() -> None:
    assert CLOSED.in_words("ja") == "試行1,006回、BIN 453201のカード約985枚、カード情報誤り75%、31分で終了"
    assert GREW.in_words("ja").endswith("継続中")
