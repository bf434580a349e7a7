"""The arm of a card depends on the card and the salt alone, and is as good as drawn by chance."""

import json
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scoring.decode import DecodeLimits, decode
from scoring.decode.hashing import CARD_KEY
from scoring.policy import policy_from
from scoring.policy.experiment import Arm, Assignment, assignment_of
from scoring.policy.experiment.arms import buckets, salt_of
from tests.engine.test_engine import TRAFFIC
from tests.events import encoded, token
from tests.examples import examples
from tests.experiment.made import arm_of, bucket_of, experiment, levels

LIMITS = DecodeLimits()
CARDS = [token(f"card-{number}") for number in range(4_000)]
AT_MS = 1_748_800_000_000
"""In the time of the experiment."""


def keys_of(tokens: Iterable[str]) -> NDArray[np.uint64]:
    """Return the keys of cards as a worker decodes them."""
    values = [encoded(card={"pan_hmac": name}) for name in tokens]
    parts = [
        decode(values[begin : begin + 2_000], LIMITS).hashes[:, CARD_KEY] for begin in range(0, len(values), 2_000)
    ]
    return np.concatenate(parts)


KEYS = keys_of(CARDS)


def assignment(share: int, salt: str | None = None, name: str = "x") -> Assignment:
    document = {"version": "p", "global": levels(1, 2, 3)} | {"experiment": experiment(share, salt=salt, id=name)}
    declared = policy_from(document).experiment
    assert declared is not None
    return assignment_of(declared)


def arms(share: int, salt: str | None = None, name: str = "x") -> list[int]:
    found = assignment(share, salt, name).arms(KEYS, np.full(len(KEYS), AT_MS))
    assert found is not None
    return found.of.tolist()


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(str.strip),
    st.text("abcdef012345", min_size=1, max_size=70),
    st.text(min_size=1, max_size=20),
)
@settings(max_examples=examples(40), deadline=None)
def test_a_bucket_is_that_of_plain_python(acquirer: str, card: str, salt: str) -> None:
    value = encoded(acquirer={"id": acquirer[:32]}, card={"pan_hmac": card})
    decoded = decode([value], LIMITS)
    if len(decoded):
        (found,) = buckets(decoded.hashes[:, CARD_KEY], salt_of(salt)).tolist()
        assert found == bucket_of(acquirer[:32], card, salt)


def test_the_bucket_of_a_card_never_changes() -> None:
    """Golden: another arm for a card would mix both arms of every experiment that is running."""
    assert [bucket_of("acq-1", CARDS[number], "review-earlier") for number in range(6)] == GOLDEN
    assert buckets(KEYS[:6], salt_of("review-earlier")).tolist() == GOLDEN


GOLDEN = [589, 179, 499, 536, 751, 798]


def test_a_share_of_none_and_one_of_all_are_exact() -> None:
    assert set(arms(0)) == {Arm.A}
    assert set(arms(1000)) == {Arm.B}
    found = buckets(KEYS, salt_of("x"))
    assert (found.min(), found.max()) == (0, 999), "the first and the last bucket are used"


@given(st.integers(0, 1000), st.integers(0, 1000))
@settings(max_examples=examples(50), deadline=None)
def test_a_larger_share_keeps_every_card_of_a_smaller_one(one: int, other: int) -> None:
    small, large = sorted((one, other))
    kept = np.array(arms(small)) == Arm.B
    assert (np.array(arms(large))[kept] == Arm.B).all()


def chi_square(counts: Iterable[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


def test_cards_are_spread_evenly_over_buckets() -> None:
    """With 99 degrees of freedom, 160 is passed by chance once in 10,000: the cards are fixed, so never here."""
    for salt in ("x", "review-earlier", "2027-01"):
        found = Counter((buckets(KEYS, salt_of(salt)) // 10).tolist())
        assert chi_square((found[place] for place in range(100)), len(KEYS) / 100) < 160


@pytest.mark.parametrize("partitions", [2, 7, 12])
def test_the_arm_is_independent_of_the_partition(partitions: int) -> None:
    """Each partition has the share; one degree of freedom each: the sum is chi-square with `partitions` of them."""
    of = [(murmur2(card.encode()) & 0x7FFFFFFF) % partitions for card in CARDS]
    for share in (100, 500):
        found = Counter(zip(of, arms(share), strict=True))
        total = 0.0
        for partition, cards in Counter(of).items():
            expected = cards * share / 1000
            total += (found[partition, Arm.B] - expected) ** 2 / (expected * (1 - share / 1000))
        assert total < partitions + 5 * (2 * partitions) ** 0.5 + 5


def test_two_experiments_are_independent_of_each_other_and_a_salt_can_join_them() -> None:
    first, second, joined = arms(500), arms(500, name="y"), arms(500, name="y", salt="x")
    assert chi_square(Counter(zip(first, second, strict=True)).values(), len(CARDS) / 4) < 25
    assert joined == first


def test_an_experiment_holds_from_its_first_millisecond_to_the_one_before_its_end() -> None:
    of = assignment(1000)
    times = np.array([of.from_ms - 1, of.from_ms, of.to_ms - 1, of.to_ms])
    found = of.arms(KEYS[:4], times)
    assert found is not None
    assert found.of.tolist() == [Arm.NONE, Arm.B, Arm.B, Arm.NONE]
    assert of.arms(KEYS[:2], times[[0, 3]]) is None


def test_the_arm_of_traffic_is_that_of_plain_python() -> None:
    decoded = decode(TRAFFIC, LIMITS)
    found = assignment(300).arms(decoded.hashes[:, CARD_KEY], np.full(len(decoded), AT_MS))
    assert found is not None
    assert [Arm(arm).name for arm in found.of.tolist()] == [arm_of(json.loads(each), 300, "x") for each in TRAFFIC]
