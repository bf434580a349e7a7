"""Shares of 3-D Secure by BIN, recounted in plain Python, against 80 per cent and none."""

from collections import Counter
from datetime import date, datetime
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.issuers.shares import ISSUER_KIND, ISSUER_ROW, Authentications, IssuerMonths, Met, issuer_view
from scoring.merchants.months.calendar import month_of_day
from scoring.reference.limits import limits_on
from scoring.reference.rows import Duty, Limit
from streams.config.tables import shipped_table
from tests.compliance.month_oracle import TOKYO, month

DUTIES = shipped_table("duties", Duty)
TODAY = date(2026, 11, 27)
FEW = limits_on(shipped_table("limits", Limit), "ISSUER", TODAY)["payments_min"]
FIRST = month_of_day(date(2028, 1, 1))


def results(seed: int, count: int) -> list[tuple[int, int, str, int, int]]:
    """BIN, time, transStatus, reason and type of results around the leap day of 2028."""
    random = Random(seed)  # noqa: S311 - no secret
    begin = int(datetime(2028, 1, 1, tzinfo=TOKYO).timestamp() * 1000)
    return [
        (
            random.randrange(1, 4),
            begin + random.choice([0, 59, 60, 90]) * 86_400_000 + random.choice([-1, 0, random.randrange(86_400_000)]),
            random.choice(["", "Y", "Y", "N", "A", "U", "R", "I", "C", "D", "S"]),
            random.choice([-1, 1, 12, 13, 14]),
            random.choice([-1, 0, 1, 2, 3, 4, 5]),
        )
        for _ in range(count)
    ]


def batch(rows: list[tuple[int, int, str, int, int]]) -> Authentications:
    return Authentications(
        bin=np.array([row[0] for row in rows], dtype=np.uint64),
        time_ms=np.array([row[1] for row in rows], dtype=np.int64),
        trans_status=np.array([ord(row[2]) if row[2] else 0 for row in rows], dtype=np.int64),
        reason=np.array([row[3] for row in rows], dtype=np.int64),
        auth_type=np.array([row[4] for row in rows], dtype=np.int64),
    )


def recount(rows: list[tuple[int, int, str, int, int]]) -> dict[tuple[int, str], tuple[int, ...]]:
    found: Counter[tuple[int, str, str]] = Counter()
    for who, time_ms, status, reason, kind in rows:
        place = who, month(time_ms)
        if status == "A" or (status and reason == 13):
            found[*place, "judged"] += 1
            found[*place, "not enrolled"] += 1
        elif status and status in "YNRCDS":
            found[*place, "judged"] += 1
            if kind in (1, 2, 3, 4):
                found[*place, "typed"] += 1
                found[*place, "static"] += kind == 1
    places = {place[:2] for place in found}
    return {
        place: tuple(found[*place, what] for what in ("judged", "not enrolled", "typed", "static")) for place in places
    }


@pytest.mark.parametrize("size", [1, 7, 900])
def test_months_of_bins_are_counted_as_a_recount_counts_them_over_partitions_and_restarts(size: int) -> None:
    rows = results(3, 900)
    store, restarted = IssuerMonths(100), IssuerMonths(100)
    for begin in range(0, len(rows), size):
        partition = begin // size % 2
        store.take(partition, batch(rows[begin : begin + size]))
        if begin % 70 == 0:
            restarted.restore(partition, store.flush(partition))
    store.take(0, batch([]))
    for partition in range(2):
        restarted.restore(partition, store.flush(partition))
    expected = recount(rows)
    assert len(expected) > 9
    for found in (store, restarted):
        for number in range(FIRST - 2, FIRST + 6):
            name = f"{1970 + number // 12}-{number % 12 + 1:02}"
            assert found.bins(number, number) == sorted(who for who, when in expected if when == name)
            for who in (1, 2, 3):
                assert found.counts(who, number, number) == expected.get((who, name), (0, 0, 0, 0))
        both = [expected.get((1, name), (0, 0, 0, 0)) for name in ("2028-02", "2028-03")]
        assert found.counts(1, FIRST + 1, FIRST + 2) == tuple(a + b for a, b in zip(*both, strict=True))
    assert store.expire(FIRST + 1) == sum(1 for _, name in expected if name < "2028-02") * (1 if size == 900 else 2)
    assert store.counts(1, FIRST, FIRST) == (0, 0, 0, 0)
    store.forget(0)
    store.forget(1)
    assert store.bins(FIRST - 2, FIRST + 6) == []


def test_what_makes_room_in_a_partition_of_ours_is_buried() -> None:
    store = IssuerMonths(2)
    store.own(0)
    begin = int(datetime(2028, 2, 1, tzinfo=TOKYO).timestamp() * 1000)
    for who in (1, 2):
        store.take(0, batch([(who, begin, "Y", -1, 2)]))
    store.flush(0)
    store.take(0, batch([(3, begin, "Y", -1, 2)]))
    packed = store.flush(0)
    assert (len(packed), int(packed.ends[0])) == (2, 0)
    assert packed.keys[:, 0].tolist() == [ISSUER_KIND << 24] * 2
    assert ISSUER_KIND == 250
    assert ISSUER_ROW.itemsize == 64


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
@example(50, 10, 50, 0)
@example(50, 11, 50, 1)
@example(49, 0, 49, 0)
@example(0, 0, 0, 0)
@example(49, 0, 1, 1)
@example(10**6, 200_001, 50, 0)
def test_an_issuer_meets_its_duties_from_their_day_on(judged: int, absent: int, typed: int, static: int) -> None:
    absent, static = min(absent, judged), min(static, typed)
    found = issuer_view((judged, absent, typed, static), DUTIES, FEW, TODAY)
    assert found.enrolled == (None if judged == 0 else Fraction(judged - absent, judged))
    assert found.static == (None if typed == 0 else Fraction(static, typed))
    enrolment = "UNKNOWN"
    if judged >= 50:
        enrolment = "MET" if Fraction(judged - absent, judged) >= Fraction(80, 100) else "MISSED"
    no_static = "MISSED" if static else "MET" if typed >= 50 else "UNKNOWN"
    assert (found.enrolment.name, found.no_static.name) == (enrolment, no_static)
    due = issuer_view((judged, absent, typed, static), DUTIES, FEW, date(2025, 3, 31))
    assert due == found
    for day in (date(2025, 3, 30), date(2024, 3, 13)):
        early = issuer_view((judged, absent, typed, static), DUTIES, FEW, day)
        assert (early.enrolment, early.no_static) == (Met.NOT_DUE, Met.NOT_DUE)
        assert (early.enrolled, early.static) == (found.enrolled, found.static)
