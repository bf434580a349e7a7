"""Genuine authentications break each rule at its stated rate, counted by rules written here from their texts."""

import math
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
import orjson
import pytest

from models.simulator import SimulatorConfig
from models.simulator.episodes import ATTACKS
from models.simulator.episodes.scene import Scene
from models.simulator.events.lapses import LAPSES
from models.simulator.events.render import Renderer
from models.simulator.world import build
from models.simulator.world.draw import generator
from scoring import threeds
from scoring.clock import UNDATED
from scoring.contract.codes import EciClass, ThreeDsStatus
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.observer import Observer, Settings
from scoring.profile import ProfileLimits
from tests.examples import is_quick
from tests.simulator.days import traffic_of

_CONFIG = SimulatorConfig(seed=5, days=1, events_per_day=200_000, cards=60_000, merchants=1_500)
_ROWS = dict.fromkeys(("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address"), 1 << 12)
_SLOPPY, _OTHERS = 5.0, 0.92
"""The rate of broken rules at a badly configured shop, and at others, where the mean is 1."""
_UNLIKELY = 1e-6
_NEW = ("TDS02", "TDS07", "TDS14", "TDS15", "TDS19")
_ODD = ("TDS06", "TDS11", "TDS13", "TDS17", "TDS18", "TDS22")
"""Rules that no feature shows; the decision shows them."""
_CHECKED_NETWORKS = {"visa", "amex"}

Json = dict[str, Any]


def _eci(event: Json) -> str:
    return str(event["tds"]["eci"]).zfill(2)


def _impossible(event: Json) -> bool:
    network, series = event["card"]["network"], event.get("credential", {}).get("stored") or event["txn"]["recurring"]
    if network == "mastercard":
        return _eci(event) not in {"00", "01", "02", "04", "06", "07"}
    stored = {"02", "03"} if network == "visa" and series else set()
    return _eci(event) not in {"05", "06", "07"} | stored | ({"08"} if network == "visa" else set())


def _disagrees(event: Json) -> bool:
    status, mastercard = event["tds"]["trans_status"], event["card"]["network"] == "mastercard"
    agreeing = {"Y": "05", "A": "06"}.get(status, "07")
    return _eci(event) != ({"05": "02", "06": "01", "07": "00"}[agreeing] if mastercard else agreeing)


def _wrong_age(event: Json) -> bool:
    paid, authenticated = (datetime.fromisoformat(text) for text in (event["event_ts"], event["tds"]["auth_ts"]))
    return not timedelta(0) <= paid - authenticated <= timedelta(days=90)


_BREAKS: Final[dict[str, Callable[[Json], bool]]] = {
    "TDS01": lambda e: "cavv_hmac" not in e["tds"] and "cavv" not in e.get("checks", {}),
    "TDS02": _impossible,
    "TDS03": _disagrees,
    "TDS04": lambda e: e["tds"]["trans_status"] in {"N", "R"},
    "TDS05": lambda e: e["tds"]["trans_status"] in {"C", "D", "S"},
    "TDS06": lambda e: e["tds"].get("cavv_wellformed") is False,
    "TDS07": lambda e: e["card"]["network"] in _CHECKED_NETWORKS and e.get("checks", {}).get("cavv") in set("1479"),
    "TDS11": lambda e: e["tds"]["ds_trans_id"].count("-") != 4,
    "TDS13": lambda e: e["tds"].get("purchase_currency", e["amount"]["currency"]) != e["amount"]["currency"],
    "TDS14": lambda e: e["amount"]["minor"] > e["tds"]["purchase_amount"],
    "TDS15": _wrong_age,
    "TDS17": lambda e: "challenge_ind" in e["tds"] and e["tds"]["version"] == "2.2.0",
    "TDS18": lambda e: e["tds"]["device_channel"] == "03" and e["txn"]["initiator"] == "CIT",
    "TDS19": lambda e: e["tds"]["trans_status"] in {"N", "U", "R"} and "trans_status_reason" not in e["tds"],
    "TDS22": lambda e: e["pos"]["entry_mode"] in {"02", "05", "07", "90", "91"},
}
"""The condition by which each rule is broken, for an authentication."""

_OF: Final[dict[str, Callable[[Json], bool]]] = {
    "authentications": lambda e: True,
    "verdicts Y": lambda e: e["tds"]["trans_status"] == "Y",
    "verdicts Y or A": lambda e: e["tds"]["trans_status"] in {"Y", "A"},
    "verdicts N, U or R": lambda e: e["tds"]["trans_status"] in {"N", "U", "R"},
    "checked cryptograms": lambda e: "cavv" in e.get("checks", {}),
}


def _at_most(count: int, of: int, share: float) -> float:
    """Return the probability of `count` or fewer among `of`, with the given share of each (binomial)."""
    choose = (math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1) for k in range(count + 1))
    return math.fsum(math.exp(c + k * math.log(share) + (of - k) * math.log1p(-share)) for k, c in enumerate(choose))


@pytest.fixture(scope="module")
def authenticated() -> list[tuple[Json, float]]:
    """Give the genuine authentications of a day, each with the weight of its shop."""
    simulator, items = traffic_of(_CONFIG)
    shops = simulator.world.merchants
    weight = {name: _SLOPPY if sloppy else _OTHERS for name, sloppy in zip(shops.ids, shops.sloppy_tds, strict=True)}
    events = (
        orjson.loads(item.value)
        for item in items
        if item.truth is not None and not item.truth.fraud and b'"performed":true' in item.value
    )
    return [(event, weight[event["merchant"]["id"]]) for event in events]


@pytest.mark.parametrize("rule", _BREAKS)
def test_the_count_of_a_broken_rule_is_likely_at_its_stated_rate_and_at_no_rate_far_from_it(
    authenticated: list[tuple[Json, float]], rule: str
) -> None:
    lapse, of, breaks = LAPSES[rule], _OF[LAPSES[rule].of], _BREAKS[rule]
    among = [(breaks(event), weight) for event, weight in authenticated if of(event)]
    broken = sum(is_broken for is_broken, _ in among)
    share = lapse.share * math.fsum(weight for _, weight in among) / len(among)
    assert _at_most(broken, len(among), share) > _UNLIKELY, (broken, len(among), share)
    assert _at_most(broken - 1, len(among), share) < 1.0 - _UNLIKELY, (broken, len(among), share)
    if is_quick():
        return
    # the sample is large enough: neither no lapse nor ten times as many would pass
    assert _at_most(0, len(among), share) < _UNLIKELY
    assert _at_most(broken, len(among), 10 * share) < _UNLIKELY


def test_the_core_shows_a_rule_broken_where_the_text_breaks_it() -> None:
    observer = Observer(Settings(decode=DecodeLimits(), profiles=ProfileLimits(**_ROWS)))
    _, items = traffic_of(SimulatorConfig(seed=29, days=1, events_per_day=40_000, cards=15_000, merchants=600))
    values = [item.value for item in items if b'"performed":true' in item.value]
    names = [feature.name for feature in FEATURES]
    differing, broken = [], Counter[str]()
    for start in range(0, len(values), 2_000):
        batch = values[start : start + 2_000]
        seen = observer.observe(batch, [UNDATED] * len(batch))
        rules = seen.verdicts[:, threeds.RULES].tolist()
        for value, row, bits in zip(batch, seen.matrix.tolist(), rules, strict=True):
            event, shown = orjson.loads(value), _shown(dict(zip(names, row, strict=True)))
            shown |= {rule for rule in _ODD if bits >> int(rule[3:]) & 1}
            stated = {rule for rule in (*_NEW, *_ODD) if _BREAKS[rule](event)}
            broken.update(stated)
            differing += [event["event_id"]] * (stated != shown)
    assert not differing
    assert set(broken) == {*_NEW, *_ODD}


def _shown(feature: dict[str, float]) -> set[str]:
    unfinished = {ThreeDsStatus.NOT_AUTHENTICATED, ThreeDsStatus.UNAVAILABLE, ThreeDsStatus.REJECTED}
    rules = {
        "TDS02": feature["tds_eci_class"] == EciClass.IMPOSSIBLE,
        "TDS07": feature["tds_cavv_failed"] == 1.0,
        "TDS14": feature["tds_amount_over"] > 1.0,
        "TDS15": not 0.0 <= feature["tds_age_s"] <= 90 * 86_400.0,
        "TDS19": feature["tds_status"] in unfinished and math.isnan(feature["tds_reason"]),
    }
    return {rule for rule, broken in rules.items() if broken}


@pytest.mark.parametrize("rule", [*_NEW, *_ODD])
def test_fraud_against_3d_secure_breaks_a_rule_many_times_as_often(rule: str) -> None:
    """Otherwise a model would take the lapse of a genuine shop for a sign that a payment is genuine."""
    events = _attacks()
    of = sum(_OF[LAPSES[rule].of](event) for event in events)
    broken = sum(_BREAKS[rule](event) for event in events)
    assert broken > 8 * LAPSES[rule].share * of


@cache
def _attacks() -> list[Json]:
    world = build(SimulatorConfig(seed=3, cards=4_000, merchants=300, quiet_share=0.0))
    renderer, events = Renderer(world), list[Json]()
    for number in range(60):
        rows = ATTACKS["T11"](Scene(world=world, rng=generator(3, 98, number), start_ms=0, severity=0.6))
        rows["serial"] = np.arange(rows.size)
        events += [orjson.loads(value) for _, value in renderer.events(rows) if b'"performed":true' in value]
    return events
