"""Ordinary traffic resembles an acquirer's: its rhythm, its mix, and its similarities with fraud."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta, timezone

import pytest

from models.simulator import Item, Simulator, SimulatorConfig
from models.simulator.events.lapses import LAPSES
from scoring.contract.authorization import Authorization
from tests.examples import is_quick
from tests.simulator.conftest import Drawn
from tests.simulator.days import QUICK_DAY, traffic_of

_TOKYO = timezone(timedelta(hours=9))
_AUTHENTICATED = {"mastercard": "02"}
_ATTEMPTED = {"mastercard": "01"}
_NONE = {"mastercard": "00"}
_FOREIGN = {"mastercard": "05"}


def _genuine(drawn: Drawn) -> list[Authorization]:
    return [event for event in drawn.events if not drawn.truth[event.event_id].fraud]


def test_the_number_of_events_is_the_one_asked_for(drawn: Drawn) -> None:
    config = drawn.simulator.config
    assert len(_genuine(drawn)) == pytest.approx(config.days * config.events_per_day, rel=0.06)


def test_fraud_is_three_to_five_in_a_thousand_without_enumeration(drawn: Drawn) -> None:
    fraud = total = 0
    for items in _large_streams(drawn):
        truth = [item.truth for item in items if item.truth is not None]
        fraud += sum(t.fraud and t.typology != "T1" for t in truth)
        total += len(truth)
    # Episodes make the share of one stream vary; the share of three together has a standard deviation of a seventh.
    assert 0.0025 < fraud / total < 0.0062


def _large_streams(drawn: Drawn) -> Iterator[Iterable[Item]]:
    """Give three streams; in the inner loop two, which other tests read too."""
    if is_quick():
        yield drawn.items
        yield traffic_of(QUICK_DAY)[1]
        return
    for seed in (1, 2, 3):
        yield Simulator(SimulatorConfig(seed=seed, days=2, events_per_day=20_000, cards=15_000, merchants=400))


def test_nights_are_quiet_and_evenings_are_busy_in_tokyo(drawn: Drawn) -> None:
    by_hour: dict[str, Counter[int]] = defaultdict(Counter)
    for event in _genuine(drawn):
        by_hour[event.txn.channel][event.event_ts.astimezone(_TOKYO).hour] += event.txn.initiator == "CIT"
    assert by_hour["ecom"][21] > 3 * by_hour["ecom"][4]
    assert by_hour["card_present"][12] > 10 * by_hour["card_present"][3]


def test_a_few_cards_and_merchants_carry_much_of_the_traffic(drawn: Drawn) -> None:
    genuine = _genuine(drawn)
    for name, share in (("card", 0.3), ("merchant", 0.35)):
        counts = Counter(e.card.pan_hmac if name == "card" else e.merchant.id for e in genuine)
        top = sorted(counts.values(), reverse=True)[: max(1, len(counts) // 10)]
        assert share < sum(top) / len(genuine) < 0.9


def test_all_kinds_of_event_occur(drawn: Drawn) -> None:
    genuine = _genuine(drawn)
    kinds = Counter(e.txn.type for e in genuine)
    assert {"purchase", "refund", "reversal", "account_verification"} <= set(kinds)
    assert Counter(e.txn.channel for e in genuine).keys() == {"ecom", "card_present", "moto"}
    assert 0.02 < sum(e.txn.initiator == "MIT" for e in genuine) / len(genuine) < 0.09
    assert 0.003 < sum(e.amount.currency != "JPY" for e in genuine) / len(genuine) < 0.08


def test_the_ecommerce_indicator_agrees_with_status_and_network(drawn: Drawn) -> None:
    checked = fixed = silent = 0
    for event in _genuine(drawn):
        if event.tds is None or not event.tds.performed:
            continue
        table, other = {"Y": (_AUTHENTICATED, "05"), "A": (_ATTEMPTED, "06")}.get(
            event.tds.trans_status or "", (_NONE, "07")
        )
        assert event.tds.eci is not None
        eci, agreeing = event.tds.eci.zfill(2), table.get(event.card.network, other)
        if event.tds.trans_status == "Y" and eci != agreeing:  # one ECI for all verdicts, or another network's
            none, foreign = _NONE.get(event.card.network, "07"), _FOREIGN.get(event.card.network, "00")
            assert eci in {none, foreign}
            fixed += 1
        else:
            assert eci == agreeing
        due, given = event.tds.trans_status in {"N", "U", "R"}, event.tds.trans_status_reason is not None
        assert due or not given
        silent += due and not given
        checked += 1
    assert checked > 1_000
    assert 0 < fixed < 2 * LAPSES["TDS03"].share * checked
    assert silent < 2 * LAPSES["TDS19"].share * checked


def test_authentication_answers_are_mixed_as_issuers_are(drawn: Drawn) -> None:
    status = Counter(e.tds.trans_status for e in _genuine(drawn) if e.tds is not None and e.tds.performed)
    total = status.total()
    assert 0.6 < status["Y"] / total < 0.9
    assert 0.06 < status["A"] / total < 0.3
    assert all(0 < status[s] / total < 0.06 for s in "NURC")


def test_genuine_declines_occur_at_natural_rates(drawn: Drawn) -> None:
    genuine = [e for e in _genuine(drawn) if e.txn.type == "purchase"]
    codes = Counter(e.outcome.normalised for e in genuine)
    assert 0.02 < 1 - codes["APPROVED"] / len(genuine) < 0.08
    assert {"FUNDS", "GENERIC", "BAD_CRED", "TECH", "BAD_PAN", "FRAUD", "POLICY"} <= set(codes)


def test_addresses_are_hardly_ever_verified_and_some_providers_pass_no_device_or_line(drawn: Drawn) -> None:
    online = [e for e in _genuine(drawn) if e.txn.channel == "ecom" and e.txn.initiator == "CIT"]
    assert sum(e.checks is not None and e.checks.avs in {"Y", "A", "Z", "N"} for e in online) < 0.03 * len(online)
    assert 0.1 < sum(e.device is None for e in online) / len(online) < 0.6
    assert 0.05 < sum(e.net is None for e in online) / len(online) < 0.5


def test_genuine_cards_share_devices_lines_and_addresses(drawn: Drawn) -> None:
    cards: dict[str, set[str]] = defaultdict(set)
    for event in _genuine(drawn):
        for prefix, token in (
            ("device", event.device and event.device.fp_hmac),
            ("ip", event.net and event.net.ip_hmac),
            ("address", event.ship and event.ship.addr_hmac),
        ):
            if token:
                cards[prefix + token].add(event.card.pan_hmac)
    for prefix in ("device", "ip", "address"):
        assert sum(len(shared) > 2 for key, shared in cards.items() if key.startswith(prefix)) > 3


def test_travellers_pay_in_person_with_foreign_cards(drawn: Drawn) -> None:
    present = [e for e in _genuine(drawn) if e.txn.channel == "card_present"]
    foreign = [e for e in present if e.card.issuer_country != "JP"]
    assert 0.03 < len(foreign) / len(present) < 0.12
    assert {"5", "2"} & {e.pos.entry_mode[1] for e in foreign if e.pos is not None and e.pos.entry_mode}


def test_a_reversal_names_an_order_that_was_approved_before(drawn: Drawn) -> None:
    approved: dict[str | None, tuple[str, str]] = {}
    found = 0
    for event in drawn.events:
        order = event.txn.order_ref_hmac
        if event.txn.type == "purchase" and event.outcome.approved:
            approved[order] = (event.card.pan_hmac, event.merchant.id)
        elif event.txn.type == "reversal":
            assert approved[order] == (event.card.pan_hmac, event.merchant.id)
            found += 1
    assert found > 20
