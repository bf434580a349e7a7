"""A merchant where fraud becomes frequent is one line that its alerts renew, and counts once."""

import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streams.demo.findings.standings import Merchant, Notice, Standing, told
from streams.demo.state import State
from streams.demo.watch import Watcher
from streams.kafka.settings import Topics

WATCH = Notice("ENTERED", "2025-04-26", Standing("WATCH", 1, "2025-04", [0, 0, 602_300]), 500_000)
WARNING = Notice("ENTERED", "2025-05-23", Standing("WARNING", 2, "2025-05", [0, 602_300, 596_100]), 500_000)
WITHOUT = msgspec.structs.replace(WARNING, what="WITHOUT_TDS", days=11)
ACTUALISED = Notice("ENTERED", "2025-06-03", Standing("ACTUALISED", 3, "2025-06", [602_300, 596_100, 514_600]), 500_000)
FORECAST = Notice("FORECAST", "2025-06-04", Standing("NORMAL", 0, None, [0, 0, 90_000]), 500_000, None, "2025-06-19")


def record(notice: Notice | None, severity: str, merchant: str = "m-1", kind: str = "MERCHANT") -> Any:
    alert = {
        "alert_id": "n-1", "dedup_key": "MERCHANT:STANDING:m", "event_id": "n-1",
        "acquirer_id": "acq", "severity": severity, "type": kind, "entity": "STANDING",
        "merchant_id": merchant, "score": 0, "amount_jpy": None, "last_seen_ms": 1, "reasons": [], "standing": notice,
    }  # fmt: skip
    return SimpleNamespace(value=msgspec.json.encode(alert))


@pytest.fixture
def state() -> State:
    state = State(60.0)
    state.go_live(time.monotonic())
    state.clock_ms = 1_748_925_000_000
    return state


def read(state: State, *records: Any, language: Any = "en") -> list[str]:
    Watcher(None, Topics(), state, language)._alerts(records)  # type: ignore[arg-type]
    return [f"{line.severity} {line.kind} {line.merchant_id}: {'; '.join(line.reasons)}" for line in state.alerts]


def test_all_alerts_about_a_merchant_are_one_line_that_says_where_it_stands_now(state: State) -> None:
    assert read(state, record(WATCH, "MEDIUM")) == [
        "MEDIUM MERCHANT m-1: frequent fraud, WATCH: above 500,000 yen in 1 month (602,300)"
    ]
    assert read(state, record(WARNING, "HIGH"), record(WITHOUT, "HIGH")) == [
        "HIGH MERCHANT m-1: frequent fraud, WARNING: above 500,000 yen in 2 months in a row (602,300 + 596,100), "
        "and no 3-D Secure for 11 days"
    ]
    assert read(state, record(ACTUALISED, "CRITICAL")) == [
        "CRITICAL MERCHANT m-1: frequent fraud, ACTUALISED: above 500,000 yen in 3 months in a row "
        "(602,300 + 596,100 + 514,600), and no 3-D Secure for 11 days"
    ]
    assert +state.severities == {"CRITICAL": 1}
    assert [(line.at_ms, line.score, line.amount_jpy) for line in state.alerts] == [(state.clock_ms, None, None)]


def test_two_merchants_are_two_lines_and_a_later_notice_does_not_lower_the_severity(state: State) -> None:
    read(state, record(ACTUALISED, "CRITICAL"), record(WATCH, "MEDIUM", "m-2"))
    lines = read(state, record(WITHOUT, "HIGH"))
    assert [line.split(":")[0] for line in lines] == ["MEDIUM MERCHANT m-2", "CRITICAL MERCHANT m-1"]
    assert +state.severities == {"MEDIUM": 1, "CRITICAL": 1}


def test_merchants_of_the_history_are_forgotten_when_the_live_part_begins() -> None:
    state = State(60.0)
    assert len(read(state, record(WATCH, "MEDIUM"))) == 1
    state.go_live(0.0)
    assert (list(state.alerts), state.standings) == ([], {})
    read(state, record(WARNING, "HIGH"))
    assert +state.severities == {"HIGH": 1}


def test_a_forecast_says_the_day(state: State) -> None:
    assert read(state, record(FORECAST, "MEDIUM"))[0].endswith("fraud will be above 500,000 yen a month on 2025-06-19")
    assert read(state, language="ja") is not None


def test_words_come_in_japanese_too(state: State) -> None:
    read(state, record(WARNING, "HIGH"), record(WITHOUT, "HIGH"), language="ja")
    expected = "不正多発 WARNING: 2か月連続で月500,000円超（602,300 + 596,100円）、3Dセキュア未導入のまま11日"
    assert state.alerts[-1].reasons == (expected,)
    read(state, record(FORECAST, "MEDIUM", "m-2"), language="ja")
    assert state.alerts[-1].reasons == ("不正利用が2025-06-19に月500,000円を超える見込み",)


def test_the_summary_says_what_a_merchant_entered_and_when() -> None:
    merchant, other = Merchant("m-1"), Merchant("m-2")
    for notice in (WATCH, WARNING, WITHOUT, ACTUALISED):
        merchant.add(notice, "HIGH")
    other.add(FORECAST, "MEDIUM")
    assert told([]) == ["Merchants where fraud became frequent: none"]
    assert told([merchant, other]) == [
        "Merchants where fraud became frequent: 2",
        "  at m-1: frequent fraud, ACTUALISED: above 500,000 yen in 3 months in a row (602,300 + 596,100 + 514,600), "
        "and no 3-D Secure for 11 days;",
        "    4 alerts: entered WATCH on 2025-04-26, WARNING on 2025-05-23, ACTUALISED on 2025-06-03; "
        "without 3-D Secure 1",
        "  at m-2: fraud will be above 500,000 yen a month on 2025-06-19;",
        "    1 alert: entered no state; without 3-D Secure 0",
    ]
