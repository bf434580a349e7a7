"""Genuine traffic breaks the rules of 3-D Secure at the stated rates, which are above 0; fraud keeps its signals."""

from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from models.simulator import Item, Planned, Simulator, SimulatorConfig
from models.simulator.events.lapses import LAPSES, RETIRED_2_1_MS, SHARE_2_1
from scoring.clock import UNDATED
from scoring.contract.authorization import Authorization
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import Observer, Settings
from scoring.profile import ProfileLimits
from tests.examples import is_quick
from tests.simulator.days import traffic_of

_ROWS = dict.fromkeys(("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address"), 1 << 12)
_RULES = {
    "TDS01": "tds_cavv_missing",
    "TDS03": "tds_eci_disagrees",
    "TDS04": "tds_refused",
    "TDS20": "tds_missing",
}
"""Rules that the core judges, by their feature; the other rules are judged here from the event."""
_COUNTED = (*_RULES, "TDS05", "CVV2")
_BATCH = 2_000
_decode = msgspec.json.Decoder(Authorization).decode


@dataclass(frozen=True, slots=True)
class Counted:
    """Events that break each rule, and the number of events that the rule is about."""

    broken: Counter[str]
    of: Counter[str]

    def share(self, rule: str) -> float:
        return self.broken[rule] / self.of[LAPSES[rule].of]


def populations(event: Authorization) -> set[str]:
    found = set()
    if event.tds is not None and event.tds.performed:
        found.add("authentications")
        found |= {"Y": {"verdicts Y", "verdicts Y or A"}, "A": {"verdicts Y or A"}}.get(
            event.tds.trans_status or "", set()
        )
    if (event.txn.type, event.txn.channel, event.txn.initiator) == ("purchase", "ecom", "CIT"):
        found.add("e-commerce purchases")
    if event.outcome.approved and event.checks is not None and event.checks.cvv2 in {"M", "N"}:
        found.add("approvals with a code")
    return found


def broken_of(event: Authorization) -> set[str]:
    found = set()
    if event.tds is not None and event.tds.trans_status in {"C", "D", "S"}:
        found.add("TDS05")
    if event.outcome.approved and event.checks is not None and event.checks.cvv2 == "N":
        found.add("CVV2")
    return found


def count(config: SimulatorConfig) -> dict[bool, Counted]:
    """Judge a stream by the core's own rules; the key tells whether it is fraud."""
    observer = Observer(Settings(decode=DecodeLimits(), profiles=ProfileLimits(**_ROWS)))
    simulator, traffic = traffic_of(config)
    merchants = list(simulator.merchants())
    observer.merchant([item.key for item in merchants], [item.value for item in merchants])
    columns = [[feature.name for feature in FEATURES].index(name) for name in _RULES.values()]
    counted = {fraud: Counted(Counter(), Counter()) for fraud in (False, True)}
    items = [item for item in traffic if item.truth is not None]
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        matrix = observer.observe([item.value for item in batch], [UNDATED] * len(batch)).matrix
        for item, flags in zip(batch, (matrix[:, columns] == 1.0).tolist(), strict=True):
            _add(counted, item, {rule for rule, flag in zip(_RULES, flags, strict=True) if flag})
    return counted


def _add(counted: dict[bool, Counted], item: Item, judged: set[str]) -> None:
    assert item.truth is not None
    event, side = _decode(item.value), counted[item.truth.fraud]
    side.broken.update(judged | broken_of(event))
    side.of.update(populations(event))


@pytest.fixture(scope="module")
def counted() -> dict[bool, Counted]:
    return count(SimulatorConfig(seed=5, days=1, events_per_day=60_000, cards=30_000, merchants=1_000))


@pytest.mark.parametrize("rule", _COUNTED)
def test_genuine_traffic_breaks_a_rule_at_its_stated_rate(counted: dict[bool, Counted], rule: str) -> None:
    share = counted[False].share(rule)
    assert 0.4 * LAPSES[rule].share < share < 2.0 * LAPSES[rule].share


@pytest.mark.parametrize("rule", LAPSES)
def test_a_stated_rate_is_small_and_not_zero_and_has_a_reason(rule: str) -> None:
    assert 0.0 < LAPSES[rule].share <= 0.01
    assert LAPSES[rule].why


@pytest.mark.parametrize("rule", _RULES)
def test_fraud_breaks_the_rules_many_times_as_often(counted: dict[bool, Counted], rule: str) -> None:
    assert counted[True].share(rule) > 8 * counted[False].share(rule)


def test_an_enumeration_is_not_approved_over_a_code_that_does_not_match() -> None:
    """Its script tries codes: the issuer declines wrong ones."""
    hours = range(4 if is_quick() else 12)
    runs = tuple(Planned(name=f"run-{n}", typology="T1", at_ms=n * 3_600_000, severity=0.9) for n in hours)
    config = SimulatorConfig(seed=2, days=1, events_per_day=200, cards=500, merchants=80, planned=runs)
    events = [_decode(item.value) for item in Simulator(config).traffic() if item.truth and item.truth.fraud]
    approved = [event.checks.cvv2 for event in events if event.outcome.approved and event.checks is not None]
    assert len(approved) > 50
    assert "N" not in approved


def test_a_failed_verdict_is_not_used_again() -> None:
    _, items = traffic_of(SimulatorConfig(seed=6, days=1, events_per_day=20_000, cards=9_000, merchants=300))
    genuine = (_decode(item.value) for item in items if item.truth and not item.truth.fraud)
    orders = Counter(
        event.txn.order_ref_hmac
        for event in genuine
        if event.tds is not None and event.tds.trans_status in {"N", "R", "C"}
    )
    assert len(orders) > 15
    assert set(orders.values()) == {1}


def test_no_event_uses_a_message_version_after_its_retirement() -> None:
    events_per_day = 1_000 if is_quick() else 8_000
    assert set(_versions(start_ms=RETIRED_2_1_MS, events_per_day=events_per_day)) == {"2.2.0", "2.3.1"}


def test_before_its_retirement_a_version_has_its_share() -> None:
    versions = _versions(start_ms=RETIRED_2_1_MS - 86_400_000, events_per_day=8_000)
    assert versions["2.1.0"] / versions.total() == pytest.approx(SHARE_2_1, rel=0.2)


def _versions(*, start_ms: int, events_per_day: int) -> Counter[str]:
    config = SimulatorConfig(
        seed=3, start_ms=start_ms, days=1, events_per_day=events_per_day, cards=3_000, merchants=200
    )
    events = [_decode(item.value) for item in Simulator(config).traffic() if item.truth is not None]
    return Counter(event.tds.version or "" for event in events if event.tds is not None and event.tds.performed)


def test_a_card_stored_after_the_mandate_names_its_registration_at_shops_with_3ds_on_registration() -> None:
    """Otherwise every payment with the card would count as one without 3-D Secure."""
    config = SimulatorConfig(seed=9, days=1, events_per_day=4_000, cards=2_000, merchants=200)
    events = [_decode(item.value) for item in Simulator(config).traffic() if item.truth is not None]
    named = [event for event in events if event.credential is not None and event.credential.registration_tds_ref]
    assert named
    assert all(event.credential is not None and event.credential.stored for event in named)
    assert np.mean([event.txn.type == "purchase" for event in named]) > 0.8
