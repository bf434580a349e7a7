"""Input that was published before a restart updates the profiles like new input, and is not published again."""

from collections.abc import Set as AbstractSet

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.contract.alert import Alert
from scoring.engine import Engine
from scoring.outputs import NOTHING, Emitted, Outputs, Source
from tests.engine.test_engine import NOW_MS, TRAFFIC, decisions, new_engine, report, source
from tests.events import encoded, in_two_phases
from tests.examples import examples

BROKEN = b'{"broken"'
STREAM = [
    value if number % 17 else BROKEN
    for number, value in enumerate(in_two_phases(TRAFFIC[:120], every=3) + TRAFFIC[120:200])
]


def score(engine: Engine, values: list[bytes], emitted: Emitted = NOTHING, first: int = 0) -> Outputs:
    return engine.score(
        values,
        source(len(values), first=first),
        received_at_ms=NOW_MS,
        decided_at_ms=lambda: NOW_MS,
        emitted=emitted,
    )


def ids(outputs: Outputs) -> set[bytes]:
    return {decision.decision_id.encode() for decision in decisions(outputs)}


def raised(outputs: Outputs) -> dict[str, bytes]:
    return {msgspec.json.decode(value, type=Alert).event_id: value for _, value in outputs.alerts}


def adds_up(outputs: Outputs) -> None:
    tally = outputs.tally
    answers = sum(tally.answers.values())
    assert tally.events == len(outputs.decisions) + len(outputs.dead_letters) + tally.repeats + answers + tally.replayed
    assert sum(tally.dead_letters.values()) == len(outputs.dead_letters)
    assert sum(tally.bands.values()) == sum(tally.clocks.values()) == len(outputs.decisions)
    assert sum(tally.threeds.values()) == len(outputs.decisions)
    assert sum(tally.alerts.values()) == len(outputs.alerts)


@settings(max_examples=examples(15))
@given(st.data())
def test_any_part_of_the_outputs_may_have_been_published_before(data: st.DataObject) -> None:
    """Compared with an uninterrupted run: a restart that finds any part of each kind of output."""
    until = data.draw(st.integers(1, len(STREAM)))
    plain, again = new_engine(), new_engine()
    whole = score(plain, STREAM[:until])
    every = {
        "decisions": sorted(ids(whole)),
        "alerts": sorted(name.encode() for name in raised(whole)),
        "dead_letters": [number for number in range(until) if STREAM[number] == BROKEN],
    }
    chosen = {
        kind: frozenset(data.draw(st.sets(st.sampled_from(of)))) if of else frozenset() for kind, of in every.items()
    }
    part = score(again, STREAM[:until], Emitted(**chosen))
    adds_up(part)
    assert ids(part) == ids(whole) - chosen["decisions"]
    assert part.decisions == [made for made in whole.decisions if _id(made) not in chosen["decisions"]]
    assert {name.encode() for name in raised(part)} == set(every["alerts"]) - chosen["alerts"]
    assert set(raised(part).items()) <= set(raised(whole).items())
    assert len(part.dead_letters) == len(every["dead_letters"]) - len(chosen["dead_letters"])
    assert set(part.dead_letters) <= set(whole.dead_letters)
    assert part.tally.letter_runs == whole.tally.letter_runs
    assert (part.tally.repeats, part.tally.answers) == (whole.tally.repeats, whole.tally.answers)
    rest = score(plain, STREAM[until:], first=until), score(again, STREAM[until:], first=until)
    assert rest[0] == rest[1], "profiles and open cases must be the same"


def _id(made: tuple[bytes, bytes]) -> bytes:
    name: str = msgspec.json.decode(made[1])["decision_id"]
    return name.encode()


def test_a_replayed_event_and_its_repeat_from_upstream_are_distinguished() -> None:
    outputs = score(new_engine(), [encoded(), encoded(), encoded(event_id="e-2")], Emitted(decisions={b"e-1"}))
    assert (outputs.tally.replayed, outputs.tally.repeats, len(outputs.decisions)) == (1, 1, 1)
    adds_up(outputs)


def test_refused_events_count_as_published_by_their_offsets_only() -> None:
    values, known = [BROKEN, encoded(), BROKEN], Emitted(dead_letters={40, 41})
    outputs = score(new_engine(), values, known, first=40)
    assert [msgspec.json.decode(value)["offset"] for _, value in outputs.dead_letters] == [42]
    assert (outputs.tally.replayed, len(outputs.decisions)) == (1, 1)
    adds_up(outputs)


@pytest.mark.parametrize(("known", "letters"), [({7}, 0), ({6, 8}, 1), (set(), 1)])
def test_fraud_reports_that_were_refused_get_one_dead_letter(known: AbstractSet[int], letters: int) -> None:
    engine = new_engine()
    values = [report("e-0", "2026-05-01T00:00:00Z"), b"{}"]
    where = Source(topic="fraud-reports", partition=0, offsets=[6, 7], timestamps_ms=[1, 1])
    outputs = engine.report(values, where, received_at_ms=NOW_MS, emitted=Emitted(dead_letters=known))
    assert len(outputs.dead_letters) == sum(outputs.tally.dead_letters.values()) == letters
    assert outputs.tally.reports == {"FRAUD": 1}
    assert outputs.tally.events == 1 + letters + outputs.tally.replayed
    assert outputs.tally.letter_runs == (0, 1, 1)


def large(name: str) -> bytes:
    return encoded(event_id=name, amount={"minor": 9_000_000})


def test_a_published_alert_keeps_its_case_closed_to_a_second_one() -> None:
    before, after, forgetful = new_engine(), new_engine(), new_engine()
    published = [value for _, value in score(before, [large("e-1")]).alerts]
    assert len(published) == 1
    after.restore_cases(published)
    assert after.reach_of_cases_ms > 0
    assert len(score(forgetful, [large("e-2")]).alerts) == 1
    outputs = score(after, [large("e-2")])
    assert outputs.alerts == score(before, [large("e-2")]).alerts == []
    assert outputs.tally.alerts_suppressed == 1


def test_an_alert_that_was_not_published_is_published_after_its_decision() -> None:
    outputs = score(new_engine(), [large("e-1")], Emitted(decisions={b"e-1"}))
    assert outputs.decisions == []
    assert list(raised(outputs)) == ["e-1"]
    assert score(new_engine(), [large("e-1")], Emitted(decisions={b"e-1"}, alerts={b"e-1"})).alerts == []
