"""Records return to their partition once each if a worker would accept them, and every letter has a result."""

import asyncio
import json
from io import BytesIO
from typing import Any

import orjson
import pytest

from scoring.contract.dead_letter import Reject
from scoring.decode import DecodeLimits, encode_dead_letter
from streams.dlq.judge import Judge
from streams.dlq.letters import DlqError, Filter
from streams.dlq.mended import Mended
from streams.dlq.redrive import Account, Request, redrive
from streams.dlq.report import describe, remarks
from streams.kafka.settings import Topics
from streams.records.batches import Refused
from tests.dlq.fakes import RECEIVED_MS, FakeReader, FakeSends
from tests.events import encoded, event, outcome_of, token

TOPICS = ("authorizations", "authorization-outcomes", "fraud-reports")
KEY = token("card-1").encode()
REPORT = {
    "label_id": "l-1",
    "event_id": "e-1",
    "acquirer_id": "acq-1",
    "merchant_id": "m-1",
    "pan_hmac": token("card-1"),
    "label": "FRAUD",
    "source": "TC40",
    "received_ts": "2026-05-01T03:00:00Z",
}


def run(reader: FakeReader, sends: FakeSends | None = None, **changes: Any) -> Account:
    limits = changes.pop("limits", DecodeLimits())
    fields = {"chosen": Filter(), "limit": 100, **changes}
    request = Request(letters_topic="dead-letters", topics=TOPICS, judge=Judge(Topics(), limits), sends=sends, **fields)
    account = asyncio.run(redrive(reader, request, lambda _: None))  # type: ignore[arg-type]  # what is used of it
    text = "\n".join([describe(account), *remarks(account)])
    assert token("card-1") not in text
    assert "acq-1" not in text
    return account


def figures(account: Account) -> dict[str, int]:
    names = ("chosen", "sent", "refused", "redriven", "gone", "failed", "untried")
    return {name: account.total(name) for name in names if account.total(name)}


@pytest.fixture
def reader() -> FakeReader:
    """Authorizations on two partitions: good ones that were refused once, a bad one, and one that no longer exists."""
    made = FakeReader()
    made.put("authorizations", 0, b"gone")
    made.put("authorizations", 0, encoded(event_id="e-1"), KEY, headers=(("trace", b"t-1"),))
    made.put("authorizations", 0, encoded(event_id="e-without-letter"), KEY)
    made.put("authorizations", 0, b"{", KEY)
    made.put("authorizations", 1, encoded(event_id="e-2"), None, timestamp=-1)
    made.begins["authorizations", 0] = 1
    for partition, offset in ((0, 0), (0, 1), (0, 3), (1, 0)):
        made.add_letter("authorizations", partition, offset, "OVERSIZE")
    return made


def mended(*lines: dict[str, Any]) -> Mended:
    return Mended("m.jsonl", BytesIO(b"\n".join(orjson.dumps(line) for line in lines)), TOPICS, 100)


def line(offset: int, value: object, partition: int = 0, topic: str = "authorizations") -> dict[str, Any]:
    return {"topic": topic, "partition": partition, "offset": offset, "value": value}


def test_without_yes_nothing_is_sent_and_a_preview_is_shown(reader: FakeReader) -> None:
    before = {at: list(part) for at, part in reader.parts.items()}
    account = run(reader)
    assert reader.parts == before
    assert describe(account).splitlines() == [
        "topic           partition  letters  to send  refused  redriven  gone",
        "authorizations          0        3        1        1         0     1",
        "authorizations          1        1        1        0         0     0",
        "",
        "still refused:",
        "topic           reason          path  letters",
        "authorizations  MALFORMED_JSON  $           1",
        "",
        "2 to send, 1 still refused, 0 already redriven, 1 gone by retention; nothing was sent: add --yes to send",
    ]


def test_acceptable_records_return_with_key_time_headers_and_coordinates(reader: FakeReader) -> None:
    sends = FakeSends(reader)
    account = run(reader, sends)
    assert figures(account) == {"chosen": 4, "sent": 2, "refused": 1, "gone": 1}
    first, second = sends.sent
    assert (first.topic, first.partition, first.key, first.timestamp_ms) == ("authorizations", 0, KEY, 1_001)
    assert first.value == encoded(event_id="e-1")
    assert first.headers == (
        ("trace", b"t-1"),
        ("sekisho-redrive-topic", b"authorizations"),
        ("sekisho-redrive-partition", b"0"),
        ("sekisho-redrive-offset", b"1"),
    )
    assert (second.partition, second.key, second.timestamp_ms) == (1, None, None)
    assert describe(account).endswith("2 sent, 1 still refused, 0 already redriven, 1 gone by retention")


def test_nothing_is_sent_twice_by_default(reader: FakeReader) -> None:
    run(reader, FakeSends(reader))
    again = FakeSends(reader)
    account = run(reader, again)
    assert again.sent == []
    assert figures(account) == {"chosen": 4, "refused": 1, "redriven": 2, "gone": 1}
    assert reader.scanned[-1] == {("authorizations", 0): 1, ("authorizations", 1): 0}
    run(reader, again, again=True)
    assert len(again.sent) == 2


def test_a_copy_that_is_refused_in_its_turn_can_be_redriven_itself(reader: FakeReader) -> None:
    run(reader, FakeSends(reader))
    reader.add_letter("authorizations", 1, 1, "OVERSIZE")
    sends = FakeSends(reader)
    run(reader, sends, chosen=Filter(partitions=frozenset({1})))
    assert [dict(one.headers)["sekisho-redrive-offset"] for one in sends.sent] == [b"1"]
    assert len(sends.sent[0].headers) == 3


def test_headers_of_another_partition_or_of_nonsense_prove_nothing(reader: FakeReader) -> None:
    names = ("sekisho-redrive-topic", "sekisho-redrive-partition", "sekisho-redrive-offset")
    for values in ((b"authorizations", b"0", b"0"), (b"authorizations", b"1", b"x"), (b"\xff", b"1", b"0")):
        reader.put("authorizations", 1, b"", headers=tuple(zip(names, values, strict=True)))
    reader.put("authorizations", 1, b"", headers=((names[0], b"authorizations"),))
    assert figures(run(reader, chosen=Filter(partitions=frozenset({1})))) == {"chosen": 1, "sent": 1}


def test_only_matching_letters_are_redriven(reader: FakeReader) -> None:
    assert figures(run(reader, chosen=Filter(partitions=frozenset({1})))) == {"chosen": 1, "sent": 1}
    assert describe(run(reader, chosen=Filter(reasons=frozenset({"EMPTY"})))) == "no dead letter to redrive"
    with pytest.raises(DlqError, match="more than 3 dead letters match"):
        run(reader, limit=3)


def test_todays_configuration_decides(reader: FakeReader) -> None:
    assert run(reader, limits=DecodeLimits(bytes_max=10)).refusals == {
        ("authorizations", "OVERSIZE", "$"): 2,
        ("authorizations", "MALFORMED_JSON", "$"): 1,
    }


def test_a_result_of_3d_secure_is_judged_as_a_worker_judges_it() -> None:
    result = {"server_trans_id": "s-1", "result_ts": "2026-05-01T03:00:00Z", "trans_status": "Y"}
    result |= {name: REPORT[name] for name in ("acquirer_id", "merchant_id", "pan_hmac")}
    values = [orjson.dumps(result), orjson.dumps(result | {"trans_status": ""}), b"{"]
    judge = Judge(Topics(threeds_results="r"), DecodeLimits())
    good, *bad = judge.verdicts("r", values)
    assert good == token("card-1").encode()
    assert [type(verdict) for verdict in bad] == [Reject, Reject]


def test_fraud_reports_go_back_too_and_merchants_do_not() -> None:
    reader = FakeReader()
    reader.put("fraud-reports", 0, orjson.dumps(REPORT), KEY)
    reader.put("fraud-reports", 0, orjson.dumps({**REPORT, "label": "?"}), KEY)
    reader.put("merchants", 0, b"{}")
    reader.put("dead-letters", 0, b"nonsense")
    for topic, offset in (("fraud-reports", 0), ("fraud-reports", 1), ("merchants", 0)):
        reader.add_letter(topic, 0, offset)
    sends = FakeSends(reader)
    account = run(reader, sends)
    assert [one.value for one in sends.sent] == [orjson.dumps(REPORT)]
    assert figures(account) == {"chosen": 2, "sent": 1, "refused": 1}
    assert remarks(account) == [
        "not redriven: 1 of merchants, because only authorizations, outcomes and fraud reports are redriven",
        "skipped: 1 records on the dead-letters topic that are no dead letters",
    ]


def test_outcomes_go_back_if_they_are_taken_by_now() -> None:
    reader = FakeReader()
    reader.put("authorization-outcomes", 0, outcome_of(encoded()), KEY)
    reader.put("authorization-outcomes", 0, encoded(), KEY)
    for offset in (0, 1):
        reader.add_letter("authorization-outcomes", 0, offset)
    sends = FakeSends(reader)
    account = run(reader, sends)
    assert [(one.topic, one.value) for one in sends.sent] == [("authorization-outcomes", outcome_of(encoded()))]
    assert figures(account) == {"chosen": 2, "sent": 1, "refused": 1}
    assert account.refusals == {("authorization-outcomes", "INVALID_VALUE", "$.schema_version"): 1}


def test_another_record_at_the_same_offset_is_not_redriven() -> None:
    reader = FakeReader()
    reader.put("authorizations", 0, encoded(), KEY)
    reader.add_letter("authorizations", 0, 0)
    reader.parts["authorizations", 0] = []
    reader.put("authorizations", 0, encoded(event_id="e-decided"), KEY)
    assert figures(run(reader)) == {"chosen": 1, "gone": 1}


def test_a_failed_send_stops_the_run_and_says_how_to_continue(reader: FakeReader) -> None:
    account = run(reader, FakeSends(reader, errors=["NotEnoughReplicasError"]))
    assert figures(account) == {"chosen": 4, "gone": 1, "failed": 1, "untried": 2}
    assert "1 failed, 2 not tried" in describe(account)
    assert remarks(account) == [
        "not acknowledged: 1 (NotEnoughReplicasError); run the same command again: sent records are not sent twice"
    ]


def test_a_topic_that_dates_its_records_itself_is_named(reader: FakeReader) -> None:
    reader.parts["authorizations", 1][0] = reader.parts["authorizations", 1][0]._replace(timestamp_type=1)
    (remark,) = remarks(run(reader, FakeSends(reader)))
    assert remark.startswith("authorizations sets timestamps on arrival (LogAppendTime)")


def test_a_mended_event_takes_the_place_of_the_broken_one(reader: FakeReader) -> None:
    sends = FakeSends(reader)
    account = run(reader, sends, mended=mended(line(3, event(event_id="e-3"))))
    (one,) = sends.sent
    assert json.loads(one.value)["event_id"] == "e-3"
    assert (one.partition, one.key, one.timestamp_ms) == (0, KEY, 1_003)
    assert dict(one.headers)["sekisho-redrive-offset"] == b"3"
    assert figures(account) == {"chosen": 1, "sent": 1}
    assert figures(run(reader, sends, mended=mended(line(3, event(event_id="e-3"))))) == {"chosen": 1, "redriven": 1}


def test_a_mended_report_is_checked_by_its_own_token() -> None:
    reader = FakeReader()
    for key in (KEY, b"other"):
        reader.put("fraud-reports", 0, b"{", key)
    reader.add_letter("fraud-reports", 0, 0)
    reader.add_letter("fraud-reports", 0, 1)
    lines = [line(offset, REPORT, topic="fraud-reports") for offset in (0, 1)]
    account = run(reader, FakeSends(reader), mended=mended(*lines))
    assert figures(account) == {"chosen": 2, "sent": 1, "refused": 1}


def test_a_mended_line_that_cannot_be_sent_is_named_with_the_reason(reader: FakeReader) -> None:
    other = event(card={"pan_hmac": token("card-2")})
    lines = [line(3, other), line(1, {**event(), "amount": {"minor": -1}}), line(0, event(), partition=1), line(2, {})]
    account = run(reader, FakeSends(reader), mended=mended(*lines, line(0, event())))
    assert figures(account) == {"chosen": 4, "refused": 3, "gone": 1}
    assert sorted(account.faults) == [
        "m.jsonl:1: authorizations/0/3: its card token is not the key of the original, and a card's events stay on one "
        "partition: mend the token, or have its producer send the event",
        "m.jsonl:2: authorizations/0/1: still refused: OUT_OF_RANGE at $.amount.minor",
        "m.jsonl:3: authorizations/1/0: the original has no key, so its partition may not be that of its card: "
        "have its producer send the mended event",
        "m.jsonl:4: authorizations/0/2: no such dead letter; `sekisho dlq list --each` shows them",
    ]
    assert remarks(account) == account.faults


@pytest.fixture
def bombed() -> FakeReader:
    """Four records, three of them in one batch that was refused: a good one, a bad one, one of another card."""
    made = FakeReader()
    stored = (4_000, 9_000)
    for value, key in ((encoded(event_id="e-1"), KEY), (b"{", KEY), (encoded(event_id="e-3"), None)):
        made.put("authorizations", 0, value, key, stored=stored)
    made.put("authorizations", 0, encoded(event_id="e-4"), KEY)
    for offset in range(3):
        reject = Reject(reason="OVERSIZE_BATCH", path="$")
        key, letter = encode_dead_letter(reject, "authorizations", 0, offset, *stored, RECEIVED_MS)
        made.put("dead-letters", 0, letter, key)
    return made


REFUSED = Refused(reason="OVERSIZE_BATCH", first=0, end=3, size=4_000, last_ms=9_000, is_whole=True)


def test_records_in_a_batch_that_is_still_too_large_are_refused_with_the_way_out(bombed: FakeReader) -> None:
    bombed.refusals["authorizations", 0] = [REFUSED]
    account = run(bombed, FakeSends(bombed))
    assert figures(account) == {"chosen": 3, "refused": 3}
    assert dict(account.refusals) == {("authorizations", "OVERSIZE_BATCH", "$"): 3}
    assert remarks(account) == [
        "3 are in batches larger than consume.record_batch_max_bytes unpacked: if they are valid, raise it, "
        "for the workers too, and run the same command again"
    ]
    account = run(bombed, FakeSends(bombed), mended=mended(line(1, event(event_id="e-2"))))
    assert figures(account) == {"chosen": 1, "refused": 1}
    assert account.faults == [
        "m.jsonl:1: authorizations/0/1: still refused: OVERSIZE_BATCH: "
        "its batch cannot be read, so its key is not known"
    ]


def test_once_the_limit_is_raised_each_record_of_the_batch_is_judged_by_itself(bombed: FakeReader) -> None:
    sends = FakeSends(bombed)
    assert figures(run(bombed, sends)) == {"chosen": 3, "sent": 2, "refused": 1}
    assert [one.value for one in sends.sent] == [encoded(event_id="e-1"), encoded(event_id="e-3")]
    account = run(bombed, sends, mended=mended(line(1, event(event_id="e-2"))))
    assert figures(account) == {"chosen": 1, "sent": 1}


def test_records_of_another_batch_at_the_same_offsets_are_not_redriven(bombed: FakeReader) -> None:
    part = bombed.parts["authorizations", 0]
    part[:] = [found._replace(stored=(4_001, 9_000)) for found in part]
    assert figures(run(bombed)) == {"chosen": 3, "gone": 3}


def test_a_mended_line_inside_a_range_is_found(bombed: FakeReader) -> None:
    reject = Reject(reason="OVERSIZE_BATCH", path="$")
    key, letter = encode_dead_letter(reject, "authorizations", 0, 0, 4_000, 9_000, RECEIVED_MS, last_offset=2)
    bombed.parts["dead-letters", 0] = []
    bombed.put("dead-letters", 0, letter, key)
    account = run(bombed, FakeSends(bombed), mended=mended(line(1, event(event_id="e-2")), line(3, event())))
    assert figures(account) == {"chosen": 1, "sent": 1}
    assert len(account.faults) == 1
    assert "no such dead letter" in account.faults[0]
