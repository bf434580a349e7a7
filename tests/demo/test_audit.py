"""The balance holds only if the topics and the worker account for every event once."""

from dataclasses import replace

import pytest

from scoring.clock import UNDATED
from scoring.decode import DecodeLimits
from scoring.observer import Observer, Settings
from scoring.outputs import Outputs, Tally
from scoring.profile import ProfileLimits
from scoring.profile.row_plans import IDS
from streams.demo.audit import Audit, Balance, Inputs, counted
from streams.kafka.settings import Topics
from streams.telemetry.facts import Telemetry
from streams.transport.batch import Batch
from tests.events import encoded

GOOD = Balance(events=10, decisions=7, dead_letters=2, repeats=1)
AUDIT = Audit(topics=GOOD, worker=GOOD, late=0, undecided=0, duplicates=0, reasons={})


def test_it_holds_when_everything_adds_up_on_both_sides() -> None:
    assert AUDIT.holds


@pytest.mark.parametrize(
    "wrong",
    [
        {"topics": replace(GOOD, events=11), "worker": replace(GOOD, events=11)},
        {"worker": replace(GOOD, decisions=8, repeats=0)},
        {"undecided": 1},
        {"duplicates": 1},
    ],
)
def test_it_does_not_hold_when_an_event_is_left_over(wrong: dict[str, object]) -> None:
    assert not replace(AUDIT, **wrong).holds  # type: ignore[arg-type]


def test_the_workers_own_count_leaves_out_dead_letters_of_other_topics() -> None:
    telemetry = Telemetry(Topics())
    batch = Batch(
        topic="authorizations",
        partition=0,
        polled_at_ms=0,
        polled_ns=0,
        offsets=range(10),
        timestamps_ms=[0] * 10,
        values=[b""] * 10,
    )
    scored = Tally(events=10, repeats=1, bands={"ALLOW": 6, "BLOCK": 1}, dead_letters={"EMPTY": 1, "WRONG_TYPE": 1})
    telemetry.scored(batch, Outputs(tally=scored))
    telemetry.taken("fraud-reports", Outputs(tally=Tally(events=4, dead_letters={"EMPTY": 4})))
    assert counted(telemetry.exposition().decode()) == GOOD


def taken(*ids: str, acquirer: str = "acq-1") -> Inputs:
    inputs = Inputs()
    for event_id in ids:
        inputs.take(b"card", encoded(event_id=event_id, acquirer={"id": acquirer}), is_refused=False)
    return inputs


def test_an_id_among_the_last_of_its_card_is_a_repeat() -> None:
    others = [f"o-{i}" for i in range(IDS - 1)]
    inputs = taken("e", *others, "e", "e")
    assert inputs.repeats == 2
    assert inputs.expected["e"] == 1
    assert inputs.events == IDS + 2


def test_an_id_that_left_its_cards_row_must_be_decided_again() -> None:
    inputs = taken("e", *(f"o-{i}" for i in range(IDS)), "e")
    assert inputs.repeats == 0
    assert inputs.expected["e"] == 2


def test_a_refused_record_is_not_read() -> None:
    inputs = Inputs()
    inputs.take(b"card", b"not JSON", is_refused=True)
    assert (inputs.events, inputs.refused, inputs.expected.total()) == (1, 1, 0)


def test_the_engine_finds_the_same_repeats() -> None:
    ids = ["e", *(f"o-{i}" for i in range(IDS - 1)), "e", "p", "e", *(f"q-{i}" for i in range(IDS)), "e"]
    values = [encoded(event_id=event_id) for event_id in ids]
    observer = Observer(Settings(decode=DecodeLimits(), profiles=ProfileLimits(card=64, merchant=64)))
    observed = observer.observe(values, [UNDATED] * len(values))
    inputs = taken(*ids)
    assert int(observed.repeats.sum()) == inputs.repeats > 0
