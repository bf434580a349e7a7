"""Compiled conditions say what the CEL library says, missing values and failed operations included."""

import numpy as np
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.examples import examples, sample
from tests.policy.rules.drawn import asked, batch_of, flags, hits_of, values_of

EVENTS = 300
"""More than one chunk, and a part of one."""


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(flags(3), min_size=1, max_size=6, unique=True), st.integers(0, 2**32))
def test_a_condition_hits_where_the_library_finds_it_true_and_errs_where_it_errs(
    conditions: list[str], seed: int
) -> None:
    batch, standings = batch_of(EVENTS, seed)
    ruled = hits_of(conditions, batch, standings)
    rows = [0, 1, 2, 254, 255, 256, 257, EVENTS - 1]
    for row in rows:
        values = values_of(batch, standings, row)
        expected = {f"r{number}" for number, when in enumerate(conditions) if asked(when, values) is True}
        found = {hit["id"] for hit in orjson.loads(ruled.hits.get(row, b"[]"))}
        assert found == expected, (row, conditions)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flags(3), st.integers(0, 2**32))
def test_errors_are_counted_where_the_library_errs(condition: str, seed: int) -> None:
    batch, standings = batch_of(20, seed)
    errors = sum(asked(condition, values_of(batch, standings, row)) is None for row in range(20))
    assert hits_of([condition], batch, standings).errors == ({"r0": errors} if errors else {})


def test_an_event_without_a_decision_has_no_hit_and_only_counted_ones_are_counted() -> None:
    batch, standings = batch_of(3, 1)
    batch = batch._replace(decided=np.array([True, False, True]), counted=np.array([True, False, False]))
    ruled = hits_of(["true"], batch, standings)
    assert list(ruled.hits) == list(ruled.floors) == list(ruled.reasons) == [0, 2]
    assert ruled.counts == {("r0", "on"): 1}


BORDERS = (-(2**63), -(2**63) + 1, -(2**32), -3, -1, 0, 1, 2, 2**31, 2**63 - 1)
CASTS = (2.0**63, -(2.0**63), 2.0**63 - 1024, 1 - 2.0**63, -(2.0**63) + 1024, 2.5, -2.5, 1e300)


def test_arithmetic_ends_where_the_library_ends_it() -> None:
    ints = [f"({x} {op} {y}) {than}" for x in BORDERS for y in BORDERS for op in "+-*/%" for than in ("> 0", "== 0")]
    ints += [f"-({x}) < 0" for x in BORDERS] + [f"{x} < payment.amount_jpy" for x in BORDERS]
    doubles = [f"int({x!r}) {than}" for x in CASTS for than in ("> 0", "== 2", "== -2")]
    doubles += [f"double({x}) == {float(x)!r}" for x in BORDERS]
    doubles += [
        f"({x} {op} {y}) == ({x} {op} {y})" for x in ("0.0", "1.0", "-1e300") for y in ("0.0", "1e300") for op in "+-*/"
    ]
    batch, standings = batch_of(1, 1)
    conditions = [*sample(ints, step=3), *doubles]  # no inner length of `ints` has the factor 3
    values = values_of(batch, standings, 0)
    expected = [asked(when, values) for when in conditions]
    for begin in range(0, len(conditions), 32):
        some = conditions[begin : begin + 32]
        ruled = hits_of(some, batch, standings)
        hit = {each["id"] for each in orjson.loads(ruled.hits.get(0, b"[]"))}
        found = [True if f"r{k}" in hit else None if f"r{k}" in ruled.errors else False for k in range(len(some))]
        assert dict(zip(some, found, strict=True)) == dict(zip(some, expected[begin:], strict=False))
    assert expected.count(None) > 50
