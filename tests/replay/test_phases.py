"""Rows of a table of approved payments: as requests, answers, or both, each decided once."""

from importlib import resources
from pathlib import Path

import numpy as np
import orjson
import pytest

from scoring.decode import DecodeLimits
from scoring.observer import Observer, Settings
from scoring.profile import PROFILE_FEATURES, ProfileLimits
from streams.replay import command
from streams.replay.ledger import Ledger
from streams.replay.source import CHUNK_EVENTS, Answered, Chunk, Phases, Source, SourceError
from streams.replay.table import TableSource
from tests.replay.tables import PREFIX, write_table
from tests.replay.tables import source as table_source

ROWS = CHUNK_EVENTS + 300


def table(file: Path, rows: int = ROWS) -> TableSource:
    write_table(file, rows, days=20)
    return table_source(file, reports=False)


def said(chunks: list[Chunk]) -> list[tuple[str, str, bool | None]]:
    events = [orjson.loads(value) for chunk in chunks for _, value in chunk.events]
    return [(event["event_id"], event["outcome"]["phase"], event["outcome"].get("approved")) for event in events]


def test_every_request_is_followed_by_its_answer(tmp_path: Path) -> None:
    source = Answered(table(tmp_path / "t.parquet"), Phases.BOTH)
    assert source.total == 2 * ROWS
    chunks = list(source.chunks())
    assert said(chunks) == [
        step
        for row in range(ROWS)
        for step in ((f"{PREFIX}{row}", "PRE_AUTH", None), (f"{PREFIX}{row}", "POST_AUTH", True))
    ]
    positions = [position for chunk in chunks for position in chunk.positions]
    assert positions == [row for row in range(ROWS) for _ in range(2)]
    assert [flag for chunk in chunks for flag in chunk.answers] == [False, True] * ROWS
    times = [time for chunk in chunks for time in chunk.times_ms]
    assert times[::2] == times[1::2] == sorted(times[::2])
    assert (source.position(f"{PREFIX}7"), source.position("x")) == (7, -1)
    assert source.labels is not None


def test_an_answer_is_its_request_with_an_outcome(tmp_path: Path) -> None:
    (chunk,) = Answered(table(tmp_path / "t.parquet", 5), Phases.BOTH).chunks()
    pairs = [
        (orjson.loads(a[1]), orjson.loads(b[1]), a[0] == b[0])
        for a, b in zip(chunk.events[::2], chunk.events[1::2], strict=True)
    ]
    assert all(asked | {"outcome": answer["outcome"]} == answer and same_key for asked, answer, same_key in pairs)


def test_answers_alone_are_events_of_their_own(tmp_path: Path) -> None:
    source = Answered(table(tmp_path / "t.parquet"), Phases.POST_AUTH)
    chunks = list(source.chunks())
    assert source.total == ROWS
    assert said(chunks) == [(f"{PREFIX}{row}", "POST_AUTH", True) for row in range(ROWS)]
    assert not any(chunk.answers for chunk in chunks)


def features(source: Source) -> np.ndarray:
    observer = Observer(Settings(decode=DecodeLimits(), profiles=ProfileLimits()))
    rows = []
    for chunk in source.chunks():
        for start in range(0, len(chunk.events), 1_000):
            part = slice(start, start + 1_000)
            seen = observer.observe([value for _, value in chunk.events[part]], chunk.times_ms[part])
            assert not seen.repeats.any()
            rows.append(seen.matrix[~seen.answers][:, -len(PROFILE_FEATURES) :].copy())
    return np.concatenate(rows)


def test_a_model_sees_the_same_of_requests_with_answers_as_of_answers_alone(tmp_path: Path) -> None:
    """Requests alone have no outcome: no spend, no mean, no rate."""
    both, answered = (features(Answered(table(tmp_path / "t.parquet"), way)) for way in (Phases.BOTH, Phases.POST_AUTH))
    assert both.tobytes() == answered.tobytes()
    asked = features(table(tmp_path / "t.parquet"))
    names = [feature.name for feature in PROFILE_FEATURES]
    rate, spend = names.index("merchant_approval_rate_24h"), names.index("card_spend_30d")
    assert np.isnan(asked[:, rate]).all()
    assert not asked[:, spend].any()
    assert np.nanmin(both[:, rate]) == 1.0
    assert both[:, spend].any()


def test_the_account_is_exact_with_one_decision_for_both_phases() -> None:
    ledger = Ledger()
    ledger.sent([0, 0, 1, 1, 1], answers=2)
    for position in (0, 1):
        ledger.decided(position, 0.5)
    account = ledger.account()
    assert (account.sent, account.answers, account.repeats, account.decisions, account.is_exact) == (5, 2, 1, 2, True)
    ledger.decided(1, 0.5)
    assert not ledger.account().is_exact, "an answer must not be decided"


def source_of(*arguments: str) -> Source:
    return command._source(command.parser().parse_args(["--config", "-", *arguments]))


def test_a_table_is_sent_in_both_phases_by_default(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    write_table(file, 3)
    phases = {
        arguments: [phase for _, phase, _ in said(list(source_of("--table", str(file), *arguments).chunks()))]
        for arguments in ((), ("--phases", "both"), ("--phases", "pre-auth"), ("--phases", "post-auth"))
    }
    assert phases[()] == phases["--phases", "both"] == ["PRE_AUTH", "POST_AUTH"] * 3
    assert phases["--phases", "pre-auth"] == ["PRE_AUTH"] * 3
    assert phases["--phases", "post-auth"] == ["POST_AUTH"] * 3


def test_answers_that_a_table_does_not_have_are_not_invented(tmp_path: Path) -> None:
    file, mapping = tmp_path / "t.parquet", tmp_path / "ours.yaml"
    write_table(file, 3)
    shipped = resources.files("streams.replay.columns").joinpath("handbook-compact.yaml").read_text()
    mapping.write_text("".join(line for line in shipped.splitlines(True) if not line.startswith("outcome:")))
    ours = ("--table", str(file), "--mapping", str(mapping))
    assert {phase for _, phase, _ in said(list(source_of(*ours).chunks()))} == {"PRE_AUTH"}
    with pytest.raises(SourceError, match=r"--phases both: mapping 'ours\.yaml' does not say that payments were"):
        source_of(*ours, "--phases", "both")
    with pytest.raises(SourceError, match="a file of events has their outcomes"):
        source_of("--events", str(file), "--phases", "both")
