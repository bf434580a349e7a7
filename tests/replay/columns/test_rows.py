"""Generated tables with blanks, gaps and frauds, in small pieces, against plain Python."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.replay.source import NOT_OURS, SourceError
from tests.replay.tables import COMPACT, PREFIX, source

NAMES = ("t", "customer", "terminal", "amount_cents", "scenario")
DAY_S = 86_400

steps = st.sampled_from([0, 1, 3_600, DAY_S - 1, DAY_S, DAY_S + 1, 7 * DAY_S - 1, 7 * DAY_S, 7 * DAY_S + 1, 30 * DAY_S])
cells = st.sampled_from([1, 2, None, 3, 4])
rows = st.lists(
    st.tuples(steps, cells, cells, cells, st.sampled_from([0, 1, 3, None]), st.booleans()), min_size=1, max_size=14
)


@pytest.fixture(scope="module", autouse=True)
def _small_pieces() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.replay.table.CHUNK_EVENTS", 3)
        patch.setattr("streams.replay.columns.reading.PIECE_ROWS", 4)
        patch.setattr("streams.replay.columns.reading._BLOCK_BYTES", 64)
        yield


def dated(drawn: list[tuple[Any, ...]]) -> list[tuple[int | None, ...]]:
    """Give each row its time; every fifth of those drawn this way is empty."""
    out: list[tuple[int | None, ...]] = []
    now = 0
    for i, (step, card, shop, amount, scenario, is_empty) in enumerate(drawn):
        now += step
        out.append((None,) * 5 if is_empty and i % 5 == 4 else (now, card, shop, amount, scenario))
    return out


def write(table: list[tuple[int | None, ...]], file: Path) -> None:
    if file.suffix == ".csv":
        text = io.StringIO()
        csv.writer(text).writerows([NAMES, *(["" if cell is None else cell for cell in row] for row in table)])
        file.write_text(text.getvalue())
        return
    if file.suffix == ".jsonl":
        objects = [{name: cell for name, cell in zip(NAMES, row, strict=True) if cell is not None} for row in table]
        # a column that no line has is refused: the first line names all, as in a file of nulls
        objects[:1] = [dict.fromkeys(NAMES) | one for one in objects[:1]]
        lines = [json.dumps(one) if one else "" for one in objects]
        file.write_text("\n".join(lines) + "\n")
        return
    columns = zip(*table, strict=True)
    pa.parquet.write_table(
        pa.table({name: pa.array(c, pa.int64()) for name, c in zip(NAMES, columns, strict=True)}), file
    )


def kept(table: list[tuple[int | None, ...]]) -> tuple[dict[int, tuple[Any, ...]], Counter[str], int]:
    """Return the rows to send by number, the refused ones by reason, and the number of empty ones."""
    good, refused, empty = {}, Counter[str](), 0
    for number, row in enumerate(table):
        blank = [name for name, cell in zip(NAMES[1:4], row[1:4], strict=True) if cell is None]
        if row[:4] == (None,) * 4:
            empty += 1
        elif blank:
            refused[f"column {blank[0]!r} is blank"] += 1
        else:
            good[number] = row
    return good, refused, empty


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows)
def test_every_whole_row_is_sent_once_unchanged_and_reports_are_sent_at_their_time(
    tmp_path: Path, kind: str, drawn: list[tuple[Any, ...]]
) -> None:
    table = dated(drawn)
    write(table, tmp_path / f"t.{kind}")
    good, refused, empty = kept(table)
    told: list[str] = []
    found = source(tmp_path / f"t.{kind}", told=told)
    chunks = list(found.chunks())
    stream: list[tuple[str, int, Any]] = []  # kind, number, record
    for chunk in chunks:
        assert 0 < len(chunk.events) == len(chunk.positions) == len(chunk.times_ms) <= 3
        reports = [orjson.loads(value) for _, value in chunk.others.get("fraud_reports", ())]
        stream += [("report", int(report["event_id"].removeprefix(PREFIX)), report) for report in reports]
        events = [orjson.loads(value) for _, value in chunk.events]
        stream += [("event", int(event["event_id"].removeprefix(PREFIX)), event) for event in events]
    sent = {number: event for what, number, event in stream if what == "event"}
    assert list(sent) == list(good)
    assert (Counter(dict(found.left_out)), found.empty, len(told)) == (refused, empty, refused.total())
    since_s = COMPACT.time.since_ms // 1000
    for number, event in sent.items():
        time, _, shop, amount, _ = good[number]
        assert datetime.fromisoformat(event["event_ts"]).timestamp() == since_s + time
        assert (event["merchant"]["id"], event["amount"]["minor"]) == (f"m{shop}", amount)
    assert [found.position(f"{PREFIX}{number}") for number in good] == list(range(len(good)))
    last = max(good, default=-1)
    assert all(found.position(f"{PREFIX}{n}") == NOT_OURS for n in range(len(table)) if n not in good or n > last)
    labels = found.labels
    assert labels is not None
    assert list(labels.fraud) == [int((row[4] or 0) > 0) for row in good.values()]
    assert labels.unknown == sum(row[4] is None for row in good.values())
    check_reports(stream, good)


def check_reports(stream: list[tuple[str, int, Any]], good: dict[int, tuple[Any, ...]]) -> None:
    times = {number: row[0] for number, row in good.items()}
    end = max(times.values(), default=0)
    due = {number: row[0] + 7 * DAY_S for number, row in good.items() if (row[4] or 0) > 0}
    places = {number: i for i, (what, number, _) in enumerate(stream) if what == "report"}
    assert sorted(places) == [number for number, at in due.items() if at <= end]
    assert len(places) == sum(what == "report" for what, _, _ in stream)
    for number, place in places.items():
        before = [times[n] for what, n, _ in stream[:place] if what == "event"]
        after = [times[n] for what, n, _ in stream[place:] if what == "event"]
        assert number in [n for what, n, _ in stream[:place] if what == "event"], (
            "a report must not come before its own event"
        )
        assert max(before) < due[number], "a report must not come after an event that should see it"
        assert min(after) > due[number] - DAY_S, "a report may be at most a day early"
        assert stream[place][2]["received_ts"] == datetime.fromtimestamp(
            COMPACT.time.since_ms // 1000 + due[number], tz=_UTC
        ).strftime("%Y-%m-%dT%H:%M:%SZ")


_UTC = datetime.fromisoformat("2018-04-01T00:00:00Z").tzinfo


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.integers(1, 13))
def test_a_row_one_second_too_early_is_named_at_any_place(
    tmp_path: Path, kind: str, drawn: list[tuple[Any, ...]], at: int
) -> None:
    table = dated(drawn)
    dates = [(i, row[0]) for i, row in enumerate(table[:at]) if row[0] is not None]
    if at >= len(table) or not dates or not dates[-1][1]:
        return
    table[at] = (dates[-1][1] - 1, 1, 1, 1, 0)
    write(table, tmp_path / f"t.{kind}")
    with pytest.raises(SourceError, match="earlier than the row before it") as caught:
        list(source(tmp_path / f"t.{kind}").chunks())
    line = {"csv": at + 2, "jsonl": at + 1}.get(kind)
    place = f"row {at}: " if line is None else f"line {line} (row {at}): "
    assert f".{kind}, {place}" in str(caught.value)


@pytest.mark.parametrize("before_s", [5 * DAY_S + 3_600, 6 * DAY_S - 1, 6 * DAY_S, 6 * DAY_S + 1, 7 * DAY_S - 1])
def test_a_report_is_never_sent_before_an_event_a_day_earlier(tmp_path: Path, before_s: int) -> None:
    write([(0, 1, 1, 1, 1), (before_s, 2, 2, 2, 0), (7 * DAY_S, 1, 1, 1, 0)], tmp_path / "t.csv")
    chunks = list(source(tmp_path / "t.csv").chunks())
    (place,) = (i for i, chunk in enumerate(chunks) if chunk.others.get("fraud_reports"))
    assert [len(chunk.events) for chunk in chunks[place:]] == ([1] if before_s <= 6 * DAY_S else [2])
