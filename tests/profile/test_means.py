"""Means of approved amounts: over all approvals, including those reversed later."""

import math

import pytest
from hypothesis import given, settings

from tests.examples import few
from tests.profile.events import FUNDS, REFUND, REVERSAL, Event, Stream, at, ids
from tests.profile.oracles.ledger import OVER_MEANS, Ledger
from tests.profile.oracles.strategies import streams


def test_reversals_reduce_spend_and_do_not_change_the_mean_of_a_card_and_a_merchant() -> None:
    stream = Stream()
    stream.feed(*(at(k, amount=10_000) for k in range(4)), *(at(9, amount=10_000, kind=REVERSAL) for _ in range(3)))
    features = stream.last(at(20, amount=20_000))
    assert features["card_mean_amount_30d"] == 10_000
    assert features["card_amount_over_mean_30d"] == features["merchant_amount_over_mean_30d"] == 2.0
    assert features["card_spend_30d"] == features["card_spend_1h"] == features["merchant_spend_24h"] == 10_000


@pytest.mark.parametrize(
    ("kind", "amount"), [(REVERSAL, 10_000), (REVERSAL, 4_000), (REVERSAL, 99_000), (REFUND, 10_000)]
)
def test_a_reversal_in_part_or_of_an_older_payment_moves_no_mean(kind: int, amount: int) -> None:
    stream = Stream()
    stream.feed(at(0, amount=10_000), at(86_400, amount=30_000), at(86_500, amount=amount, kind=kind))
    features = stream.last(at(90_000, amount=20_000))
    assert features["card_mean_amount_30d"] == 20_000
    assert features["merchant_amount_over_mean_30d"] == 1.0


def test_an_approval_of_an_unknown_amount_is_in_no_mean() -> None:
    stream = Stream()
    stream.feed(at(0, amount=10_000), at(1, amount=-1), at(2, amount=-1), at(3, amount=90_000, outcome=FUNDS))
    features = stream.last(at(4, amount=10_000))
    assert features["card_mean_amount_30d"] == 10_000
    assert features["merchant_amount_over_mean_30d"] == 1.0
    assert math.isnan(Stream().last(at(0, amount=-1), at(1))["card_mean_amount_30d"])


@settings(max_examples=few(100))
@given(streams())
def test_every_mean_is_that_of_all_approvals_of_a_known_amount_in_its_window(events: list[Event]) -> None:
    stream, ledger = Stream(), Ledger()
    for event, event_id, features in zip(events, ids(events), stream.feed(*events), strict=True):
        for name in ("card_mean_amount_30d", *OVER_MEANS) if event.trusted else ():
            assert features[name] == pytest.approx(ledger.expected(name, event), rel=1e-12, nan_ok=True), name
        ledger.take(event, event_id)
