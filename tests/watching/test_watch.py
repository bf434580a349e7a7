"""A watched model: figures equal a recount of all that was decided and heard, over restarts and moved partitions."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.engine import Engine
from scoring.watching import figures as figures_module
from scoring.watching.figures import Figures
from tests.examples import examples
from tests.watching import recount
from tests.watching.stream import NAMES, RULES, Event, History, Log, Report, baseline, new_engine, run, stream


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures_module, "ROWS_MIN", 3)


def close(found: Mapping[object, float], expected: Mapping[object, float]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9), name


def check(found: Figures, histories: list[History]) -> None:
    """Compare figures with the recount."""
    decided = [one for history in histories for one in history.decided]
    last = max(recount.last_day(history.decided) for history in histories)
    payments = [kept for history in histories for kept in recount.remembered(history.decided)]
    fraud = recount.frauds(one for history in histories for one in history.heard)
    recent = {days: recount.counted(decided, last - days + 1) for days in (2, 8, 28)}
    assert found.counted == {"1d": len(recent[2]), "7d": len(recent[8]), "28d": len(recent[28])}
    said = baseline()
    psi = {"1d": recent[2], "7d": recent[8], "28d": recent[28]}
    close(found.score_psi, {name: recount.score_psi_of(said, ones) for name, ones in psi.items() if len(ones) >= 3})
    close(found.input_psi, recount.psi_of(said, NAMES, recent[8]) if len(recent[8]) >= 3 else {})
    fresh = recent[2] if len(recent[2]) >= 3 else []
    missing = (
        {name: sum(one.values[k] != one.values[k] for one in fresh) / len(fresh) for k, name in enumerate(NAMES)}
        if fresh
        else {}
    )
    close(found.missing, missing)
    unseen = {
        name: sum(recount.place_of(said.inputs[name], one.values[k]) == "unseen" for one in fresh) / len(fresh)
        for k, name in enumerate(NAMES)
        if said.inputs[name].categories is not None and fresh
    }
    close(found.unseen, unseen)
    assert found.labelled == recount.labelled(payments, fraud, last)
    close(found.calibration, recount.calibration(payments, fraud, last))
    assert found.rules == recount.by_rule(payments, fraud, last, RULES)
    assert found.remembered == len(payments)
    first = min((one.day for one, _ in payments), default=last + 1)
    assert found.remembered_days == last - first + 1


@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_figures_equal_a_recount_over_restarts_and_moves(data: st.DataObject) -> None:
    steps = stream(
        data.draw(st.integers(0, 10**6)), data.draw(st.integers(30, 250)), data.draw(st.sampled_from([3, 40, 120]))
    )
    engines = [new_engine(), new_engine()]
    owner = [0, 1]
    logs, histories = [Log(), Log()], [History(), History()]
    for partition in (0, 1):
        engines[owner[partition]].changelog.own(partition)
    queues: list[list[Event | Report]] = [
        [step for step in steps if step.partition == partition] for partition in (0, 1)
    ]
    while any(queues):
        partition = data.draw(st.sampled_from([number for number in (0, 1) if queues[number]]))
        queue, kind = queues[partition], type(queues[partition][0])
        most = next((k for k, step in enumerate(queue) if type(step) is not kind), len(queue))
        size = min(most, data.draw(st.sampled_from([3, 20, 100])))
        run(engines[owner[partition]], queue[:size], histories[partition])
        del queue[:size]
        then = data.draw(st.sampled_from(["", "", "", "", "flush", "restart", "move"]))
        if then:
            logs[partition].take(engines[owner[partition]].changelog.flush(partition))
        if then == "move":
            move(engines, owner, logs[partition], partition, is_compacted=data.draw(st.booleans()))
        if then == "restart":
            restart(engines, owner, logs, partition, is_compacted=data.draw(st.booleans()))
    for number, engine in enumerate(engines):
        mine = [histories[partition] for partition in (0, 1) if owner[partition] == number]
        if any(history.decided for history in mine):
            check(engine.watch.figures(RULES), mine)


@pytest.mark.parametrize("days", [1, 90])
def test_figures_of_many_events_equal_a_recount(days: int) -> None:
    engine, history = new_engine(1), History()
    waiting: list[Event | Report] = []
    for step in stream(7, 900, days, 1):
        if waiting and (type(step) is not type(waiting[0]) or len(waiting) == 200):
            run(engine, waiting, history)
            waiting = []
        waiting.append(step)
    run(engine, waiting, history)
    found = engine.watch.figures(RULES)
    assert found.counted["28d"] > 10
    check(found, [history])


def move(engines: list[Engine], owner: list[int], log: Log, partition: int, *, is_compacted: bool) -> None:
    """Give a partition to the other worker, after a flush."""
    engines[owner[partition]].changelog.forget_cards(partition)
    engines[owner[partition]].changelog.forget_shared(partition)
    owner[partition] = 1 - owner[partition]
    log.restore(engines[owner[partition]], partition, is_compacted=is_compacted)


def restart(engines: list[Engine], owner: list[int], logs: list[Log], partition: int, *, is_compacted: bool) -> None:
    """Start the owner of a partition anew, after a flush of all that it owns."""
    number = owner[partition]
    other = 1 - partition
    if owner[other] == number:
        logs[other].take(engines[number].changelog.flush(other))
    engines[number] = new_engine()
    for mine in (0, 1):
        if owner[mine] == number:
            logs[mine].restore(engines[number], mine, is_compacted=is_compacted)
