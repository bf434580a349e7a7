"""Digests: what they take, what they tell, and how partitions and workers add up."""

import json
from typing import Any

import orjson
import pytest

from scoring.contract.codes import Band
from scoring.decide.cases import flood
from scoring.decide.cases.digest import DigestDesk, Fired, Raised
from scoring.decide.cases.rows import CaseRows
from scoring.policy.policy import AlertRules, DigestRules
from scoring.profile.packed import Packed, RowFormatError

MINUTE = 60_000
START = 1_700_000_400_000  # begins a window of ten minutes
RULES = AlertRules(digest=DigestRules(alerts_max=2, window_minutes=10, quiet_minutes=15))


class Worker:
    """A desk with its rows. With two partitions it owns one of them."""

    def __init__(self, partitions: int = 1, own: int = 0, floods_max: int = 100) -> None:
        self.rows = CaseRows(100, floods_max)
        self.rows.own(own)
        self.desk = DigestDesk(RULES, self.rows, partitions)
        self._own = own
        self._number = own

    def fire(
        self,
        at_ms: int,
        band: int = Band.REVIEW,
        *,
        merchant: int = 7,
        reason: str = "R",
        yen: int = 100,
        is_published: bool = False,
    ) -> tuple[bool, list[dict[str, Any]]]:
        is_taken, raised = self.admit(at_ms, band, merchant, reason, yen, is_published=is_published)
        return is_taken, [shown(one) for one in raised]

    def admit(
        self,
        at_ms: int,
        band: int = Band.REVIEW,
        merchant: int = 7,
        reason: str = "R",
        yen: int = 100,
        *,
        is_published: bool = False,
    ) -> tuple[bool, list[Raised]]:
        self._number += 10
        name = f"e-{self._number}"
        base = {"acquirer_id": "a", "merchant_id": f"m-{merchant}", "event_id": name, "alert_id": "x"}
        fired = Fired(
            merchant=merchant,
            at_ms=START + at_ms,
            band=band,
            amount_jpy=yen,
            reason=reason,
            event_id=name,
            record=(b"key", orjson.dumps(base)),
            is_published=is_published,
        )
        return self.desk.admit(fired, self._own)

    def close(self, at_ms: int) -> list[dict[str, Any]]:
        return [shown(one) for one in self.desk.close(self._own, START + at_ms)]

    def flush(self) -> Packed:
        return self.rows.flush(self._own)


def shown(raised: Raised) -> dict[str, Any]:
    alert: dict[str, Any] = json.loads(raised.record[1])
    assert (alert["alert_id"], alert["digest"]["state"], alert["severity"]) == (
        raised.alert_id,
        raised.state,
        raised.severity,
    )
    assert raised.record[0].decode() == alert["dedup_key"]
    return alert


def test_alerts_beyond_the_limit_of_a_window_are_taken_and_critical_ones_never() -> None:
    worker = Worker()
    bands = [Band.BLOCK, Band.REVIEW, Band.BLOCK, Band.STEP_UP, Band.BLOCK, Band.REVIEW]
    assert [worker.fire(n, band)[0] for n, band in enumerate(bands)] == [False, False, False, True, False, True]
    assert not worker.fire(0, merchant=8)[0]
    (closed,) = worker.close(5 + 15 * MINUTE + 1)
    assert (closed["count"], closed["severity"], closed["band"]) == (2, "HIGH", "STEP_UP")


def test_the_limit_is_of_one_window_and_a_late_alert_counts_in_none() -> None:
    worker = Worker()
    assert [worker.fire(at)[0] for at in (9 * MINUTE, 10 * MINUTE - 1, 10 * MINUTE, 10 * MINUTE + 1)] == [False] * 4
    assert not worker.fire(0)[0]
    assert worker.fire(11 * MINUTE)[0]


def test_a_digest_tells_when_it_opens_has_ten_times_the_alerts_and_is_over() -> None:
    worker = Worker()
    for n in range(2):
        worker.fire(n)
    told = [worker.fire(10 + n, reason="QR"[n % 2], yen=n)[1] for n in range(100)]
    assert [n for n, alerts in enumerate(told) if alerts] == [0, 9, 99]
    opened, grown, most = (alerts[0] for alerts in told if alerts)
    assert [one["digest"]["state"] for one in (opened, grown, most)] == ["OPENED", "GREW", "GREW"]
    assert (grown["count"], grown["at_risk_jpy"], grown["amount_jpy"]) == (10, 45, None)
    assert (grown["first_seen_ms"], grown["last_seen_ms"]) == (START + 10, START + 19)
    assert worker.desk.due_ms(0) == START + 109 + 15 * MINUTE
    assert worker.close(109 + 15 * MINUTE) == []
    (closed,) = worker.close(110 + 15 * MINUTE)
    assert closed["digest"]["reasons"] == [{"id": "Q", "alerts": 50}, {"id": "R", "alerts": 50}]
    assert closed["digest"]["examples"] == [f"e-{30 + 10 * n}" for n in range(5)]
    assert len({one["alert_id"] for one in (opened, grown, most, closed)}) == 4
    assert len({one["digest"]["digest_id"] for one in (opened, grown, most, closed)}) == 1
    assert worker.desk.due_ms(0) is None
    assert not worker.fire(40 * MINUTE)[0], "its count begins anew"


def test_reasons_are_ranked_and_limited() -> None:
    worker = Worker()
    for n in range(2):
        worker.fire(n)
    for n in range(30):
        worker.fire(10 + n, reason=f"R{n:02}")
    for n, times in ((3, 4), (9, 3), (1, 2), (20, 9)):
        for _ in range(times):
            worker.fire(50, reason=f"R{n:02}")
    (closed,) = worker.close(20 * MINUTE)
    assert [(one["id"], one["alerts"]) for one in closed["digest"]["reasons"]] == [
        ("R03", 5),
        ("R09", 4),
        ("R01", 3),
        ("R00", 1),
        ("R02", 1),
    ]
    assert closed["count"] == 48


def test_two_workers_count_one_window_and_the_one_that_opened_tells_of_both() -> None:
    one, other = Worker(2, 0), Worker(2, 1)
    assert [one.fire(n)[0] for n in range(2)] == [False, False]
    other.rows.restore(0, one.flush())
    assert other.fire(5)[0], "the third of the window opens the digest in partition 1"
    one.rows.restore(1, other.flush())
    for n in range(8):
        assert one.fire(10 + n) == (True, []), "partition 1 leads"
    other.rows.restore(0, one.flush())
    assert (one.rows.led_floods, other.rows.led_floods) == (0, 1)
    is_taken, (grown,) = other.fire(30)
    assert (is_taken, grown["count"], grown["first_seen_ms"], grown["at_risk_jpy"]) == (True, 10, START + 5, 1_000)
    one.rows.restore(1, other.flush())
    assert one.close(30 + 15 * MINUTE + 1) == []
    (closed,) = other.close(30 + 15 * MINUTE + 1)
    assert (closed["count"], closed["last_seen_ms"]) == (10, START + 30)
    assert one.close(30 + 30 * MINUTE + 1) == []
    assert len(one.rows.floods) == 2, "as far as it knows the digest is open"
    one.rows.restore(1, other.flush())
    assert one.close(30 + 30 * MINUTE + 1) == []
    assert len(one.rows.floods) == 0


def test_two_openings_at_once_have_one_id_and_are_added_up() -> None:
    one, other = Worker(2, 0), Worker(2, 1)
    opened = []
    for worker in (one, other):
        for n in range(3):
            opened += worker.fire(n + worker._own)[1]
    assert len({alert["alert_id"] for alert in opened}) == 1
    logs = one.flush(), other.flush()
    one.rows.restore(1, logs[1])
    other.rows.restore(0, logs[0])
    assert other.fire(9) == (True, [])
    one.rows.restore(1, other.flush())
    assert other.close(16 * MINUTE) == []
    (closed,) = one.close(16 * MINUTE)
    assert (closed["count"], closed["first_seen_ms"]) == (3, START + 2)


@pytest.mark.parametrize("is_open", [False, True])
def test_a_row_is_read_as_it_was_written(is_open: bool) -> None:
    worker = Worker()
    for n in range(4 if is_open else 2):
        worker.fire(n)
    (written,) = worker.rows.floods.of(7).values()
    value = flood.pack(written)
    assert len(value) % 4 == 0
    assert flood.unpack(value) == written
    for damaged in (value[:-4], value + bytes(4), bytes(4) + value[4:], value[:7] + b"\x08" + value[8:]):
        assert flood.unpack(damaged) is None


@pytest.mark.parametrize("text", [b"[1]", b'[[],["e"],{}]', b"[{},{},{}]", b"[{},[],[]]", b"{"])
def test_damaged_texts_are_refused_with_the_number_of_the_row(text: bytes) -> None:
    worker = Worker()
    for n in range(3):
        worker.fire(n)
    value = bytearray(flood.pack(next(iter(worker.rows.floods.of(7).values()))))
    value[64:68] = len(text).to_bytes(4, "little")
    value = value[:68] + text + bytes(-len(text) % 4)
    assert flood.unpack(bytes(value)) is None
    packed = worker.flush()
    packed.values[17] ^= 0xFF
    with pytest.raises(RowFormatError, match=r"^row 0 of CASE is damaged$"):
        Worker().rows.restore(0, packed)


def test_the_merchant_that_was_idle_longest_is_dropped_first() -> None:
    worker = Worker(floods_max=2)
    for merchant in (1, 2, 1, 3):
        worker.fire(0, merchant=merchant)
    assert worker.rows.floods.keys_of(0) == [1, 3]
    packed = worker.flush()
    again = Worker(floods_max=2)
    again.rows.restore(0, packed)
    assert again.rows.floods.keys_of(0) == [1, 3]
    assert again.fire(1, merchant=1)[0], "the third of its window"


def test_a_digest_takes_an_alert_at_the_end_of_the_quiet_time_and_none_behind_it() -> None:
    for at, is_taken in ((2 + 15 * MINUTE, True), (3 + 15 * MINUTE, False)):
        worker = Worker()
        assert [worker.fire(n)[0] for n in range(3)] == [False, False, True]
        assert worker.fire(at)[0] == is_taken


def test_a_digest_that_ended_is_gone_after_a_restart() -> None:
    worker, again = Worker(), Worker()
    for n in range(3):
        worker.fire(n)
    again.rows.restore(0, worker.flush())
    assert again.desk.due_ms(0) == START + 2 + 15 * MINUTE
    worker.close(16 * MINUTE)
    again.rows.restore(0, worker.flush())
    assert again.desk.due_ms(0) is None
    assert not again.rows.floods.of(7)


def test_a_part_that_does_not_lead_stays_until_the_leader_has_added_it_up() -> None:
    """The leader's partition may have no payment for hours, while the other has many."""
    one, other = Worker(2, 0), Worker(2, 1)
    for n in range(3):
        one.fire(n)
    other.rows.restore(0, one.flush())
    assert other.fire(5) == (True, [])
    assert other.close(5 + 15 * MINUTE + 1) == []
    assert other.close(5 + 20 * 60 * MINUTE) == []
    assert other.desk.due_ms(1) == START + 5 + 24 * 60 * MINUTE
    one.rows.restore(1, other.flush())
    (closed,) = one.close(5 + 15 * MINUTE + 1)
    assert closed["count"] == 2
    other.rows.restore(0, one.flush())
    assert other.desk.due_ms(1) == START + 5 + 30 * MINUTE
    other.close(5 + 30 * MINUTE)
    assert other.rows.floods.keys_of(1) == [7]
    other.close(5 + 30 * MINUTE + 1)
    assert other.rows.floods.keys_of(1) == []


def test_a_part_whose_leader_never_ends_its_digest_goes_after_a_day() -> None:
    one, other = Worker(2, 0), Worker(2, 1)
    for n in range(3):
        one.fire(n)
    other.rows.restore(0, one.flush())
    other.fire(5)
    other.close(5 + 24 * 60 * MINUTE)
    assert other.rows.floods.keys_of(1) == [7]
    other.close(5 + 24 * 60 * MINUTE + 1)
    assert other.rows.floods.keys_of(1) == []


def test_no_digest_takes_an_alert_that_was_published_singly_before_a_takeover() -> None:
    """The successor knows more of other partitions than its predecessor did, so its limit is reached earlier."""
    worker = Worker()
    assert [worker.fire(n, is_published=n == 3)[0] for n in range(6)] == [False, False, True, False, True, True]
    (closed,) = worker.close(5 + 15 * MINUTE + 1)
    assert (closed["count"], closed["digest"]["examples"]) == (3, ["e-30", "e-50", "e-60"])


def test_an_alert_of_a_digest_that_was_published_is_not_new_however_it_is_known() -> None:
    worker = Worker()
    raised = [one for n in range(3) for one in worker.admit(n)[1]]
    (opened,) = raised
    scanned, started, neither = Worker(), Worker(), Worker()
    scanned.desk.absorb(frozenset({opened.alert_id}))
    scanned.desk.absorb(frozenset())
    assert started.desk.restore(opened.record[1])
    for other in (b"{}", b'{"digest":{}}', b'{"digest":1,"alert_id":"x"}', b"no json"):
        assert not neither.desk.restore(other)
    assert [one.desk.is_new(opened) for one in (scanned, started, neither)] == [False, False, True]
