"""The view shows the state at any width, and its picture needs no other file."""

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from streams.demo.plain import Lines
from streams.demo.state import AlertLine, State
from streams.demo.view import render, save_picture


@pytest.fixture
def state() -> State:
    state = State(60.0)
    state.address = "http://127.0.0.1:9464/metrics"
    state.sent([b'{"event_id":"a"}'], [0], 0.0)
    state.go_live(time.monotonic())
    state.clock_ms = 1_772_290_800_000 + 90 * 60_000
    state.bands.update({"ALLOW": 990, "BLOCK": 10})
    state.alert(
        AlertLine(
            event_id="a",
            at_ms=state.clock_ms,
            severity="CRITICAL",
            kind="CARD",
            merchant_id="m000123",
            amount_jpy=123_456,
            score=987,
            reasons=("Many cards tried",),
        )
    )
    state.latency.add([4, 5, 6], time.monotonic())
    return state


@pytest.mark.parametrize("width", [80, 118, 200])
def test_alerts_are_shown_with_their_reasons_at_any_width(state: State, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(state, time.monotonic()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= width
    for shown in ("CRITICAL", "m000123", "987", "01:30:00", "http://127.0.0.1:9464/metrics"):
        assert shown in text
    assert "Many" in text


def test_the_picture_refers_to_no_other_file(state: State, tmp_path: Path) -> None:
    save_picture(tmp_path / "demo.svg", state)
    picture = (tmp_path / "demo.svg").read_text()
    assert picture.startswith("<svg")
    assert "Many&#160;cards&#160;tried" in picture
    assert "@font-face" not in picture
    assert not re.search(r"""url\((?!["']?#)""", picture)  # clip paths inside it are fine
    assert not re.search(r"(?:href|src)=", picture)


def test_plain_lines_say_the_same(state: State) -> None:
    written: list[str] = []
    lines = Lines(written.append, state)
    lines.draw()
    assert "p50 5 ms" in written[0]
    assert "ALLOW 99.00%" in written[0]
    assert "CRITICAL CARD at m000123 123,456 yen, score 987: Many cards tried" in written[1]
    lines.draw()
    assert len(written) == 3  # an alert is written once
    assert written[2].endswith("alerts 1, 0 incidents, 0 attempts")
