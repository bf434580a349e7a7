"""Recorded events are read as the bytes that they were, and repeats are recognised."""

import io
from functools import cache
from pathlib import Path

import pytest

from models.simulator import Simulator, SimulatorConfig
from models.simulator.writer import event_line
from streams.replay.lines import LinesSource, read_lines
from streams.replay.source import NOT_OURS, SourceError

AT_MS = 1_777_604_400_000


@cache
def simulated() -> tuple[list[tuple[str, bytes, bytes]], bytes]:
    config = SimulatorConfig(seed=3, days=1, events_per_day=3_000, cards=500, merchants=80, repeat_share=0.05)
    items = list(Simulator(config))
    return [(item.topic, item.key, item.value) for item in items], b"".join(map(event_line, items))


def recorded(file: Path) -> list[tuple[str, bytes, bytes]]:
    items, lines = simulated()
    file.write_bytes(lines)
    return items


def test_every_record_comes_back_byte_for_byte_on_its_topic(tmp_path: Path) -> None:
    items = recorded(tmp_path / "e.jsonl")
    chunks = list(LinesSource(tmp_path / "e.jsonl").chunks())
    events = [record for chunk in chunks for record in chunk.events]
    merchants = [record for chunk in chunks for record in chunk.others.get("merchants", ())]
    assert events == [(key, value) for topic, key, value in items if topic == "authorizations"]
    with (tmp_path / "e.jsonl").open("rb") as stream:
        at = [line.at_ms for line in read_lines(stream, "e") if line.topic == "authorizations"]
    assert [time_ms for chunk in chunks for time_ms in chunk.times_ms] == at
    assert merchants == [(key, value) for topic, key, value in items if topic == "merchants"]


def test_a_repeat_has_the_partition_of_the_first(tmp_path: Path) -> None:
    items = recorded(tmp_path / "e.jsonl")
    source = LinesSource(tmp_path / "e.jsonl")
    positions = [p for chunk in source.chunks() for p in chunk.positions]
    values = [value for topic, _, value in items if topic == "authorizations"]
    assert len(set(positions)) == len(set(values)) < len(values)
    assert max(positions) == len(set(values)) - 1
    assert source.position("nobody") == NOT_OURS


def test_a_limit_counts_authorizations(tmp_path: Path) -> None:
    recorded(tmp_path / "e.jsonl")
    assert sum(len(chunk.events) for chunk in LinesSource(tmp_path / "e.jsonl", limit=17).chunks()) == 17


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"not JSON\n", "line 1: not a record"),
        (b'{"topic":"authorizations","key":"k","at_ms":1}\n', "line 1: not a record"),
        (b'{"topic":"merchants","key":"\xff","at_ms":1,"value":{}}\n', "line 1: not a record"),
        (b'{"topic":"merchants","value":' + b"[" * 5_000 + b"\n", "line 1: column 541: nested deeper than 512 levels"),
        (b'{"topic":"elsewhere","key":"k","at_ms":1,"value":{}}\n', "line 1: unknown topic"),
    ],
)
def test_a_line_of_another_kind_is_refused_without_being_quoted(text: bytes, told: str) -> None:
    with pytest.raises(SourceError, match=told) as caught:
        list(read_lines(io.BytesIO(text), "file"))
    assert "elsewhere" not in str(caught.value)


def test_a_malformed_event_has_a_place_of_its_own(tmp_path: Path) -> None:
    line = b'{"topic":"authorizations","key":"k","at_ms":1777604400000,"value":{"event_id":7}}\n'
    (tmp_path / "e.jsonl").write_bytes(line * 3)
    assert [list(chunk.positions) for chunk in LinesSource(tmp_path / "e.jsonl").chunks()] == [[0, 1, 2]]


def line(at_ms: int, topic: str = "authorizations") -> bytes:
    return b'{"topic":"%b","key":"k","at_ms":%d,"value":{"event_id":"e"}}\n' % (topic.encode(), at_ms)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "e.jsonl: is empty"),
        ([line(AT_MS), line(AT_MS // 1000)], "e.jsonl, line 2: at_ms is in seconds"),
        ([line(7)], "e.jsonl, line 1: at_ms lies outside the years 2000 to 2100"),
        ([line(AT_MS), line(AT_MS), line(AT_MS - 1)], "e.jsonl, line 3: earlier than a line before it"),
        ([line(AT_MS), line(AT_MS - 1, "fraud-reports")], "e.jsonl, line 2: earlier than a line before it"),
    ],
)
def test_lines_out_of_order_are_refused_at_the_first_such_line(tmp_path: Path, lines: list[bytes], told: str) -> None:
    (tmp_path / "e.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(SourceError, match=told):
        list(LinesSource(tmp_path / "e.jsonl").chunks())


def test_merchants_are_sent_at_their_place_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_bytes(line(AT_MS) + line(AT_MS - 1, "merchants") + line(AT_MS))
    (chunk,) = LinesSource(tmp_path / "e.jsonl").chunks()
    assert (len(chunk.events), len(chunk.others["merchants"])) == (2, 1)
