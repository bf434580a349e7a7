"""Reasons are families of features, positive ones only, heaviest first, at most five."""

import numpy as np

from scoring.catalogue import FEATURES
from scoring.features import Feature
from scoring.policy.reasons import REASON_OF_FAMILY, WEIGHT_MIN, Reasons


def feature(name: str, family: str) -> Feature:
    return Feature(name=name, unit="1", family=family, doc="test")


def test_contributions_of_one_family_are_one_reason() -> None:
    reasons = Reasons((feature("a", "goods"), feature("b", "amount"), feature("c", "goods")))
    top = reasons.top(np.array([0.4, 0.5, 0.3, 9.9]))
    assert [(reason.id, reason.weight) for reason in top] == [("HR_GOODS", 0.7), ("AMT_HIGH", 0.5)]


def test_what_speaks_for_the_payment_is_no_reason_and_neither_is_noise_nor_the_bias() -> None:
    reasons = Reasons((feature("a", "goods"), feature("b", "amount"), feature("c", "time")))
    assert reasons.top(np.array([-2.0, WEIGHT_MIN / 2, WEIGHT_MIN, 5.0])) == reasons.top(
        np.array([0, 0, WEIGHT_MIN, 0])
    )


def test_there_are_at_most_five() -> None:
    families = list(REASON_OF_FAMILY)[:9]
    reasons = Reasons(tuple(feature(family, family) for family in families))
    top = reasons.top(np.arange(1.0, 11.0))
    assert [reason.weight for reason in top] == [9.0, 8.0, 7.0, 6.0, 5.0]


def test_every_family_of_the_catalogue_has_its_words_in_both_languages() -> None:
    Reasons(FEATURES)
    ids = [text.id for text in REASON_OF_FAMILY.values()]
    assert len(set(ids)) == len(ids)
    for text in REASON_OF_FAMILY.values():
        assert text.en.isascii()
        assert not text.ja.isascii()


def test_no_family_of_reasons_is_left_without_a_feature() -> None:
    assert set(REASON_OF_FAMILY) == {feature.family for feature in FEATURES}
