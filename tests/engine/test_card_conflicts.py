"""The engine reports how many cards came in two partitions, and nothing else about them; decisions do not change."""

import dataclasses

import pytest

from scoring.decode import DecodeLimits, decode
from scoring.decode.hashing import CARD_KEY
from scoring.engine import Engine
from scoring.outputs import Outputs
from scoring.profile.packed import SIGHTING
from scoring.profile.sightings import SAMPLED_BITS, Sightings
from tests.engine.test_engine import new_engine, score
from tests.events import encoded, token
from tests.examples import is_quick

CARDS = 2_000
CHOSEN = (1 << SAMPLED_BITS) - 1


def hashes_of(values: list[bytes]) -> list[int]:
    found: list[int] = decode(values, DecodeLimits()).hashes[:, CARD_KEY].tolist()
    return found


def sampled(values: list[bytes]) -> list[int]:
    return [card for card in hashes_of(values) if card & CHOSEN == CHOSEN]


def events(prefix: str) -> list[bytes]:
    """Make an event of each card; in the inner loop of every tenth, and of all that the engine samples."""
    made = [
        encoded(event_id=f"{prefix}-{number}", card={"pan_hmac": token(f"card-{number}")}) for number in range(CARDS)
    ]
    if not is_quick():
        return made
    chosen = set(sampled(made))
    return [
        value
        for number, (value, card) in enumerate(zip(made, hashes_of(made), strict=True))
        if number % 10 == 0 or card in chosen
    ]


FIRST, SECOND = events("a"), events("b")


def spread_engine() -> Engine:
    engine = new_engine()
    engine.set_partitions(2)
    return engine


def wrongly_keyed(engine: Engine) -> list[Outputs]:
    """Score the same cards in both partitions, twice."""
    repeated = [value.replace(b'"b-', b'"c-') for value in SECOND]
    return [score(engine, FIRST), score(engine, SECOND, partition=1), score(engine, repeated, partition=1)]


def test_sampled_cards_of_a_second_partition_are_counted_once() -> None:
    expected = len(sampled(FIRST))
    assert expected > 2
    assert [outputs.tally.card_conflicts for outputs in wrongly_keyed(spread_engine())] == [0, expected, 0]


def test_the_same_cards_in_one_partition_are_no_conflict() -> None:
    engine = spread_engine()
    for values in (FIRST, SECOND):
        assert score(engine, values, partition=1).tally.card_conflicts == 0
    alone = new_engine()
    assert [outputs.tally.card_conflicts for outputs in wrongly_keyed(alone)] == [0, 0, 0]


def test_conflicts_change_no_byte_of_an_output_and_no_other_count(monkeypatch: pytest.MonkeyPatch) -> None:
    watching = wrongly_keyed(spread_engine())
    monkeypatch.setattr(Sightings, "observe", lambda *_: 0)
    blind = wrongly_keyed(spread_engine())
    assert [outputs.tally.card_conflicts for outputs in blind] == [0, 0, 0]
    for seen, unseen in zip(watching, blind, strict=True):
        plain = dataclasses.replace(seen, tally=dataclasses.replace(seen.tally, card_conflicts=0))
        assert plain == unseen


def test_a_restart_reports_new_conflicts_and_none_twice() -> None:
    engine, again = spread_engine(), spread_engine()
    score(engine, FIRST)
    conflicts = score(engine, SECOND[: len(SECOND) // 2], partition=1).tally.card_conflicts
    assert 0 < conflicts < len(sampled(FIRST)), "some are told of before the restart, some after"
    for partition in (0, 1):
        again.changelog.own(partition)
        for packed in engine.changelog.flush(partition):
            again.changelog.restore(partition, packed)
    assert score(again, SECOND, partition=1).tally.card_conflicts == len(sampled(FIRST)) - conflicts


def test_the_log_holds_sightings_of_sampled_cards_only() -> None:
    engine = spread_engine()
    score(engine, FIRST)
    keys = engine.changelog.flush(0)[1].keys
    found = keys[keys[:, 0] >> 24 == SIGHTING].astype(object)
    assert sorted(high << 32 | low for _, low, high in found.tolist()) == sorted(sampled(FIRST))
