"""Recorded events and their truth as people export them: read correctly, or refused with the line, and never quoted."""

import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.simulator import EpisodeRates, Simulator, SimulatorConfig
from models.simulator.writer import event_line, truth_line
from models.training import main
from models.training.matrix import replay
from models.training.records import Record, read_records
from models.training.truth import read_truths
from scoring.model.manifest import Manifest
from tests.examples import is_quick
from tests.training.report.undrawn import leave_pictures_out

CASES = Path(__file__).parent / "cases"
DELAY = ("--label-delay-days",)
AT_MS = 1_777_604_400_000
CONFIG = SimulatorConfig(
    seed=3,
    days=3,
    events_per_day=1_000 if is_quick() else 1_500,
    cards=1_000,
    merchants=80,
    episodes=EpisodeRates(t1=60.0, t3=300.0, t4=200.0),
)


def line(at_ms: int, topic: str = "authorizations") -> bytes:
    return json.dumps({"topic": topic, "key": "k", "at_ms": at_ms, "value": {}}).encode()


def truth(**fields: Any) -> bytes:
    return json.dumps({"event_id": "e", **fields}).encode()


def refusal(read: Callable[[list[bytes]], Any], lines: list[bytes]) -> str:
    with pytest.raises(ValueError, match=r"line|empty") as caught:
        read(lines)
    assert caught.value.__context__ is None
    return str(caught.value)


@pytest.mark.parametrize("spelling", ["1", 1, True, "true", "TRUE", " Yes ", "y", "fraud"])
def test_each_spelling_of_fraud_is_a_fraud(spelling: Any) -> None:
    assert set(read_truths([truth(fraud=spelling)]).frauds) == {"e"}


@pytest.mark.parametrize("spelling", ["0", 0, False, "false", "False", "No", "n", "genuine"])
def test_each_spelling_of_genuine_is_no_fraud(spelling: Any) -> None:
    found = read_truths([truth(fraud=spelling)])
    assert (found.frauds, found.genuine, found.blank) == ({}, 1, 0)


@pytest.mark.parametrize("spelling", [None, "", "  "])
def test_a_blank_is_unknown_and_no_fraud(spelling: Any) -> None:
    found = read_truths([truth(fraud=spelling)])
    assert (found.frauds, found.genuine, found.blank) == ({}, 0, 1)


@pytest.mark.parametrize("spelling", ["2", 2, -1, "maybe", "1.0", 1.0, [1], {}, "nan", 10**30])
def test_any_other_spelling_is_an_error_with_its_line_and_not_its_text(spelling: Any) -> None:
    told = refusal(read_truths, [truth(fraud="1"), truth(event_id="f", fraud=spelling)])
    assert told.startswith("line 2: ")
    if isinstance(spelling, str) and len(spelling) > 2:
        assert spelling not in told


def test_the_truth_of_strings_has_three_frauds_and_two_that_are_none() -> None:
    with (CASES / "truth_strings.jsonl").open("rb") as lines:
        found = read_truths(lines)
    assert (len(found.frauds), found.genuine, found.blank) == (3, 2, 0)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "is empty"),
        ([truth(fraud=1, frawd=1)], "line 1: a field that is not known; known are event_id, fraud, typology"),
        ([b'{"fraud":1}'], "line 1: Object missing required field `event_id`"),
        ([b'{"event_id":"e"}'], "line 1: Object missing required field `fraud`"),
        ([truth(fraud=1), truth(fraud=0)], "line 2: an event that a line before calls fraud"),
        ([truth(fraud=1, known_at_ms=AT_MS // 1000)], "line 1: known_at_ms is in seconds"),
        ([b"\xff\xfe{\0"], "line 1: not UTF-8"),
        ([b'{"event_id":"\xff","fraud":1}'], "line 1: not UTF-8"),
    ],
)
def test_a_line_that_is_no_truth_is_named(lines: list[bytes], told: str) -> None:
    assert refusal(read_truths, lines).startswith(told)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "is empty"),
        ([line(AT_MS), line(AT_MS // 1000)], "line 2: at_ms is in seconds: milliseconds since 1970 are read"),
        ([line(AT_MS * 1000)], "line 1: at_ms is in microseconds"),
        ([line(AT_MS * 10**6)], "line 1: at_ms is in nanoseconds"),
        ([line(5)], "line 1: at_ms lies outside the years 2000 to 2100"),
        ([line(-1)], "line 1: at_ms lies outside the years 2000 to 2100"),
        ([line(AT_MS), line(AT_MS, "other")], "line 2: unknown topic"),
        ([line(AT_MS), line(AT_MS), line(AT_MS - 1)], "line 3: earlier than a line before it: sort the lines by at_ms"),
        ([line(AT_MS), line(AT_MS - 1, "fraud-reports")], "line 2: earlier than a line before it"),
    ],
)
def test_a_line_that_is_no_record_in_order_is_named_and_not_quoted(lines: list[bytes], told: str) -> None:
    found = refusal(lambda given: list(read_records(given)), lines)
    assert found.startswith(told)
    assert "other" not in found


def test_merchants_are_applied_at_their_place_in_the_input() -> None:
    lines = [line(AT_MS), line(AT_MS - 1, "merchants"), line(AT_MS)]
    assert [record.topic for record in read_records(lines)] == ["authorizations", "merchants", "authorizations"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[bytes], list[bytes]]:
    items = list(Simulator(CONFIG))
    return [event_line(item) for item in items], [truth_line(item.truth) for item in items if item.truth is not None]


@pytest.fixture
def train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run `sekisho train` on lines of events and of the truth."""
    leave_pictures_out(monkeypatch)

    def call(events: list[bytes], truths: list[bytes], *more: str) -> tuple[int, str, str]:
        (tmp_path / "events.jsonl").write_bytes(b"".join(events))
        (tmp_path / "truth.jsonl").write_bytes(b"".join(truths))
        files = ["--events", str(tmp_path / "events.jsonl"), "--truth", str(tmp_path / "truth.jsonl")]
        status = main([*files, "--out", str(tmp_path / "out"), "--trees", "3", "--name", "test", *more])
        return status, *capsys.readouterr()

    return call


def test_refused_events_are_counted_by_reason_on_the_screen_and_in_the_manifest(
    train: Callable[..., tuple[int, str, str]], recorded: tuple[list[bytes], list[bytes]], tmp_path: Path
) -> None:
    events, truths = recorded
    broken, ids, count = [], set(), 0
    for text in events:
        item = json.loads(text)
        if item["topic"] == "authorizations":
            count += 1
            if count % 20 == 0:
                item["value"]["amount"]["exponent"] = 3
                ids.add(item["value"]["event_id"])
        broken.append(json.dumps(item).encode() + b"\n")
    frauds = {item["event_id"] for item in map(json.loads, truths) if item["fraud"]}
    status, out, err = train(broken, truths)
    assert status == 0, err
    assert f"left out: {len(ids)} (WRONG_EXPONENT {len(ids)})" in out
    assert f"frauds of the truth that are none of these authorizations: {len(frauds & ids)}" in out
    assert f"{count - len(ids)} authorizations, {len(frauds - ids)} frauds" in out
    manifest = Manifest.decode((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest.training.left_out == {"WRONG_EXPONENT": len(ids)}
    assert f"WRONG_EXPONENT {len(ids)}" in manifest.data_card


def test_reasons_of_several_topics_are_counted_separately(recorded: tuple[list[bytes], list[bytes]]) -> None:
    records = [record for record in read_records(recorded[0]) if record.topic == "authorizations"][:3]
    other = [Record("fraud-reports", b"k", b"{}", AT_MS), Record("merchants", b"k", b"{}", AT_MS)]
    skipped = replay([*records, *other], {}).skipped
    assert Counter(reason.split()[0] for reason in skipped) == {"fraud-reports": 1, "merchants": 1}


def test_verdicts_in_strings_train_on_the_frauds_alone(
    train: Callable[..., tuple[int, str, str]], recorded: tuple[list[bytes], list[bytes]]
) -> None:
    events, truths = recorded
    items = [json.loads(text) for text in truths]
    spelt = [json.dumps({**item, "fraud": str(int(item["fraud"]))}).encode() + b"\n" for item in items]
    frauds = sum(item["fraud"] for item in items)
    status, out, err = train(events, spelt)
    assert status == 0, err
    assert f"truth: {frauds} frauds, {len(items) - frauds} genuine, 0 blank" in out
    assert f" authorizations, {frauds} frauds" in out


def test_frauds_without_a_date_are_known_after_the_delay_of_the_options_which_the_screen_shows(
    train: Callable[..., tuple[int, str, str]], recorded: tuple[list[bytes], list[bytes]]
) -> None:
    events = [text for text in recorded[0] if b'"topic":"fraud-reports"' not in text]
    frauds = [json.loads(text)["event_id"] for text in recorded[1] if json.loads(text)["fraud"]]
    undated = [truth(event_id=name, fraud=1) + b"\n" for name in frauds]
    status, out, err = train(events, undated, *DELAY, "0")
    told = out.splitlines()
    assert status == 0, err
    assert f"frauds without a time of report: {len(frauds)}, known 0 days later" in told
    assert [line.split(":")[0] for line in told if "known by its cut" in line] == ["train", "calibration", "test"]
    status, _, err = train(events, undated, *DELAY, "1")
    part = "of the calibration part: use more days; or say when frauds were known, or shorten the delay of labels"
    assert (status, part in err) == (1, True), "the second part of three days is shorter than a day"


def test_events_out_of_order_end_the_training_with_their_line(
    train: Callable[..., tuple[int, str, str]], recorded: tuple[list[bytes], list[bytes]]
) -> None:
    events, truths = recorded
    shops = [text for text in events if b'"topic":"merchants"' in text]
    rest = [text for text in events if b'"topic":"merchants"' not in text]
    half = len(rest) // 2
    status, _, err = train([*shops, *rest[half:], *rest[:half]], truths)
    at = len(shops) + len(rest) - half + 1
    assert (status, f"events.jsonl, line {at}: earlier than a line before it" in err) == (2, True)


def test_times_in_seconds_are_named_as_such(
    train: Callable[..., tuple[int, str, str]], recorded: tuple[list[bytes], list[bytes]]
) -> None:
    events = [json.loads(text) for text in recorded[0][:50]]
    seconds = [json.dumps({**item, "at_ms": item["at_ms"] // 1000}).encode() + b"\n" for item in events]
    status, _, err = train(seconds, recorded[1])
    assert (status, "events.jsonl, line 1: at_ms is in seconds" in err) == (2, True)


@pytest.mark.parametrize(
    ("keep", "told"),
    [
        (("events", 0), "events.jsonl: is empty"),
        (("truth", 0), "truth.jsonl: is empty"),
        (("events", 5), "events.jsonl: no authorization to learn from; left out: 0"),
    ],
)
def test_an_empty_input_is_an_error_that_says_so(
    train: Callable[..., tuple[int, str, str]], recorded: tuple[list[bytes], list[bytes]], keep: Any, told: str
) -> None:
    which, count = keep
    events, truths = recorded
    cut = {"events": (events[:count], truths), "truth": (events, truths[:count])}
    status, _, err = train(*cut[which])
    assert (status, told in err, "numpy" in err) == (2, True, False), err


def test_a_fraud_of_no_known_episode_is_one_of_its_own() -> None:
    config = SimulatorConfig(seed=4, days=1, events_per_day=500, cards=300, merchants=80)
    lines = [event_line(item) for item in Simulator(config)]
    ids = [json.loads(text)["value"]["event_id"] for text in lines if b'"topic":"authorizations"' in text][:200]
    truths = read_truths([truth(event_id=name, fraud=1) for name in ids]).frauds
    found = replay(read_records(io.BytesIO(b"".join(lines))), truths)
    assert len(set(found.episode[found.fraud])) == int(found.fraud.sum()) > 100
    assert set(found.typology[found.fraud]) == {"?"}
