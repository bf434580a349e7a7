"""One attack is one incident: whatever the order, the cut into batches, the partition and the worker."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from scoring.incidents import registry as module
from scoring.incidents.opening import Opening
from scoring.incidents.registry import NOTHING, Registry
from tests.incidents.traffic import (
    APPROVED,
    BAD_PAN,
    BIN,
    FUNDS,
    NOON,
    QUIET_MS,
    SHOP,
    Event,
    Naive,
    Told,
    batch_of,
    stream,
    take,
    told_by,
)

OPENS = (Opening(BIN, 15, 15, 12),)


def storm(n: int, first_ms: int = NOON, gap_ms: int = 100) -> list[Event]:
    """Make an attack: its first event opens the incident."""
    return [Event(at_ms=first_ms + gap_ms * k, card=k, band=3, openings=OPENS if k == 0 else ()) for k in range(n)]


def cut(draw: random.Random, events: list[Event]) -> list[list[Event]]:
    """Cut a stream into batches of any size."""
    batches, at = [], 0
    while at < len(events):
        size = draw.choice([1, 1, 2, 7, 60])
        batches.append(events[at : at + size])
        at += size
    return batches


def close_enough(found: list[Told], wanted: list[Told]) -> None:
    """Compare all but the number of cards exactly, and that within the error of the estimate."""
    assert [replace(told, cards=0) for told in found] == [replace(told, cards=0) for told in wanted]
    for estimated, exact in zip(found, wanted, strict=True):
        assert abs(estimated.cards - exact.cards) <= max(4, 0.08 * exact.cards)


@pytest.mark.parametrize("seed", range(40))
def test_incidents_are_those_of_plain_lists_however_the_stream_is_cut(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 -- seeded
    events, naive, registry = stream(draw, 400), Naive(), Registry(QUIET_MS, 2)
    wanted = [told for row, event in enumerate(events) for told in naive.take(event, row)]
    found, members, row = [], [], 0
    for batch in cut(draw, events):
        taken = take(registry, batch)
        found += told_by(taken, row)
        members += sorted(member + row for member in taken.rows)
        row += len(batch)
    assert Counter(told.state for told in wanted).keys() == {"OPENED", "GREW", "CLOSED"}
    close_enough(found, wanted)
    assert members == naive.members


def test_ten_thousand_attempts_are_one_incident_and_five_alerts() -> None:
    registry, later = Registry(QUIET_MS, 2), Event(at_ms=NOON + 10_000_000, merchant=9)
    events = storm(10_000)
    taken = [take(registry, events[at : at + 500]) for at in range(0, 10_000, 500)] + [take(registry, [later])]
    told = [one for each in taken for one in told_by(each)]
    assert [(one.state, one.attempts) for one in told] == [
        ("OPENED", 16), ("GREW", 100), ("GREW", 1_000), ("GREW", 10_000), ("CLOSED", 10_015),
    ]  # fmt: skip
    assert len({step.incident.incident for each in taken for step in each.steps}) == 1
    assert sum(len(each.rows) for each in taken) == 10_000
    assert told[-1].flagged == 10_000
    assert told[-1].cards == pytest.approx(10_015, rel=0.08)
    assert (told[-1].start_ms, told[-1].last_ms) == (NOON, NOON + 999_900)


def test_without_an_attack_nothing_is_kept_and_nothing_told() -> None:
    registry = Registry(QUIET_MS, 2)
    assert take(registry, [Event(at_ms=NOON + k, merchant=k) for k in range(50)]) == NOTHING
    assert len(registry.parts) == 0


def test_an_id_is_of_what_the_incident_is_about_and_of_its_time() -> None:
    def first(event: Event) -> bytes:
        return take(Registry(QUIET_MS, 2), [event]).steps[0].incident.incident

    event = storm(1)[0]
    inside = event.at_ms - event.at_ms % QUIET_MS
    assert first(event) == first(replace(event, card=77)) == first(replace(event, at_ms=inside))
    others = [
        replace(event, at_ms=inside - 1),
        replace(event, at_ms=inside + QUIET_MS),
        replace(event, bin=11),
        replace(event, openings=(Opening(SHOP, 0, 0, 0),)),
    ]
    assert len({first(event), *map(first, others)}) == 5


def test_an_incident_about_the_merchant_does_not_open_while_a_bin_stands_out() -> None:
    registry, both = Registry(QUIET_MS, 2), (Opening(SHOP, 40, 40, 0),)
    told = told_by(take(registry, [*storm(3), Event(at_ms=NOON + 500, bin=11, openings=both)]))
    assert [(one.state, one.scope) for one in told] == [("OPENED", BIN)]
    later = NOON + 500 + QUIET_MS
    told = told_by(take(registry, [Event(at_ms=later, bin=11, openings=both), Event(at_ms=later, bin=12)]))
    assert [(one.state, one.scope, one.attempts) for one in told] == [("CLOSED", BIN, 18), ("OPENED", SHOP, 41)]


def test_beyond_the_limit_no_incident_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARTS_MAX", 2)
    registry = Registry(QUIET_MS, 2)
    told = told_by(take(registry, [Event(at_ms=NOON, bin=number, openings=OPENS) for number in (1, 2, 3)]))
    assert len(told) == len(registry.parts) == 2


def test_parts_long_over_are_forgotten() -> None:
    registry = Registry(QUIET_MS, 2)
    take(registry, storm(2))
    take(registry, [Event(at_ms=NOON + 100 + QUIET_MS + 1, merchant=9)])
    assert len(registry.parts) == 1, "closed, and kept so that no other partition takes it for open"
    take(registry, [Event(at_ms=NOON + 100 + 2 * QUIET_MS, merchant=9)])
    assert len(registry.parts) == 1
    take(registry, [Event(at_ms=NOON + 100 + 2 * QUIET_MS + 1, merchant=9)])
    assert (len(registry.parts), registry.parts.of_merchant) == (0, {})


def test_outcomes_that_come_on_their_own_count_in_the_mix_and_are_no_attempts() -> None:
    registry = Registry(QUIET_MS, 2)
    take(registry, [replace(event, outcome=0) for event in storm(3)])
    late = [Event(at_ms=NOON + 400, outcome=outcome) for outcome in (BAD_PAN, APPROVED, FUNDS, FUNDS, 0)]
    batch = batch_of(
        [*late, Event(at_ms=NOON, merchant=2), Event(at_ms=NOON, bin=11), Event(at_ms=NOON - QUIET_MS - 1)]
    )
    registry.answer(batch.merchants, batch.bins, batch.outcomes, batch.at_ms, 0)
    (closed,) = told_by(take(registry, [Event(at_ms=NOON + 201 + QUIET_MS, merchant=9)]))
    assert (closed.attempts, closed.answers, closed.last_ms) == (18, (1, 13, 2, 0, 0), NOON + 200)


def test_the_alert_of_a_rising_band_is_of_its_event_and_others_repeat_an_earlier_one() -> None:
    registry = Registry(QUIET_MS, 2)
    bands = [1, 1, 2, 1, 3, 3]
    events = [replace(event, band=band) for event, band in zip(storm(6), bands, strict=True)]
    events += [replace(event, band=0) for event in storm(100, NOON + 1_000)[1:]]
    steps = take(registry, [*events, Event(at_ms=NOON + 10 * QUIET_MS)]).steps
    assert [(step.row, step.state, step.incident.band, step.is_of_event) for step in steps] == [
        (0, "OPENED", 1, True), (2, "GREW", 2, True), (4, "GREW", 3, True), (84, "GREW", 3, False),
        (105, "CLOSED", 3, False),
    ]  # fmt: skip
