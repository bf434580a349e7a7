"""What merchants say of accounts is said at stated rates, of good customers and of takeovers, and never contradicts."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

import numpy as np
import orjson
import pytest

from models.simulator import SimulatorConfig
from models.simulator.episodes import ATTACKS
from models.simulator.episodes.scene import Scene
from models.simulator.events.render import Renderer
from models.simulator.world import World, build
from models.simulator.world.draw import generator
from models.simulator.world.tables import ITEM_STATUSES
from tests.examples import is_quick, sample
from tests.simulator.days import traffic_of

Json = dict[str, Any]

_CONFIG: Final = SimulatorConfig(seed=6, days=1, events_per_day=120_000, cards=60_000, merchants=1_500)
_SIGMAS: Final = 4.5
"""Deviations that are allowed: one good draw in 150,000 would be refused."""

_CHANGED: Final = {"01": 0.015, "02": 0.040, "03": 0.039, "04": 0.906}
_PASSWORD: Final = {"01": 0.632, "02": 0.010, "03": 0.032, "04": 0.031, "05": 0.295}
_ALARMED: Final = {"01": 0.997, "02": 0.003}
_SENT: Final = ("account_change_ind", "password_change_ind", "suspicious_activity")


@cache
def genuine() -> tuple[Json, ...]:
    """Return the genuine events of a day."""
    _, items = traffic_of(_CONFIG)
    told = [item.value for item in items if item.truth is not None and not item.truth.fraud]
    return tuple(map(orjson.loads, sample(told, step=2)))


@cache
def takeover_world() -> World:
    """Build the world of the takeovers."""
    return build(SimulatorConfig(seed=4, cards=4_000, merchants=600, quiet_share=0.0))


@cache
def taken_over() -> tuple[tuple[Json, ...], ...]:
    """Return many takeovers without camouflage, each in order of time, where the merchant tells of accounts."""
    world, episodes = takeover_world(), []
    for number in range(120 if is_quick() else 400):
        scene = Scene(world=world, rng=generator(4, 98, number), start_ms=world.config.start_ms, severity=0.6)
        rows = ATTACKS["T4"](scene)
        rows["serial"] = np.arange(rows.size)
        rows = rows[world.merchants.account_info[rows["merchant"]]]
        if rows.size:
            episodes.append(tuple(orjson.loads(value) for _, value in Renderer(world).events(rows)))
    return tuple(episodes)


def of_shopper(event: Json, name: str) -> str | None:
    found: str | None = event.get("shopper", {}).get(name)
    return found


def members(age: str) -> list[Json]:
    """Return the genuine events of accounts of an age whose merchant tells of them."""
    return [e for e in genuine() if of_shopper(e, "account_age_ind") == age and of_shopper(e, _SENT[0])]


def check_shares(codes: Iterable[str], wanted: dict[str, float]) -> None:
    """Compare shares of codes with their targets, within what chance allows."""
    counts = Counter(codes)
    total = counts.total()
    assert set(counts) <= set(wanted)
    for code, share in wanted.items():
        sigma = math.sqrt(share * (1 - share) / total)
        assert abs(counts[code] / total - share) < _SIGMAS * sigma + 0.5 / total, (code, counts[code], total)


@pytest.mark.parametrize(("name", "wanted"), [*zip(_SENT, (_CHANGED, _PASSWORD, _ALARMED), strict=True)])
def test_good_customers_of_old_accounts_change_data_and_passwords_at_the_stated_rates(
    name: str, wanted: dict[str, float]
) -> None:
    old = members("05")
    assert len(old) > 1_000
    check_shares((e["shopper"][name] for e in old), wanted)


def test_two_of_five_merchants_tell_and_they_tell_of_members_only() -> None:
    shops: dict[str, bool] = {}
    for event in genuine():
        known = [of_shopper(event, name) is not None for name in _SENT]
        assert all(known) or not any(known)
        if of_shopper(event, "account_hmac") and event["txn"]["initiator"] == "CIT":
            assert shops.setdefault(event["merchant"]["id"], known[0]) == known[0]
        else:
            assert not any(known)
            assert "usage_ind" not in event.get("ship", {}), event["psp"]
    assert len(shops) > 100
    sigma = math.sqrt(0.4 * 0.6 / len(shops))
    assert abs(sum(shops.values()) / len(shops) - 0.4) < _SIGMAS * sigma


def usages(events: Iterable[Json]) -> Iterable[str]:
    return (e["ship"]["usage_ind"] for e in events if "usage_ind" in e.get("ship", {}))


def test_nothing_happened_to_an_account_before_it_was_created() -> None:
    allowed: dict[str, tuple[set[str], set[str], set[str]]] = {
        "02": ({"01"}, {"01"}, {"01"}),
        "03": ({"01", "02"}, {"01", "02", "03"}, {"01", "02"}),
        "04": ({"01", "02", "03"}, {"01", "02", "03", "04"}, {"01", "02", "03"}),
    }
    for age, (changes, passwords, uses) in allowed.items():
        young = members(age)
        assert {e["shopper"]["account_change_ind"] for e in young} == changes
        assert {e["shopper"]["password_change_ind"] for e in young} <= passwords
        assert set(usages(young)) == uses


def test_most_goods_go_to_an_address_that_the_account_has_used_for_long() -> None:
    counts = Counter(usages(members("05")))
    total = counts.total()
    assert total > 400
    # 82 % go home, of them 92 % long since; of all other addresses 40 %
    wanted = 0.82 * 0.92 + 0.18 * 0.40
    assert abs(counts["04"] / total - wanted) < _SIGMAS * math.sqrt(wanted * (1 - wanted) / total) + 0.02
    assert 0.05 < counts["01"] / total < 0.16


def share(of: Callable[[tuple[Json, ...]], bool]) -> float:
    return sum(map(of, taken_over())) / len(taken_over())


def test_a_third_of_the_thieves_change_the_password_and_half_the_data_of_the_account() -> None:
    """A few holders did so themselves: 4.2 % the password, 5.5 % the data."""
    n = len(taken_over())
    assert n > 30
    locked = share(lambda events: all(of_shopper(e, "password_change_ind") in {"02", "03"} for e in events))
    changed = share(lambda events: all(of_shopper(e, "account_change_ind") in {"01", "02"} for e in events))
    assert abs(locked - 0.36) < _SIGMAS * math.sqrt(0.36 * 0.64 / n)
    assert abs(changed - 0.51) < _SIGMAS * math.sqrt(0.51 * 0.49 / n)


@pytest.mark.parametrize(("declares", "wanted"), [(False, 0.05), (True, 0.25)])
def test_measures_against_illegal_login_raise_alarms_in_some_takeovers(declares: bool, wanted: float) -> None:
    """The holder's own account raises one in 0.3 %, which is less than chance."""
    codes = [of_shopper(e, "suspicious_activity") for events in taken_over() for e in events if guarded(e) == declares]
    assert len(codes) > 25
    assert abs(codes.count("02") / len(codes) - wanted) < _SIGMAS * math.sqrt(wanted * (1 - wanted) / len(codes)) + 0.01


def guarded(event: Json) -> bool:
    """Tell whether the merchant of a takeover lacks no measure against illegal login (SC6)."""
    shops = takeover_world().merchants
    return bool(shops.items[shops.ids.index(event["merchant"]["id"]), 5] != ITEM_STATUSES.index("NOT_IMPLEMENTED"))


def test_a_new_address_is_used_for_the_first_time_once_in_each_account() -> None:
    firsts = 0
    for events in taken_over():
        seen = set()
        for event in events:
            usage = event.get("ship", {}).get("usage_ind")
            if usage == "01":
                place = (event["card"]["pan_hmac"], event["ship"]["addr_hmac"])
                assert place not in seen
                seen.add(place)
                firsts += 1
    assert firsts > 10
