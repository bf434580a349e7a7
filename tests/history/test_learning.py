"""A range of topics is learnt from and decided again as the records of one file are, by all inputs of a worker."""

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka.structs import TopicPartition

from models.backtest.decided.desk import Contender
from models.backtest.decided.run import Walk
from models.backtest.scored import scored
from models.training.history import NAMED_MAX, Run, processed
from models.training.records import Record
from scoring.compiled import ListFiles
from scoring.contract.codes import OutcomeClass
from scoring.lists import ListTable
from scoring.observer import Observed, Observer
from scoring.policy import policy_from
from streams.cli.train import TopicHistory
from streams.config.wiring import engine_settings
from streams.history.topics import Range
from tests.bundles import small_bundle
from tests.examples import sample
from tests.explain.worker import NAMES, PARTITIONS
from tests.history.stored import WORKER, Listed, Stored
from tests.state.logs import Crashed

DAY_MS = 86_400_000
PAYMENTS = 160


def report_on(value: bytes, received_ms: int, label: str = "FRAUD") -> bytes:
    event = orjson.loads(value)
    return orjson.dumps(
        {
            "label_id": f"l-{event['event_id']}-{label}",
            "event_id": event["event_id"],
            "acquirer_id": event["acquirer"]["id"],
            "merchant_id": event["merchant"]["id"],
            "pan_hmac": event["card"]["pan_hmac"],
            "label": label,
            "source": "TC40",
            "received_ts": datetime.fromtimestamp(received_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        }
    )


def events_of(records: list[Record]) -> dict[str, dict[str, Any]]:
    """Return each event that can be read, by id: what was sent first of it."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        if record.topic == "authorizations" and record.value not in {b"{", None}:
            event = orjson.loads(record.value or b"")
            found.setdefault(event["event_id"], event)
    return found


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Stored:
    """Give traffic with reports among the payments: of every fifth of the first half, at once, three hours later."""
    made = Stored(monkeypatch, PAYMENTS)
    payments = [record for record in made.sorted() if record.topic == "authorizations" and record.value != b"{"]
    last_ms = 0
    for record in payments[: PAYMENTS // 2 : 5]:
        assert record.value is not None
        last_ms = max(last_ms, record.at_ms + 3 * 3_600_000)
        made.write("fraud_reports", 1, record.key, report_on(record.value, last_ms - 60_000), last_ms)
    return made


def topics(stored: Stored) -> TopicHistory:
    return TopicHistory(WORKER, stored.open())


def run_of(directory: Path, history: TopicHistory | Listed, told: list[str] | None = None, every: int = 1 << 18) -> Run:
    lines = [] if told is None else told
    return processed(history, directory, history.settings, tell=lines.append, checkpoint_rows=every)


def one_by_one(records: list[Record]) -> tuple[bytes, bytes]:
    """Return the rows, and the verdicts of 3-D Secure, of records that an observer takes one at a time."""
    observer, rows, verdicts = Observer(engine_settings(WORKER)), list[bytes](), list[bytes]()
    for record in records:
        values, at_ms = [record.value or b""], [record.at_ms]
        match record.topic:
            case "merchants":
                observer.merchant([record.key], [record.value])
            case "fraud-reports":
                observer.report(values, at_ms)
            case "threeds-results":
                observer.results(values, at_ms)
            case "authorization-outcomes":
                observer.outcomes(values, at_ms)
            case _:
                live = observer.observe(values, at_ms)
                if len(live.decoded) and not live.passed_over[0]:
                    rows.append(live.matrix[0].tobytes())
                    verdicts.append(live.verdicts[0].tobytes())
    return b"".join(rows), b"".join(verdicts)


def test_the_rows_are_those_of_a_worker_that_takes_every_input_in_order(stored: Stored, tmp_path: Path) -> None:
    records = stored.sorted()
    assert {record.topic for record in records} == {*NAMES.inputs, "merchants"}
    wanted, verdicts = one_by_one(records)
    matrix = run_of(tmp_path, topics(stored)).samples(DAY_MS).matrix[:]
    assert matrix.tobytes() == wanted
    assert len(matrix) > 0.9 * PAYMENTS
    for topic in ("authorization-outcomes", "fraud-reports", "merchants"):
        fewer, _ = one_by_one([record for record in records if record.topic != topic])
        assert fewer != wanted, f"{topic}: the traffic shows nothing of it"
    _, fewer = one_by_one([record for record in records if record.topic != "threeds-results"])
    assert fewer != verdicts, "the traffic shows nothing of the results of 3-D Secure"


def test_a_range_and_a_file_of_its_records_give_the_same_samples_and_the_range_again(
    stored: Stored, tmp_path: Path
) -> None:
    history = topics(stored)
    of_file = run_of(tmp_path / "file", Listed([one._replace(place=None) for one in stored.sorted()])).samples(DAY_MS)
    for folder in ("one", "two"):
        found = run_of(tmp_path / folder, history).samples(DAY_MS)
        for name in ("event_ms", "amount_jpy", "card", "fraud", "known_ms"):
            assert getattr(found, name).tobytes() == getattr(of_file, name).tobytes(), name
        assert found.matrix[:].tobytes() == of_file.matrix[:].tobytes()
        assert (found.skipped, found.unmatched) == (of_file.skipped, 0)
    assert int(of_file.fraud.sum()) == PAYMENTS // 2 // 5


def test_a_label_is_known_since_it_was_received_and_not_since_it_was_read(stored: Stored, tmp_path: Path) -> None:
    records = stored.sorted()
    received = {
        orjson.loads(record.value or b"")["event_id"]: record.at_ms - 60_000
        for record in records
        if record.topic == "fraud-reports"
    }
    run = run_of(tmp_path, topics(stored))
    samples = run.samples(DAY_MS)
    names = run.particulars().event_ids(set(range(len(samples.fraud))))
    assert {names[row]: int(samples.known_ms[row]) for row in np.flatnonzero(samples.fraud).tolist()} == received


def test_a_report_from_the_future_labels_nothing_and_makes_nothing_old_enough(stored: Stored, tmp_path: Path) -> None:
    payment = next(one for one in reversed(stored.sorted()) if one.topic == "authorizations" and one.value != b"{")
    assert payment.value is not None
    before = run_of(tmp_path / "before", topics(stored)).samples(3_600_000)
    stored.write("fraud_reports", 0, b"k", report_on(payment.value, payment.at_ms + 90 * DAY_MS), payment.at_ms)
    found = run_of(tmp_path / "after", topics(stored)).samples(3_600_000)
    assert found.skipped == {**before.skipped, "fraud-reports early": 1}
    assert (found.fraud.tolist(), found.mature_ms) == (before.fraud.tolist(), before.mature_ms)


def test_what_cannot_be_decoded_is_counted_by_reason_and_named_by_its_place(stored: Stored, tmp_path: Path) -> None:
    broken = [one for one in stored.sorted() if one.value == b"{"]
    at_ms = stored.sorted()[-1].at_ms + 1
    stored.write("authorizations", 2, b"k", None, at_ms)
    for number, field in enumerate(("authorization_outcomes", "threeds_results", "fraud_reports"), start=1):
        stored.write(field, 1, b"k", b'{"secret": 1}', at_ms + number)
    stored.write("merchants", 0, b"k", b"[]", at_ms + 9)
    told: list[str] = []
    skipped = run_of(tmp_path, topics(stored), told).samples(DAY_MS).skipped
    refused = {reason: count for reason, count in skipped.items() if reason.split()[-1].isupper()}
    assert sum(refused.values()) == len(broken) + 5
    assert len({reason.split()[0] for reason in refused if " " in reason}) == 4
    ends = {name: len(stored.broker.logs[TopicPartition(name, 1)]) - 1 for name in NAMES.inputs}
    for name in ("authorization-outcomes", "threeds-results", "fraud-reports"):
        (line,) = [text for text in told if text.startswith(name)]
        assert line.startswith(f"{name}[1], offset {ends[name]}: "), line
        assert (line.endswith(": left out"), "secret" in line) == (True, False)
    assert any(text.startswith("merchants[0], offset ") for text in told)
    places = [text.split(":")[0] for text in told if text.startswith("authorizations[")]
    last = len(stored.broker.logs[TopicPartition("authorizations", 2)]) - 1
    wanted = [f"authorizations[{one.place[0]}], offset {one.place[1]}" for one in broken if one.place]
    assert places == [*wanted, f"authorizations[2], offset {last}"]


def test_many_refused_records_are_counted_and_the_first_are_named(stored: Stored, tmp_path: Path) -> None:
    at_ms = stored.sorted()[-1].at_ms
    for _ in range(NAMED_MAX):
        stored.write("authorizations", 0, b"k", b"{", at_ms)
    told: list[str] = []
    skipped = run_of(tmp_path, topics(stored), told).samples(DAY_MS).skipped
    named = [text for text in told if "left out" in text]
    assert len(named) == NAMED_MAX
    assert told.count("further refused records are only counted") == 1
    assert sum(count for reason, count in skipped.items() if reason.isupper()) > NAMED_MAX


def test_answers_of_a_topic_of_their_own_are_those_of_their_payments(stored: Stored, tmp_path: Path) -> None:
    records = stored.sorted()
    run = run_of(tmp_path, topics(stored))
    found = run.particulars()
    names = found.event_ids(set(range(len(found.outcome))))
    answers = {
        orjson.loads(record.value or b"")["event_id"]: orjson.loads(record.value or b"")["outcome"]["approved"]
        for record in records
        if record.topic == "authorization-outcomes"
    }
    rows = [row for row, name in names.items() if name in answers]
    assert len(rows) == len(answers) > 3
    for row in rows:
        assert (found.outcome[row] == OutcomeClass.APPROVED) == answers[names[row]]
        assert found.outcome[row] != OutcomeClass.UNKNOWN


def test_an_answer_counts_also_after_the_card_has_forgotten_its_payment(stored: Stored, tmp_path: Path) -> None:
    tp, log = next(
        (tp, log) for tp, log in stored.broker.logs.items() if tp.topic == NAMES.authorization_outcomes and log
    )
    answer = log[0]
    name = orjson.loads(answer.value or b"")["event_id"]
    asked = events_of(stored.sorted())[name]
    del log[0]
    at_ms = stored.sorted()[-1].at_ms
    for number in range(40):
        at_ms += 1_000
        moment = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        value = orjson.dumps(asked | {"event_id": f"x-{number}", "event_ts": moment})
        stored.write("authorizations", tp.partition, answer.key, value, at_ms)
    stored.write("authorization_outcomes", tp.partition, answer.key, answer.value, at_ms + 1_000)
    wanted = OutcomeClass.APPROVED if orjson.loads(answer.value or b"")["outcome"]["approved"] else None
    run = run_of(tmp_path, topics(stored))
    names = run.particulars().event_ids(set(range(run.matrix.rows)))
    (row,) = [row for row, event in names.items() if event == name]
    found = run.particulars().outcome[row]
    assert found != OutcomeClass.UNKNOWN
    assert (found == OutcomeClass.APPROVED) == (wanted is not None)


@pytest.mark.parametrize("share", sample([0.6, 0.95]))
def test_a_reading_that_is_cut_off_goes_on_over_the_same_range(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("streams.history.merged.STEP_MAX", 8)
    monkeypatch.setattr("streams.history.merged.CHUNK", 8)
    history, plenty = topics(stored), 100_000
    stored.broker.fuse = plenty
    whole = run_of(tmp_path / "whole", history).samples(DAY_MS)
    stored.broker.fuse = int(share * (plenty - stored.broker.fuse))
    with pytest.raises(Crashed):
        run_of(tmp_path / "parts", history, every=10)
    stored.broker.fuse = None
    told: list[str] = []
    again = run_of(tmp_path / "parts", topics(stored), told, every=10).samples(DAY_MS)
    assert any(line.startswith("resumed after ") for line in told)
    assert again.matrix[:].tobytes() == whole.matrix[:].tobytes()
    assert again.skipped == whole.skipped
    stored.write("authorizations", 0, b"k", b"{", stored.sorted()[-1].at_ms)
    told.clear()
    assert run_of(tmp_path / "parts", topics(stored), told, every=10).samples(DAY_MS).skipped != whole.skipped
    assert f"{tmp_path / 'parts'} has rows of another history, release or settings: they are computed anew" in told


@cache
def contender() -> Contender:
    off = {"review": 1000, "step_up": 1000, "block": 1000}
    document = {"version": "t", "global": off, "limits": [{"amount_jpy": 5_000, "band": "STEP_UP"}]}
    return Contender(policy_from(document), ListFiles(ListTable(), ""))


def walked(rows_of: Path, history: TopicHistory | Listed) -> tuple[tuple[bytes, bytes], list[Any]]:
    """Return model inputs and verdicts that a backtest sees when it decides a history again, and what it decides."""
    run = run_of(rows_of, history)
    rows = scored(run.samples(DAY_MS), run.particulars(), small_bundle(), since_ms=None)
    walk = Walk(small_bundle(), history.settings, rows, {"current": contender()})
    inputs, verdicts = list[bytes](), list[bytes]()

    def watch(observed: Observed) -> None:
        inputs.append(observed.matrix[~observed.passed_over].tobytes())
        verdicts.append(observed.verdicts[~observed.passed_over].tobytes())

    walk._observer.watch = watch
    decided = walk.go(history, lambda _: None)["current"].judged
    return (b"".join(inputs), b"".join(verdicts)), [decided.bands.tolist(), decided.alerts.tolist()]


def test_a_backtest_decides_a_range_as_it_was_learnt_from_and_as_a_file(stored: Stored, tmp_path: Path) -> None:
    seen, decided = walked(tmp_path / "range", topics(stored))
    assert seen == one_by_one(stored.sorted())
    listed = Listed([one._replace(place=None) for one in stored.sorted()])
    assert walked(tmp_path / "file", listed) == (seen, decided)
    assert len(Counter(decided[0])) > 1


def test_the_settings_are_those_of_the_worker(stored: Stored) -> None:
    history = topics(stored)
    assert history.settings == engine_settings(WORKER)
    assert history.settings.has_results
    assert (history.maturity_days, history.left_out) == (None, {})
    assert history.total == sum(len(stored.broker.logs[TopicPartition("authorizations", n)]) for n in range(PARTITIONS))
    assert isinstance(history._stored, Range)
