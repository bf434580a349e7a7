"""The stream as a whole: valid, complete, in order, and the same every time."""

import hashlib
import itertools
import os
import re
import subprocess
import sys

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from models.simulator import Simulator, SimulatorConfig
from scoring.contract.authorization import Authorization
from scoring.contract.label import FraudReport
from scoring.contract.merchant import MerchantRecord
from scoring.decode import DecodeLimits, decode
from tests.examples import examples, sample
from tests.simulator.conftest import Drawn

_RECORDS = {"authorizations": Authorization, "fraud-reports": FraudReport, "merchants": MerchantRecord}
_SMALL = {"days": 1, "events_per_day": 600, "cards": 400, "merchants": 80}


def _digest(config: SimulatorConfig) -> str:
    digest = hashlib.sha256()
    for item in Simulator(config):
        digest.update(repr(item).encode())
    return digest.hexdigest()


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
    hint = re.compile(rb'fraud|typology|episode|"T(1|2|3|4|8|9|11)"', re.IGNORECASE)
    for item in drawn.items:
        if item.topic == "authorizations":
            assert hint.search(item.value.replace(b'"normalised":"FRAUD"', b"")) is None


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


def test_iterating_again_gives_the_same_bytes() -> None:
    simulator = Simulator(SimulatorConfig(seed=5, **_SMALL))
    assert list(simulator) == list(simulator)


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    program = (
        "from models.simulator import SimulatorConfig; from tests.simulator.test_stream import _SMALL, _digest;"
        "print(_digest(SimulatorConfig(seed=5, **_SMALL)))"
    )
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
    assert digests == {_digest(SimulatorConfig(seed=5, **_SMALL))}


def test_another_seed_gives_another_stream() -> None:
    assert _digest(SimulatorConfig(seed=5, **_SMALL)) != _digest(SimulatorConfig(seed=6, **_SMALL))


def test_a_longer_stream_begins_with_the_shorter_one() -> None:
    short = [i for i in Simulator(SimulatorConfig(seed=5, **_SMALL)) if i.topic == "authorizations"]
    long = Simulator(SimulatorConfig(seed=5, **{**_SMALL, "days": 3}))
    assert [i for i in itertools.islice(long, len(short) + 200) if i.topic == "authorizations"][: len(short)] == short


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
