"""Keys are the same in every process, differ between entities, and are 0 only for a missing entity."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoring.decode import DecodeLimits, decode, parse_reports
from scoring.decode.hashing import PARTS, entity_keys
from scoring.profile.entities import Entity
from tests.decode.test_side_inputs import report
from tests.events import encoded

LIMITS = DecodeLimits()
FULL = {
    "device": {"fp_hmac": "d"},
    "net": {"ip_hmac": "i"},
    "shopper": {"account_hmac": "a"},
    "ship": {"addr_hmac": "s"},
}
GOLDEN = (
    "682058ed42eb5f8c 81f63b9a317e4119 2190f26bb420b3dc c8edfa19e492ea75 4ef86a014d3aabb6 "
    "0000000000000000 07d241ad89dc57bb 0000000000000000 1e71f364b6bf0085"
)


def keys(limits: DecodeLimits = LIMITS, **changes: object) -> list[int]:
    (found,) = decode([encoded(**{**FULL, **changes})], limits).hashes.tolist()
    return list(found)


def key(entity: Entity, limits: DecodeLimits = LIMITS, **changes: object) -> int:
    return keys(limits, **changes)[1 + entity]


def test_the_keys_of_an_event_never_change() -> None:
    golden = entity_keys(("e", "acq", "card", "mid", "453200", "", "ip", "", "\u5bb6"), frozenset())[0]
    assert " ".join(f"{value:016x}" for value in golden.tolist()) == GOLDEN


def test_every_entity_of_a_full_event_has_a_key_of_its_own() -> None:
    found = keys()
    assert all(found)
    assert len(set(found)) == len(found) == 1 + len(Entity)


def test_an_entity_that_is_not_named_has_no_key() -> None:
    found = keys(device=None, net=None, shopper=None, ship=None, card={"bin": None})
    present = {Entity.CARD, Entity.MERCHANT}
    assert {entity for entity in Entity if found[1 + entity]} == present
    assert found[0]


def test_entities_are_scoped_by_acquirer_unless_joined() -> None:
    other = {"acquirer": {"id": "acq-2"}}
    joined = DecodeLimits(joined=frozenset({Entity.DEVICE, Entity.BIN}))
    for entity in Entity:
        assert key(entity) != key(entity, **other)
        assert (key(entity, joined) == key(entity, joined, **other)) == (entity in {Entity.DEVICE, Entity.BIN})
    assert keys()[0] == keys(**other)[0]


def test_the_key_of_a_merchant_and_bin_depends_on_both() -> None:
    here = key(Entity.MERCHANT_BIN)
    assert here != key(Entity.MERCHANT_BIN, merchant={"id": "m-2"})
    assert here != key(Entity.MERCHANT_BIN, card={"bin": "45320001"})
    assert key(Entity.BIN) == key(Entity.BIN, merchant={"id": "m-2"})


def test_a_report_reaches_the_rows_of_its_authorization() -> None:
    found = keys(acquirer={"id": "a"}, merchant={"id": "m"}, card={"pan_hmac": "p"})
    reports = parse_reports([report(acquirer_id="a", merchant_id="m", pan_hmac="p")], LIMITS)
    assert reports.card.tolist() == [found[1 + Entity.CARD]]
    assert reports.merchant.tolist() == [found[1 + Entity.MERCHANT]]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EVENTS = st.lists(st.tuples(*[WORDS] * PARTS), max_size=6)


@given(EVENTS)
def test_a_key_depends_on_its_own_event_alone(events: list[tuple[str, ...]]) -> None:
    together = entity_keys([part for parts in events for part in parts], frozenset())
    apart = [entity_keys(parts, frozenset())[0] for parts in events]
    assert together.tolist() == [one.tolist() for one in apart]


@given(st.tuples(WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_pairs_of_parts_with_the_same_concatenation_differ(left: tuple[str, str], right: tuple[str, str]) -> None:
    def merchant_key(acquirer: str, merchant: str) -> int:
        return int(entity_keys(("e", acquirer, "", merchant, "", "", "", "", ""), frozenset())[0, 1 + Entity.MERCHANT])

    if left[1] and right[1]:
        assert (merchant_key(*left) == merchant_key(*right)) == (left == right)


def test_near_names_do_not_collide() -> None:
    parts = [part for i in range(50_000) for part in (str(i), "a", f"c{i}", f"m{i}", "1", "", "", "", "")]
    found = entity_keys(parts, frozenset())
    for column in (0, 1 + Entity.CARD, 1 + Entity.MERCHANT, 1 + Entity.MERCHANT_BIN):
        assert len(np.unique(found[:, column])) == 50_000
    low = found[:, 1 + Entity.CARD] & np.uint64(0xFF)
    assert np.bincount(low.astype(np.int64), minlength=256).std() < 30  # also in the bits that an index uses
