"""Recall, precision, value and delay against a truth small enough to count by hand."""

import pytest

from streams.demo.truth import Truth, assess


def truth(event_id: str, amount: int, typology: str | None = None, episode: str | None = None) -> Truth:
    return Truth(event_id=event_id, fraud=typology is not None, typology=typology, episode=episode, amount_jpy=amount)


TRUTHS = [
    truth("a1", 100, "T1", "night"),  # second 0
    truth("g1", 5_000),
    truth("a2", 200, "T1", "night"),  # second 2, flagged
    truth("b1", 1_000, "T3", "spree"),
    truth("a3", 300, "T1", "night"),
    truth("g2", 4_000),  # second 5, flagged
    truth("b2", 3_000, "T3", "spree"),  # second 6, flagged
    truth("c1", 700, "T9", "quiet"),
]
TIMES = {one.event_id: 1_000 * i for i, one in enumerate(TRUTHS)}
FLAGGED = {"a2", "g2", "b2", "of-yesterday"}
ALERTED = ["a2", "g2", "of-yesterday"]

RESULT = assess(TRUTHS, flagged=FLAGGED, alerted=ALERTED, time_of=TIMES.__getitem__)


def test_precision_is_the_share_of_flagged_events_that_are_fraud_by_number_and_by_value() -> None:
    assert (RESULT.flagged, RESULT.flagged_fraud) == (3, 2)
    assert RESULT.precision == pytest.approx(2 / 3)
    assert RESULT.value_precision == pytest.approx(3_200 / 7_200)


def test_recall_is_the_share_of_fraud_that_was_flagged_by_number_and_by_value() -> None:
    assert (RESULT.total.events, RESULT.total.caught) == (6, 2)
    assert RESULT.total.recall == pytest.approx(2 / 6)
    assert RESULT.total.value_recall == pytest.approx(3_200 / 5_300)


def test_typologies_are_counted_apart() -> None:
    shares = {name: (catch.recall, catch.value_recall) for name, catch in RESULT.typologies.items()}
    assert shares == {
        "T1": (pytest.approx(1 / 3), pytest.approx(200 / 600)),
        "T3": (0.5, 0.75),
        "T9": (0.0, 0.0),
    }


def test_one_typology_can_be_left_out_of_the_whole() -> None:
    rest = RESULT.besides("T1")
    assert (rest.events, rest.caught, rest.amount_jpy, rest.caught_jpy) == (3, 1, 4_700, 3_000)
    assert RESULT.besides("T4") == RESULT.total


def test_an_episode_has_the_time_of_its_first_flag_and_the_events_before_it() -> None:
    night, spree, quiet = (RESULT.episodes[name] for name in ("night", "spree", "quiet"))
    assert (night.before, night.delay_ms) == (1, 2_000)
    assert (spree.before, spree.delay_ms) == (1, 3_000)
    assert (quiet.before, quiet.delay_ms) == (1, None)


def test_alerts_on_events_outside_the_truth_do_not_count() -> None:
    assert (RESULT.alerts, RESULT.alerts_fraud) == (2, 1)
    assert RESULT.alert_precision == 0.5


def test_without_fraud_or_flags_there_are_no_shares_instead_of_zeros() -> None:
    empty = assess([truth("g", 1)], flagged=set(), alerted=[], time_of=lambda _: 0)
    assert empty.precision is None
    assert empty.value_precision is None
    assert empty.alert_precision is None
    assert empty.total.recall is None
    assert empty.total.value_recall is None
