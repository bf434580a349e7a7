"""Soak traffic continues without end, with the same cards, and stays valid."""

import itertools

import msgspec
import pytest

from models.simulator.soak import soak_values
from scoring.contract.authorization import Authorization
from scoring.decode import DecodeLimits, decode

_decode = msgspec.json.Decoder(Authorization).decode


def test_ids_are_new_times_go_on_and_the_population_stays() -> None:
    records = list(itertools.chain.from_iterable(soak_values(6_000, 400, 1, start_ms=1_750_000_000_000, gap_ms=7)))
    events = [_decode(value) for _, value in records]
    assert len(events) == len({e.event_id for e in events}) == 6_000
    times = [round(e.event_ts.timestamp() * 1000) for e in events]
    assert times == list(range(1_750_000_000_000, 1_750_000_000_000 + 7 * 6_000, 7))
    assert [key.decode() for key, _ in records] == [e.card.pan_hmac for e in events]
    cards = {e.card.pan_hmac for e in events}
    assert cards == {e.card.pan_hmac for e in events[:2_000]}
    assert decode([value for _, value in records], DecodeLimits()).rejects == []


def test_the_same_seed_gives_the_same_batches() -> None:
    assert list(soak_values(2_500, 200, 3)) == list(soak_values(2_500, 200, 3))
    assert next(soak_values(10, 200, 3)) != next(soak_values(10, 200, 4))


def test_batches_are_full_except_the_last() -> None:
    assert [len(b) for b in soak_values(2_500, 200, 3, batch=1_000)] == [1_000, 1_000, 500]
    assert list(soak_values(0, 200, 3)) == []


def test_negative_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        next(soak_values(-1, 200, 3))
