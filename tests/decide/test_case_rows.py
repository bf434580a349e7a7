"""Rows of cases: what they hold, which is dropped first, and that a desk that reads them goes on as before."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from scoring.contract.codes import Band
from scoring.decide.alerts import Case, Subject
from scoring.decide.cases.desk import AlertDesk
from scoring.decide.cases.part import Part, pack, unpack
from scoring.policy.policy import AlertRules
from scoring.profile.packed import CASE, NO_ROWS, Packed, RowFormatError, joined

MINUTE = 60_000
DAY = 1_440 * MINUTE
RULES = AlertRules(dedup_minutes=15, incident_quiet_minutes=30)


def card(number: int) -> Subject:
    return Subject(type="TXN", entity="CARD", dedup_key=f"TXN:CARD:{number}")


DEVICE = Subject(type="INCIDENT", entity="DEVICE", dedup_key="INCIDENT:DEVICE:1")


def new_desk(parts_max: int = 100, partitions: int = 1, owned: Sequence[int] = (0,)) -> AlertDesk:
    desk = AlertDesk(RULES, parts_max, partitions)
    for partition in owned:
        desk.rows.own(partition)
    return desk


def copy_of(packed: Packed) -> Packed:
    return Packed(packed.keys.copy(), packed.values.copy(), packed.ends.copy())


def test_a_part_is_48_bytes_that_every_release_reads_alike() -> None:
    part = Part(first_ms=1, last_ms=2, band=3, serial=4, count=5, at_risk_jpy=6, touched=7)
    words = np.frombuffer(pack(part), dtype="<u4").tolist()
    assert words == [6, 1 | 3 << 8 | 4 << 16, 1, 0, 2, 0, 5, 0, 6, 0, 7, 0]
    assert unpack(pack(part)) == part


@pytest.mark.parametrize(
    ("word", "value"), [(0, 5), (1, 3 | 1 << 8), (1, 1 | 4 << 8), (6, 0), (9, 1 << 31), (9, 1 << 22)]
)
def test_a_damaged_part_is_refused_with_the_number_of_its_row(word: int, value: int) -> None:
    desk = new_desk()
    desk.admit(card(1), 5, Band.REVIEW)
    packed = copy_of(desk.rows.flush(0))
    packed.values[word] = value
    with pytest.raises(RowFormatError, match=r"^row 0 of CASE is damaged$"):
        new_desk().rows.restore(0, packed)
    short = Packed(packed.keys, packed.values[:11], packed.ends - 1)
    with pytest.raises(RowFormatError, match=r"^row 0 of CASE is damaged$"):
        new_desk().rows.restore(0, short)


def test_sums_stop_at_the_limits_of_the_contract() -> None:
    desk = new_desk()
    case, _ = desk.admit(card(1), 0, Band.REVIEW, amount_jpy=2**53 - 1)
    assert case.at_risk_jpy == 2**53 - 1
    case, _ = desk.admit(card(1), 0, Band.REVIEW, amount_jpy=10**12)
    assert case.at_risk_jpy == 2**53
    assert unpack(desk.rows.flush(0).values.tobytes()) is not None


def naive(events: Sequence[tuple[int, int]], parts_max: int) -> list[bool]:
    """Say which events open a case; a list of cases of cards, idle longest first."""
    cases: list[tuple[int, int, int]] = []  # card, begin, last
    opened = []
    for number, at in events:
        mine = [case for case in cases if case[0] == number]
        cases = [case for case in cases if case[0] != number]
        is_new = not mine or at - mine[0][1] > 15 * MINUTE
        begin, last = (at, at) if is_new else (mine[0][1], max(mine[0][2], at))
        cases.append((number, begin, last))
        for _ in range(2 if not mine else 0):
            if len(cases) > 1 and (len(cases) > parts_max or cases[0][2] < at - (DAY + 35 * MINUTE)):
                cases.pop(0)
            else:
                break
        opened.append(is_new)
    return opened


@pytest.mark.parametrize("seed", range(20))
def test_after_a_restart_the_same_cases_are_dropped(seed: int) -> None:
    choose = random.Random(seed)  # noqa: S311 -- a seed, no secret
    at, events = 0, []
    for _ in range(150):
        at += choose.choice([0, 1, MINUTE, MINUTE, 20 * MINUTE] * 8 + [DAY, 2 * DAY])
        events.append((choose.randrange(9), max(at - choose.choice([0, 0, 40 * MINUTE]), 0)))
    parts_max = choose.randint(3, 8)
    desk, log, opened = new_desk(parts_max), [NO_ROWS], []
    for number, at in events:
        opened.append(desk.admit(card(number), at, Band.REVIEW)[1])
        if choose.random() < 0.1:
            log.append(copy_of(desk.rows.flush(0)))
            desk = new_desk(parts_max)
            whole = joined(log)
            if len(whole):
                desk.rows.restore(0, whole)
        assert len(desk.rows.cases) <= parts_max
    assert opened == naive(events, parts_max)


def test_a_worker_that_read_the_row_of_another_adds_its_own_decisions_to_that_case() -> None:
    one, other = new_desk(partitions=2, owned=[0]), new_desk(partitions=2, owned=[1])
    assert one.admit(DEVICE, 10, Band.REVIEW, partition=0, amount_jpy=100)[1]
    other.rows.restore(0, one.rows.flush(0))
    case, fires = other.admit(DEVICE, 20, Band.REVIEW, partition=1, amount_jpy=30)
    assert (case, fires) == (Case(10, 20, 2, Band.REVIEW, 0, 130), False)
    one.rows.restore(1, other.rows.flush(1))
    case, fires = one.admit(DEVICE, 15, Band.BLOCK, partition=0, amount_jpy=1)
    assert (case, fires) == (Case(10, 20, 3, Band.BLOCK, 1, 131), True)


def test_two_workers_that_open_one_case_at_once_join_it_once_they_read_each_other() -> None:
    one, other = new_desk(partitions=2, owned=[0]), new_desk(partitions=2, owned=[1])
    assert one.admit(DEVICE, 10, Band.REVIEW, partition=0)[1]
    assert other.admit(DEVICE, 12, Band.REVIEW, partition=1)[1]
    logs = one.rows.flush(0), other.rows.flush(1)
    other.rows.restore(0, logs[0])
    one.rows.restore(1, logs[1])
    assert one.admit(DEVICE, 14, Band.REVIEW, partition=0) == (Case(10, 14, 2, Band.REVIEW, 0, 0), False)
    assert other.admit(DEVICE, 15, Band.REVIEW, partition=1) == (Case(10, 15, 3, Band.REVIEW, 0, 0), False)


def test_a_late_event_stays_in_the_own_case_where_another_partition_has_an_older_one() -> None:
    shop = Subject(type="MERCHANT", entity="MERCHANT", dedup_key="MERCHANT:MERCHANT:1")
    desk = new_desk(partitions=2, owned=[0, 1])
    assert desk.admit(shop, 0, Band.REVIEW, partition=0)[1]
    assert desk.admit(shop, 16 * MINUTE, Band.REVIEW, partition=1)[1]
    case, fires = desk.admit(shop, 14 * MINUTE, Band.REVIEW, partition=1)
    assert (case, fires) == (Case(16 * MINUTE, 16 * MINUTE, 2, Band.REVIEW, 0, 0), False)


def test_a_partition_that_is_restored_again_has_only_what_its_log_has() -> None:
    desk = new_desk()
    desk.admit(card(1), 0, Band.REVIEW)
    log = copy_of(desk.rows.flush(0))
    desk.admit(card(1), 1, Band.BLOCK)
    desk.admit(card(2), 1, Band.BLOCK)
    desk.rows.forget(0)
    assert len(desk.rows.cases) == 0
    desk.rows.restore(0, log)
    assert desk.admit(card(1), 2, Band.REVIEW) == (Case(0, 2, 2, Band.REVIEW, 0, 0), False)
    assert log.keys[:, 0].tolist() == [CASE << 24]
