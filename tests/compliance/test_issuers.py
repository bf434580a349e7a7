"""Shares of 3-D Secure by BIN, recounted in plain Python, against 80 per cent and none."""

from collections import Counter
from datetime import date
from fractions import Fraction
from random import Random

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from scoring.issuers.shares import Met, issuer_columns, issuer_view
from scoring.reference.compliance import duties

DUTIES = duties()
TODAY = date(2026, 11, 27)
FEW = 50


def test_authentications_are_counted_as_a_recount_counts_them() -> None:
    random = Random(3)  # noqa: S311 - no secret
    rows = [
        (
            random.choice(["", "Y", "Y", "N", "A", "U", "R", "I", "C", "D", "S"]),
            random.choice([-2, -1, 1, 12, 13, 14]),
            random.choice([-1, 0, 1, 2, 3, 4, 5]),
        )
        for _ in range(3_000)
    ]
    found: Counter[str] = Counter()
    for status, reason, kind in rows:
        if status == "A" or (status and reason == 13):
            found["judged"] += 1
            found["not enrolled"] += 1
        elif status and status in "YNRCDS":
            found["judged"] += 1
            if kind in (1, 2, 3, 4):
                found["typed"] += 1
                found["static"] += kind == 1
    columns = issuer_columns(
        np.array([ord(row[0]) if row[0] else 0 for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int64),
    )
    assert columns.sum(axis=0).tolist() == [found[what] for what in ("judged", "not enrolled", "typed", "static")]


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 200), st.integers(0, 200))
@example(50, 10, 50, 0)
@example(50, 11, 50, 1)
@example(49, 0, 49, 0)
@example(0, 0, 0, 0)
@example(49, 0, 1, 1)
@example(10**6, 200_001, 50, 0)
def test_an_issuer_meets_its_duties_from_the_day_after_their_last_day(
    judged: int, absent: int, typed: int, static: int
) -> None:
    absent, static = min(absent, judged), min(static, typed)
    counts = judged, absent, typed, static
    found = issuer_view(counts, DUTIES, FEW, TODAY)
    assert found.enrolled == (None if judged == 0 else Fraction(judged - absent, judged))
    assert found.static == (None if typed == 0 else Fraction(static, typed))
    enrolment = "UNKNOWN"
    if judged >= 50:
        enrolment = "MET" if Fraction(judged - absent, judged) >= Fraction(80, 100) else "MISSED"
    no_static = "MISSED" if static else "MET" if typed >= 50 else "UNKNOWN"
    assert (found.enrolment.name, found.no_static.name) == (enrolment, no_static)
    assert issuer_view(counts, DUTIES, FEW, date(2025, 4, 1)) == found
    for day in (date(2025, 3, 31), date(2024, 3, 13)):
        early = issuer_view(counts, DUTIES, FEW, day)
        assert (early.enrolment, early.no_static) == (Met.NOT_DUE, Met.NOT_DUE)
        assert (early.enrolled, early.static) == (found.enrolled, found.static)
    for is_bound, met in ((False, Met.NOT_BOUND), (None, Met.UNKNOWN)):
        other = issuer_view(counts, DUTIES, FEW, TODAY, is_bound)
        assert (other.enrolment, other.no_static, other.enrolled) == (met, met, found.enrolled)
