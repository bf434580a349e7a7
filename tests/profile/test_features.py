"""The list of features, and the features that each kind of fraud changes."""

import numpy as np

from scoring.profile import PROFILE_FEATURES
from scoring.profile.features import PROGRAM
from scoring.profile.layout import TABLES, Value
from tests.profile.events import APPROVED, BAD_CRED, BAD_PAN, FUNDS, NAMES, REVERSAL, Event, Stream, at


def test_names_are_unique_and_everything_is_explained() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for feature in PROFILE_FEATURES:
        assert feature.name.isidentifier()
        assert feature.name == feature.name.lower()
        assert feature.unit
        assert feature.doc.endswith(".")
        assert not feature.categorical


def test_every_ring_and_query_that_rows_keep_is_read_by_a_feature() -> None:
    """A ring or query without a feature would waste memory."""
    read = set(PROGRAM.ravel().tolist())
    assert set(range(Value.END, TABLES.novelty_at)) <= read


def usual(stream: Stream, **fields: object) -> dict[str, float]:
    """Score a quiet month of one customer, then return the features of the next payment."""
    stream.feed(*(at(day * 86_400, amount=2_000 + day) for day in range(30)))
    return stream.last(at(30 * 86_400, **fields))


def after(second: float, **fields: object) -> Event:
    return at(30 * 86_400 + second, **fields)


def test_enumeration_shows_in_the_merchant_bin_pair() -> None:
    stream = Stream()
    before = usual(stream)
    stream.feed(
        *(after(k, card=100 + k, ip=100 + k % 7, amount=100, outcome=BAD_PAN if k % 2 else BAD_CRED) for k in range(40))
    )
    now = stream.last(after(41, card=200))
    assert before["merchant_bin_cards_10m"] == 0
    assert now["merchant_bin_cards_10m"] > 30
    assert now["merchant_bin_cred_declines_10m"] == now["bin_cred_declines_10m"] == 40
    assert now["merchant_bin_cred_rate_1h"] > 0.95
    assert now["merchant_bin_approval_rate_1h"] < 0.05
    assert now["merchant_bin_ips_1h"] > 5


def test_card_testing_shows_in_small_amounts_merchants_and_reversals() -> None:
    stream = Stream()
    before = usual(stream)
    for k in range(3):
        stream.feed(
            after(60 * k, merchant=10 + k, amount=100), after(60 * k + 5, merchant=10 + k, amount=100, kind=REVERSAL)
        )
    now = stream.last(after(300, merchant=20, amount=80_000))
    assert before["card_small_attempts_1h"] == 0
    assert now["card_small_attempts_1h"] == now["card_reversals_24h"] == 3
    assert now["card_merchants_1h"] == 4
    assert now["card_amount_zscore"] > 100


def test_a_stolen_card_burst_shows_in_velocity_novelty_amount_and_ladder() -> None:
    stream = Stream()
    before = usual(stream)
    burst = {"device": 9, "ip": 9, "address": 9, "merchant": 9}
    stream.feed(*(after(60 * k, amount=90_000 - 10_000 * k, outcome=FUNDS, **burst) for k in range(4)))
    stream.feed(*(after(300 + k, amount=30_000, **burst) for k in range(5)))
    now = stream.last(after(400, amount=30_000, **burst))
    assert before["card_attempts_1h"] == 0
    assert now["card_attempts_1h"] == 10
    assert now["card_approved_1h"] == 6
    assert now["card_spend_1h_over_daily"] > 5
    assert now["card_funds_declines_1h"] == 4
    ladder = Stream()
    usual(ladder)
    rungs = ladder.feed(
        *(after(k, amount=90_000 - 10_000 * k, outcome=FUNDS, **burst) for k in range(4)), after(9, **burst)
    )
    assert rungs[-1]["card_funds_ladder"] == 4
    assert rungs[0]["card_new_device"] == rungs[0]["card_new_address"] == rungs[0]["card_new_merchant"] == 1


def test_account_takeover_shows_in_new_elements_of_an_old_account() -> None:
    stream = Stream()
    usual(stream)
    now = stream.last(after(60, card=7, device=8, address=9, amount=150_000, outcome=APPROVED))
    assert now["account_new_card"] == now["account_new_device"] == now["account_new_address"] == 1
    assert now["account_age_days"] > 29


def test_resale_through_one_address_shows_there() -> None:
    stream = Stream()
    before = usual(stream)
    stream.feed(*(after(600 * k, card=50 + k, account=50 + k, device=50 + k, address=1, merchant=2) for k in range(6)))
    now = stream.last(after(7_200, card=99, account=99, device=99, address=1))
    assert before["address_cards_24h"] < 1.1
    assert now["address_cards_24h"] > 6
    assert now["address_accounts_7d"] > 6


def test_one_device_over_many_cards_and_merchants_shows_there() -> None:
    stream = Stream()
    stream.feed(*(at(30 * k, card=1 + k, merchant=1 + k, account=1 + k) for k in range(6)))
    now = stream.last(at(200, card=99))
    assert now["device_cards_1h"] > 5
    assert now["device_merchants_1h"] > 5
    assert now["ip_cards_1h"] > 5
    assert now["ip_accounts_24h"] > 5


def test_failed_authentications_show_for_card_device_and_merchant() -> None:
    stream = Stream()
    stream.feed(*(at(k, tds_failed=True) for k in range(3)), at(3))
    now = stream.last(at(4))
    assert now["card_threeds_failed_24h"] == now["device_threeds_failed_24h"] == 3
    assert now["merchant_threeds_failed_rate_24h"] == 0.75


def test_no_feature_is_infinite() -> None:
    stream = Stream()
    odd = [at(k, amount=amount, outcome=k % 12, kind=k % 3) for k, amount in enumerate([0, -1, 1, 2**63 - 1] * 20)]
    assert not np.isinf([list(row.values()) for row in stream.feed(*odd)]).any()
