"""Features of several counts, of times and of short memories equal an oracle that keeps everything."""

from collections.abc import Iterable
from dataclasses import replace
from math import isnan

import pytest
from hypothesis import example, given, settings

from scoring.profile import Entity
from tests.examples import examples, is_quick
from tests.profile.events import NAMES, Event, Report, Stream, at
from tests.profile.oracles.derived_oracle import (
    AGES,
    NEW_TO_ACCOUNT,
    NEW_TO_CARD,
    OVER_MEAN,
    RATIOS,
    UNUSUAL,
    ZSCORES,
    Everything,
)
from tests.profile.oracles.oracle import COUNTED, DISTINCT
from tests.profile.oracles.strategies import histories, streams
from tests.profile.test_mature import MATURE
from tests.profile.test_report_streams import OF_CARD, OF_MERCHANT

RATES = {"merchant_report_rate_7d": "7d", "merchant_report_rate_30d": "30d"}
REPORTED = {*OF_CARD.values(), *OF_MERCHANT.values(), "card_reported_30d", "merchant_reported_30d"}
OTHERS = {"card_since_last_s", "parties_new_24h", "card_funds_ladder", *ZSCORES, *UNUSUAL}
MEANS = {"card_mean_amount_30d", "card_spend_1h_over_daily"}


def answered(events: Iterable[Event], amount_min: int = -1) -> list[Event]:
    """Give every attempt an answer: these tests do not cover attempts without one."""
    return [replace(e, outcome=e.outcome or 9, amount=max(e.amount, amount_min)) for e in events]


def check(events: list[Event], names: Iterable[str]) -> None:
    """Compare features with the oracle's, event by event."""
    known, stream = Everything(), Stream()
    for event, got in zip(events, stream.feed(*events), strict=True):
        unusual = known.unusual(event) if set(UNUSUAL) & set(names) else {}
        for name in names:
            wanted = unusual[name] if name in unusual else value_of(name, known, event)
            near = 1e-3 if name in ZSCORES or name in UNUSUAL else 1e-9
            right = isnan(got[name]) if wanted is None else abs(got[name] - wanted) <= near * max(abs(wanted), 1.0)
            assert right, (name, got[name], wanted, event)
        known.add(event)


def value_of(name: str, known: Everything, event: Event) -> float | None:
    if name in RATIOS:
        return known.ratio(name, event)
    if name in OVER_MEAN:
        return known.over_mean(OVER_MEAN[name], event)
    if name in AGES:
        return known.age_days(AGES[name], event)
    if name.startswith("card_new_"):
        return known.new_to_card(name.removeprefix("card_new_"), event)
    if name.startswith("account_new_"):
        return known.new_to_account(name.removeprefix("account_new_"), event)
    if name == "parties_new_24h":
        return known.parties_new(event)
    if name == "card_since_last_s":
        return known.since_s(event)
    return known.zscore(event, ZSCORES[name]) if name in ZSCORES else known.ladder(event)


def test_every_feature_of_the_profiles_has_an_oracle() -> None:
    """Counts, distinct counts and reports have oracles in their own tests."""
    counted = {name for name in NAMES if COUNTED.fullmatch(name) or DISTINCT.fullmatch(name)}
    new = {f"card_new_{what}" for what in NEW_TO_CARD} | {f"account_new_{what}" for what in NEW_TO_ACCOUNT}
    reported = REPORTED | MATURE | set(RATES)
    assert counted | reported | set(RATIOS) | set(OVER_MEAN) | set(AGES) | new | OTHERS == set(NAMES)


@settings(max_examples=examples(40))
@given(streams())
def test_shares_are_ratios_over_their_windows(events: list[Event]) -> None:
    check(answered(events), set(RATIOS) - MEANS)


@settings(max_examples=examples(30))
@given(streams(reversals=False))
def test_amounts_are_set_against_approved_ones(events: list[Event]) -> None:
    check(answered(events, amount_min=1), MEANS | set(OVER_MEAN))


@settings(max_examples=examples(40))
@given(streams())
def test_counts_and_sums_are_those_of_the_running_quarter_and_the_four_before_it(events: list[Event]) -> None:
    """Stricter than the promised bound, which lets a window be a quarter longer."""
    known, stream = Everything(), Stream()
    for event, got in zip(answered(events), stream.feed(*answered(events)), strict=True):
        for name in NAMES:
            match = COUNTED.fullmatch(name)
            if match and event.key(owner := Entity[match[1].upper()]):
                assert got[name] == known.held(owner, match[2], match[3], event), (name, event)
        known.add(event)


@settings(max_examples=examples(40))
@given(streams())
@example([at(k, merchant=1 + k % 11, device=1 + k % 6, mcc=1 + k % 5, country=1 + k % 7) for k in range(60)])
@example([at(60 - k, merchant=1 + k % 11, address=1 + k % 6) for k in range(60)])
@example([at(0), at(86_399), at(86_400), at(86_401), at(86_402, device=2), at(86_403, ip=2), at(86_404, address=2)])
@example([at(k, device=k & 1, ip=k >> 1 & 1, address=k >> 2) for k in range(8)])
@example([at(k, amount=100 + k * k, outcome=1) for k in range(80)])
@example(
    [at(k, amount=1_000 + 37 * (k % 11) + 900 * (k % 29 == 0), outcome=1) for k in range(120 if is_quick() else 300)]
)
@example([at(k, amount=amount, outcome=1) for k, amount in enumerate([1_000] * 5 + [10**6, 1_000, 1, 1, 1_000])])
@example([at(k, amount=amount, outcome=1) for k, amount in enumerate([1_000] * 5 + [1, 1, 1_000, 1_000])])
@example([at(k, amount=9_000 if k < 4 else 10 + 4_000 * (k % 3), outcome=1) for k in range(40)])
def test_times_memories_and_amounts_are_those_of_all_events(events: list[Event]) -> None:
    names = {*AGES, *(f"card_new_{what}" for what in NEW_TO_CARD), "card_since_last_s", *ZSCORES, *UNUSUAL}
    names |= {"parties_new_24h"}
    check(answered(events), names)


@settings(max_examples=examples(40))
@given(streams(reversals=False))
@example([at(k * 3_600, amount=90 - k, outcome=4) for k in range(30)])
@example([at(k * 86_401, amount=90 - k, outcome=4) for k in range(3)])
@example([at(k * 86_400, amount=90 - k // 2, outcome=4) for k in range(5)])
def test_a_ladder_is_declines_for_want_of_funds_at_falling_amounts(events: list[Event]) -> None:
    """Every attempt here is approved or declined for funds; other declines do not change the series."""
    fates = [replace(e, outcome=1 if e.outcome % 4 == 1 else 4, amount=max(e.amount, 1)) for e in events]
    check(fates, {"card_funds_ladder"})


def test_the_keys_of_these_tests_share_no_slot_of_an_account() -> None:
    for what in NEW_TO_ACCOUNT:
        for one in range(1, 4):
            for other in {1, 2, 3} - {one}:
                got = Stream().last(at(0, **{what: one}), at(1, **{what: other}))
                assert got[f"account_new_{what}"] == 1.0, (what, one, other)


@settings(max_examples=examples(40))
@given(streams())
@example([at(0, device=1), at(30 * 86_400, device=1), at(30 * 86_400 + 1, device=2), at(60 * 86_400 + 2, device=1)])
def test_an_element_is_new_to_an_account_if_a_month_does_not_have_it(events: list[Event]) -> None:
    check(answered(events), {f"account_new_{what}" for what in NEW_TO_ACCOUNT})


@settings(max_examples=examples(30))
@given(histories())
def test_the_report_rate_is_reports_over_attempts_drawn_to_ten_bps(steps: list[Event | Report]) -> None:
    """(k + 20 * 0.001) / (n + 20): k reports and n attempts of the merchant in the window."""
    known, stream = Everything(), Stream()
    for step in steps:
        if isinstance(step, Report):
            stream.report(step)
            continue
        got = stream.last(step)
        for name, window in RATES.items():
            if step.merchant == 0:
                assert isnan(got[name])
                continue
            attempts = known.held(Entity.MERCHANT, "attempts", window, step)
            wanted = (got[f"merchant_reports_{window}"] + 0.02) / (attempts + 20)
            assert got[name] == pytest.approx(wanted, rel=1e-12)
        known.add(step)
