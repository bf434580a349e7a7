"""Outcomes of a topic of their own answer payments as answers among the payments do."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from scoring.compliance.inputs import answers as module
from scoring.compliance.inputs.answers import Answers
from scoring.compliance.inputs.sums import TooManyError
from scoring.compliance.report import Report
from scoring.decode import DecodeLimits, decode_outcomes
from tests.compliance.history import END, TOKYO, History, ms, stamp
from tests.compliance.made import report, report_of, told
from tests.events import event
from tests.examples import sample

DAY_MS = 86_400_000
AT = datetime(2026, 10, 3, 12, tzinfo=TOKYO)


def outcome_of(told: dict[str, Any], **changes: Any) -> bytes:
    kept = {name: told[name] for name in ("event_id", "event_ts", "acquirer", "merchant", "card", "amount")}
    said = {name: value for name, value in told["outcome"].items() if name != "phase"}
    return orjson.dumps(kept | {"outcome": said} | changes)


HOURS_20 = 20 * 3_600_000


def split(whole: History) -> History:
    """Put the answers of purchases and account verifications on a topic of their own, up to 20 hours away."""
    made = History(reports=whole.reports, merchants=whole.merchants, plain=whole.plain, labels=whole.labels)
    for at_ms, value in whole.events:
        told = orjson.loads(value)
        is_answer = told.get("outcome", {}).get("phase") == "POST_AUTH"
        if is_answer and told["txn"]["type"] in ("purchase", "account_verification"):
            made.events.append((at_ms, orjson.dumps(told | {"outcome": {"phase": "PRE_AUTH"}})))
            off_ms = (700, HOURS_20, -HOURS_20)[len(made.outcomes) % 3]
            made.outcomes.append((at_ms + (off_ms if at_ms + off_ms < ms(END) else 700), outcome_of(told)))
        else:
            made.events.append((at_ms, value))
    made.outcomes.sort(key=lambda row: row[0])
    return made


def test_answers_on_a_topic_of_their_own_give_the_same_report() -> None:
    apart = split(told())
    assert len(apart.outcomes) > 4_000
    for size in sample((700, 1_111)):
        found = report_of(apart, size)
        for name in Report.__struct_fields__:
            if name != "head":
                assert getattr(found, name) == getattr(report(), name), name
        payments, *_, outcomes = found.head.inputs
        assert (outcomes.name, outcomes.read) == ("authorization-outcomes", len(apart.outcomes))
        assert payments.counts["answers"] == report().head.inputs[0].counts["answers"]
        assert 4_000 < payments.counts["joined"] < payments.counts["answers"]
    assert report().head.inputs[0].counts["joined"] == 0
    assert [one.name for one in report().head.inputs] == ["authorizations", "fraud-reports", "merchants"]


def request(**changes: Any) -> dict[str, Any]:
    return event(event_id="e-1", event_ts=stamp(AT), outcome={"phase": "PRE_AUTH"}) | changes


def sales(*outcomes: tuple[int, bytes], asked: dict[str, Any] | None = None, at_ms: int = ms(AT)) -> tuple[int, int]:
    """Sales of Visa in the month, and the answers that came from the topic."""
    made = History(events=[(at_ms, orjson.dumps(asked or request()))], outcomes=sorted(outcomes))
    found = report_of(made)
    return found.vamp[1].ratio.of, found.head.inputs[0].counts["joined"]


APPROVED = event(event_id="e-1", event_ts=stamp(AT), outcome={"approved": True, "response_code": "00"})
DECLINED = event(event_id="e-1", event_ts=stamp(AT), outcome={"approved": False, "response_code": "51"})


@pytest.mark.parametrize(
    ("off_ms", "counts"),
    [(0, True), (900, True), (DAY_MS, True), (DAY_MS + 1, False), (-DAY_MS, True), (-DAY_MS - 1, False)],
)
def test_an_outcome_counts_within_a_day_of_its_request(off_ms: int, counts: bool) -> None:
    assert sales((ms(AT) + off_ms, outcome_of(APPROVED))) == (int(counts), int(counts))


def test_the_earliest_outcome_counts_and_each_payment_once() -> None:
    assert sales((ms(AT) + 1, outcome_of(APPROVED)), (ms(AT) + 2, outcome_of(DECLINED))) == (1, 1)
    assert sales((ms(AT) + 1, outcome_of(DECLINED)), (ms(AT) + 2, outcome_of(APPROVED))) == (0, 1)
    assert sales((ms(AT) + 1, outcome_of(APPROVED)), asked=APPROVED) == (1, 0)
    other = outcome_of(APPROVED, acquirer={"id": "acq-2"})
    silent = outcome_of(APPROVED, outcome={})
    assert sales((ms(AT) + 1, other), (ms(AT) + 1, silent), (ms(AT) + 1, b"{}")) == (0, 0)
    refund = request(txn={"type": "refund", "channel": "ecom", "initiator": "CIT"})
    assert sales((ms(AT) + 1, outcome_of(APPROVED)), asked=refund) == (0, 0)


@pytest.mark.parametrize(("late_ms", "counts"), [(3_599_999, True), (3_600_000, False)])
def test_an_outcome_that_was_not_known_an_hour_after_the_day_does_not_count(late_ms: int, counts: bool) -> None:
    at = END - timedelta(minutes=1)
    asked = request(event_ts=stamp(at))
    assert sales((ms(END) + late_ms, outcome_of(APPROVED)), asked=asked, at_ms=ms(at)) == (int(counts), int(counts))


def test_what_was_read_of_outcomes_is_accounted_for() -> None:
    values = [outcome_of(APPROVED), outcome_of(APPROVED, acquirer={"id": "acq-2"}), outcome_of(APPROVED, outcome={})]
    made = History(events=[(ms(AT), orjson.dumps(request()))], outcomes=[(ms(AT), value) for value in (*values, b"{}")])
    *_, found = report_of(made).head.inputs
    assert (found.read, found.counts) == (4, {"refused": 1, "others": 1, "silent": 1})


@pytest.mark.parametrize("seed", range(3))
def test_requests_find_their_outcomes_whatever_was_forgotten(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - a reproducible course
    kept = Answers("acq-1")
    told: list[tuple[int, int, bool]] = []
    for day in range(6):
        batch = [
            (random.randrange(40), int((day + random.random()) * DAY_MS), random.random() < 0.5) for _ in range(60)
        ]
        told += batch
        values = [
            outcome_of(APPROVED if is_approved else DECLINED, event_id=f"e-{number}")
            for number, _, is_approved in batch
        ]
        decoded = decode_outcomes(values, DecodeLimits())
        kept.take(decoded, np.array([at_ms for _, at_ms, _ in batch], dtype=np.int64))
        ids = dict(zip((number for number, *_ in batch), decoded.hashes[:, 0].tolist(), strict=True))
        asked = [(number, int((day - 1 + random.random()) * DAY_MS)) for number in ids for _ in range(3)]
        before_ms = int((day + random.random()) * DAY_MS)
        found = kept.of(
            np.array([ids[number] for number, _ in asked], dtype=np.uint64),
            np.array([at_ms for _, at_ms in asked], dtype=np.int64),
            before_ms,
        )
        for (number, at_ms), outcome in zip(asked, found.tolist(), strict=True):
            near = sorted(
                (when, not said) for name, when, said in told if name == number and abs(when - at_ms) <= DAY_MS
            )
            expected = (2 if near[0][1] else 1) if near and near[0][0] < before_ms else 0
            assert {0: 0, 1: 1, 4: 2}[outcome] == expected, (number, at_ms)
        kept.forget((day - 1) * DAY_MS)
    assert len(kept._rows) < len(told)


def test_more_outcomes_than_the_limit_end_the_report_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.OUTCOMES_MAX > 1_000_000
    decoded = decode_outcomes([outcome_of(APPROVED), outcome_of(DECLINED)], DecodeLimits())
    times = np.array([1, 2], dtype=np.int64)
    Answers("acq-1", 2).take(decoded, times)
    with pytest.raises(TooManyError, match="more than 1 outcomes of this acquirer"):
        Answers("acq-1", 1).take(decoded, times)
