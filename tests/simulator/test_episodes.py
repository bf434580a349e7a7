"""Each typology leaves its known traces, though not on every event."""

from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.simulator import EpisodeRates, Planned, Simulator, SimulatorConfig, demo
from models.simulator.config import DAY_MS, TYPOLOGIES, Typology
from models.simulator.episodes import ATTACKS
from models.simulator.episodes.scene import Scene
from models.simulator.events.render import Renderer
from models.simulator.events.rows import Rows
from models.simulator.world import World, build
from models.simulator.world.draw import generator
from models.simulator.world.tables import REVERSAL
from scoring.contract.authorization import Authorization
from tests.examples import examples, is_quick

_CALM = EpisodeRates(t1=0, t2=0, t3=0, t4=0, t8=0, t9=0, t11=0)
_WORLD = build(SimulatorConfig(seed=3, cards=4_000, merchants=300, quiet_share=0.0))
_RENDERER = Renderer(_WORLD)
_decode = msgspec.json.Decoder(Authorization).decode


def _attack(typology: Typology, number: int, severity: float, world: World = _WORLD) -> Rows:
    scene = Scene(world=world, rng=generator(3, 99, number), start_ms=world.config.start_ms, severity=severity)
    rows = ATTACKS[typology](scene)
    rows["serial"] = np.arange(rows.size)
    return rows


def _events(typology: Typology, number: int, severity: float = 0.8) -> list[Authorization]:
    return [_decode(value) for _, value in _RENDERER.events(_attack(typology, number, severity))]


@settings(max_examples=examples(80))
@given(typology=st.sampled_from(TYPOLOGIES), number=st.integers(0, 2**31), severity=st.floats(0, 1))
def test_any_episode_is_made_of_valid_events_after_its_start(typology: Typology, number: int, severity: float) -> None:
    rows = _attack(typology, number, severity)
    assert rows.size > 0
    # A failed one-time password may come minutes before the first purchase.
    assert rows["time_ms"].min() >= _WORLD.config.start_ms - 150_000
    assert (rows["time_ms"] == rows["at_ms"]).all()
    for key, value in _RENDERER.events(rows):
        assert _decode(value).card.pan_hmac.encode() == key


@pytest.mark.parametrize("number", range(5))
def test_t1_tries_the_numbers_of_one_bin_at_one_merchant_and_is_mostly_declined(number: int) -> None:
    events = _events("T1", number)
    assert len(events) > 200
    assert len({(e.merchant.id, e.card.bin) for e in events}) == 1
    assert len({e.card.pan_hmac for e in events}) > 0.5 * len(events)
    answers = Counter(e.outcome.normalised for e in events)
    assert answers["BAD_PAN"] + answers["BAD_CRED"] > 0.7 * len(events)
    assert answers["APPROVED"] < 0.08 * len(events)
    # Some runs use known numbers and try expiry dates instead.
    assert answers["BAD_PAN"] > 0.15 * len(events)


def test_t1_is_mostly_bad_pan_over_many_runs() -> None:
    answers = Counter(e.outcome.normalised for n in range(24) for e in _events("T1", n, 0.1))
    assert answers.most_common(1)[0][0] == "BAD_PAN"
    assert answers["BAD_PAN"] > 0.4 * answers.total()


def test_t1_never_touches_a_card_of_the_population() -> None:
    population = {_RENDERER.card_token(card) for card in range(_WORLD.people.cards)}
    assert not population & {e.card.pan_hmac for n in range(3) for e in _events("T1", n)}


def test_t1_comes_fast_and_slow() -> None:
    fast, slow = (float(np.median(np.diff(np.sort(_attack("T1", 1, s)["time_ms"])))) for s in (1.0, 0.05))
    assert fast < 1_000
    assert slow > 10_000


def test_t2_tries_many_cards_for_small_sums_from_few_devices() -> None:
    events = [e for n in range(12) for e in _events("T2", n)]
    small = [e for e in events if (e.amount.jpy or e.amount.minor) <= 500 and e.txn.type == "purchase"]
    assert len(small) > 0.6 * len(events)
    assert sum(e.outcome.approved or False for e in small) > 0.6 * len(small)
    assert any(e.txn.type == "reversal" for e in events)


def test_t3_spends_one_card_in_a_burst_at_falling_amounts_after_funds_declines() -> None:
    ladders = 0
    for number in range(12):
        rows = _attack("T3", number, 0.9)
        assert len(set(rows["card"].tolist())) == 1
        answer, jpy = rows["answer"], rows["jpy"]
        ladders += sum(int(answer[i - 1] == 3 and jpy[i] < jpy[i - 1]) for i in range(1, rows.size))
    assert ladders > 3


def test_t3_below_a_severity_is_a_single_purchase() -> None:
    assert all(_attack("T3", number, 0.1).size == 1 for number in range(10))


def test_t4_uses_an_old_account_with_its_card_on_file_from_a_device_it_never_had() -> None:
    for number in range(8):
        for e in _events("T4", number):
            assert e.credential is not None
            assert e.credential.stored
            assert e.shopper is not None
            assert e.shopper.account_hmac is not None
            assert e.shopper.account_age_ind in {"04", "05"}


def test_t8_crosses_a_border() -> None:
    for number in range(10):
        for e in _events("T8", number):
            assert e.net is not None
            assert e.net.ip_country is not None
            assert len({e.merchant.country, e.card.issuer_country, e.net.ip_country}) > 1


def test_t9_passes_the_challenge_and_sends_many_cards_to_few_addresses() -> None:
    for number in range(8):
        events = _events("T9", number)
        passed = [e for e in events if e.tds is not None and e.tds.acs_challenge_mandated == "Y"]
        assert sum(e.tds is not None and e.tds.trans_status == "Y" for e in passed) > 0.5 * len(events)
        addresses = {e.ship.addr_hmac for e in events if e.ship is not None}
        assert len(addresses) <= 3
        assert len({e.card.pan_hmac for e in events}) >= 3


def test_t11_contradicts_itself_or_repeats_a_proof_or_steers_to_attempts() -> None:
    tricks = Counter()
    for number in range(24):
        tds = [e.tds for e in _events("T11", number) if e.tds is not None and e.tds.performed]
        proofs = [t.cavv_hmac for t in tds if t.cavv_hmac]
        tricks["attempts"] += all(t.trans_status == "A" for t in tds)
        tricks["no proof"] += not proofs and any(t.trans_status == "Y" for t in tds)
        tricks["contradiction"] += any(t.trans_status in {"N", "R", "U"} and t.cavv_hmac for t in tds)
        tricks["reuse"] += len(proofs) > 2 and len(set(proofs)) == 1
    assert all(tricks[trick] >= 2 for trick in ("attempts", "no proof", "contradiction", "reuse"))
    assert sum(tricks.values()) == 24


def test_camouflage_keeps_the_habits_of_the_victim() -> None:
    world = build(SimulatorConfig(seed=3, cards=4_000, merchants=300, quiet_share=1.0))
    for number in range(5):
        rows = _attack("T3", number, 0.9, world)
        assert all(merchant in world.people.home_online[card] for card, merchant in rows[["card", "merchant"]].tolist())
        assert set((rows["account"] // 300).tolist()) <= {-1, int(world.people.person[rows["card"][0]])}


def test_a_reversal_of_fraud_is_not_fraud_itself() -> None:
    plan = tuple(Planned(name=f"testing-{i}", typology="T2", at_ms=i * 3_600_000, severity=0.9) for i in range(12))
    config = SimulatorConfig(seed=2, days=1, events_per_day=200, cards=500, merchants=80, episodes=_CALM, planned=plan)
    reversals = [
        item.truth
        for item in Simulator(config)
        if item.truth is not None and _decode(item.value).txn.type == "reversal"
    ]
    assert len(reversals) > 3
    assert not any(truth.fraud for truth in reversals)
    assert any((_attack("T2", n, 0.9)["type"] == REVERSAL).any() for n in range(10))


def test_planned_episodes_happen_when_planned_under_their_names() -> None:
    plan = (
        Planned(name="noon", typology="T1", at_ms=12 * 3_600_000, severity=0.9),
        Planned(name="second-day", typology="T3", at_ms=DAY_MS + 5_000, severity=0.5),
    )
    config = SimulatorConfig(seed=2, days=2, events_per_day=300, cards=500, merchants=80, episodes=_CALM, planned=plan)
    first: dict[str | None, int] = {}
    for item in Simulator(config):
        if item.truth is not None and item.truth.fraud:
            first.setdefault(item.truth.episode, item.at_ms - config.start_ms)
    assert first == {p.name: p.at_ms for p in plan}


def test_the_demo_day_has_named_episodes_of_every_typology_and_no_others() -> None:
    config = demo(history_days=0)
    assert config.events_per_day == 60_000
    if is_quick():
        config = msgspec.structs.replace(config, events_per_day=6_000, cards=10_000)
    seen: dict[str, set[str]] = {}
    genuine = 0
    for item in Simulator(config):
        if item.truth is None:
            continue
        genuine += not item.truth.fraud
        if item.truth.typology is not None and item.truth.episode is not None:
            seen.setdefault(item.truth.typology, set()).add(item.truth.episode)
    assert genuine == pytest.approx(config.events_per_day, rel=0.08)
    assert set(seen) == set(TYPOLOGIES)
    assert {p.name for p in config.planned} <= set().union(*seen.values())
    for typology, names in seen.items():
        assert len(names) >= 3, typology
