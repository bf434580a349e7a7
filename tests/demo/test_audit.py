"""The balance holds only if every event is accounted for once, by the topics and by the worker."""

from dataclasses import replace

import pytest

from scoring.outputs import Outputs, Tally
from streams.demo.audit import Audit, Balance, counted
from streams.telemetry.facts import Telemetry
from streams.transport.batch import Batch
from streams.transport.settings import Topics

GOOD = Balance(events=10, decisions=7, dead_letters=2, repeats=1)
AUDIT = Audit(topics=GOOD, worker=GOOD, undecided=0, duplicates=0, reasons={})


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
def test_it_does_not_hold_when_anything_is_left_over(wrong: dict[str, object]) -> None:
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
    telemetry.reported(batch, Outputs(tally=Tally(events=4, dead_letters={"EMPTY": 4})))
    assert counted(telemetry.exposition().decode()) == GOOD
