"""The stream as a whole: valid, complete, in order, and the same every time."""

import itertools
import os
import re
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.simulator import Item, Simulator, SimulatorConfig
from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport
from scoring.contract.merchant import MerchantRecord
from scoring.decode import DecodeLimits, decode
from tests.examples import examples, sample
from tests.simulator.conftest import Drawn
from tests.simulator.days import digest, small

_RECORDS = {"authorizations": Authorization, "fraud-reports": FraudReport, "merchants": MerchantRecord}


@pytest.fixture(scope="module")
def five() -> tuple[Simulator, list[Item]]:
    """Give a small simulator and its stream."""
    simulator = small(5)
    return simulator, list(simulator)


def test_every_record_fits_the_contract_of_its_topic(drawn: Drawn) -> None:
    decoders = {topic: msgspec.json.Decoder(record) for topic, record in _RECORDS.items()}
    seen = set()
    for item in drawn.items:
        record = decoders[item.topic].decode(item.value)
        seen.add(item.topic)
        if item.topic == "merchants":
            assert item.key.decode() == f"{record.acquirer_id}/{record.merchant_id}"
        else:
            card = record.card.pan_hmac if item.topic == "authorizations" else record.pan_hmac
            assert item.key.decode() == card
    assert seen == set(_RECORDS)


def test_no_authorization_is_refused_by_the_decoder(drawn: Drawn) -> None:
    values = [item.value for item in drawn.items if item.topic == "authorizations"]
    assert decode(values, DecodeLimits()).rejects == []


def test_merchants_come_first_and_time_never_runs_backwards(drawn: Drawn) -> None:
    topics = [item.topic for item in drawn.items]
    first_event = topics.index("authorizations")
    assert set(topics[:first_event]) <= {"merchants", "fraud-reports"}
    assert "merchants" not in topics[first_event:]
    config = drawn.simulator.config
    times = [item.at_ms for item in drawn.items]
    assert all(a <= b for a, b in itertools.pairwise(times))
    assert config.start_ms <= times[0]
    assert times[-1] < config.end_ms


def test_the_time_of_an_item_is_the_time_inside_it(drawn: Drawn) -> None:
    for item, event in zip((i for i in drawn.items if i.truth is not None), drawn.events, strict=True):
        assert round(event.event_ts.timestamp() * 1000) == item.at_ms


def test_every_event_has_one_truth_and_the_event_does_not_hold_it(drawn: Drawn) -> None:
    ids = [event.event_id for event in drawn.events]
    assert len(set(ids)) == len(ids) == len(drawn.truth)
    assert set(ids) == set(drawn.truth)
    for event in drawn.events:
        truth = drawn.truth[event.event_id]
        assert (truth.typology is None) == (truth.episode is None) == (not truth.fraud)
        assert truth.amount_jpy == (event.amount.minor if event.amount.currency == "JPY" else event.amount.jpy)
    hints = (b"fraud", b"typology", b"episode", *(b'"t%d"' % number for number in (1, 2, 3, 4, 8, 9, 11)))
    for item in drawn.items:
        if item.topic == "authorizations":
            text = item.value.replace(b'"normalised":"FRAUD"', b"").lower()
            assert not any(hint in text for hint in hints)


def test_a_repeat_is_byte_for_byte_what_was_published_before(drawn: Drawn) -> None:
    first = {item.truth.event_id: item.value for item in drawn.items if item.truth is not None}
    repeats = [item for item in drawn.items if item.topic == "authorizations" and item.truth is None]
    assert repeats
    for item in repeats:
        assert first[msgspec.json.decode(item.value)["event_id"]] == item.value


def test_every_token_is_hexadecimal_of_full_length(drawn: Drawn) -> None:
    tokens = re.compile(rb'_hmac":"([^"]*)"')
    for item in drawn.items[:20_000]:
        assert all(re.fullmatch(rb"[0-9a-f]{64}", token) for token in tokens.findall(item.value))


def test_an_event_is_about_a_kilobyte(drawn: Drawn) -> None:
    sizes = [len(item.value) for item in drawn.items if item.topic == "authorizations"]
    assert 800 < sum(sizes) / len(sizes) < 1_600
    assert max(sizes) < 2_600


def test_iterating_again_gives_the_same_bytes(five: tuple[Simulator, list[Item]]) -> None:
    simulator, items = five
    assert list(simulator) == items


def test_another_process_with_another_hash_seed_gives_the_same_bytes(five: tuple[Simulator, list[Item]]) -> None:
    program = "from tests.simulator.days import digest, small; print(digest(small(5)))"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed, zone in sample([("2", "Asia/Tokyo"), ("1", "UTC")])
    }
    assert digests == {digest(five[1])}


def test_another_seed_gives_another_stream(five: tuple[Simulator, list[Item]]) -> None:
    assert five[1] != list(small(6))


def test_a_longer_stream_begins_with_the_shorter_one(five: tuple[Simulator, list[Item]]) -> None:
    short = [i for i in five[1] if i.topic == "authorizations"]
    long = itertools.islice(small(5, days=3), len(short) + 200)
    assert [i for i in long if i.topic == "authorizations"][: len(short)] == short


@settings(max_examples=examples(8))
@given(
    seed=st.integers(0, 2**63 - 1),
    start_ms=st.integers(946_684_800_000, 3_800_000_000_000),
    events_per_day=st.integers(1, 1_500),
    cards=st.integers(100, 2_000),
    merchants=st.integers(60, 300),
)
def test_any_config_within_bounds_streams_in_order(
    seed: int, start_ms: int, events_per_day: int, cards: int, merchants: int
) -> None:
    config = SimulatorConfig(
        seed=seed, start_ms=start_ms, days=1, events_per_day=events_per_day, cards=cards, merchants=merchants
    )
    items = list(Simulator(config))
    assert all(a.at_ms <= b.at_ms for a, b in itertools.pairwise(items))
    values = [item.value for item in items if item.topic == "authorizations"]
    assert decode(values, DecodeLimits()).rejects == []
