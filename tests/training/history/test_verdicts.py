"""Verdicts of many, late and contradicting reports against the table of precedence, moment by moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.verdicts import Said, changes

RANKS = (("CHARGEBACK", "TC40", "FLD", "ISSUER", "OTHER"), ("ANALYST",))
"""Sources by precedence, the highest first."""

said = st.builds(
    Said,
    received_ms=st.integers(0, 6),
    label=st.sampled_from(["FRAUD", "MERCHANT_FRAUD", "LEGIT", "FIRST_PARTY", "UNKNOWN"]),
    source=st.sampled_from(["CHARGEBACK", "TC40", "FLD", "ISSUER", "ANALYST", "OTHER"]),
)


def verdict(reports: list[Said], at_ms: int) -> bool:
    """Read the reports known at a moment from the highest source down; nothing that stands is the presumption."""
    for rank in RANKS:
        for source in rank:
            known = [one for one in reports if one.source == source and one.received_ms <= at_ms]
            words = [one.label for one in sorted(known, key=lambda one: one.received_ms) if one.label != "UNKNOWN"]
            if words and words[-1] in ("FRAUD", "MERCHANT_FRAUD"):
                return True
    return False


@given(st.lists(said, max_size=12))
def test_at_every_moment_the_last_change_is_the_verdict_of_the_reports_known_by_then(reports: list[Said]) -> None:
    found = changes(reports)
    for at_ms in range(-1, 8):
        states = [is_fraud for moment, is_fraud in found if moment <= at_ms]
        # reports of one moment are read in order: the state after all of them counts
        assert (states[-1] if states else False) == verdict(reports, at_ms)
    assert [is_fraud for _, is_fraud in found] == [i % 2 == 0 for i in range(len(found))]


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([Said(5, "FRAUD", "TC40"), Said(9, "FRAUD", "CHARGEBACK")], [(5, True)]),
        ([Said(5, "FRAUD", "CHARGEBACK"), Said(9, "LEGIT", "CHARGEBACK")], [(5, True), (9, False)]),
        ([Said(5, "FRAUD", "TC40"), Said(7, "FRAUD", "CHARGEBACK"), Said(9, "LEGIT", "CHARGEBACK")], [(5, True)]),
        ([Said(5, "FRAUD", "TC40"), Said(9, "LEGIT", "ANALYST")], [(5, True)]),
        ([Said(9, "LEGIT", "TC40"), Said(5, "FRAUD", "TC40")], [(5, True), (9, False)]),
        ([Said(5, "FRAUD", "ISSUER"), Said(9, "FIRST_PARTY", "ISSUER")], [(5, True), (9, False)]),
        ([Said(5, "UNKNOWN", "TC40")], []),
    ],
)
def test_the_cases_of_the_trade(reports: list[Said], expected: list[tuple[int, bool]]) -> None:
    assert changes(reports) == expected
