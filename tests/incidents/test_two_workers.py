"""What a consumer of alerts meets where two workers open one incident at once, and the rule by which it stays right.

The rule (ADR 0025): take each `alert_id` once; keep one open incident for each `dedup_key`, the latest alert is what is
known of it; CLOSED ends it.
"""

from collections.abc import Iterable

import pytest

from scoring.contract.alert import Alert, Enumeration
from scoring.engine import Engine
from scoring.profile.packed import Packed
from tests.incidents.test_storm import alerts, attempt, later, new_engine, of_incidents, score

QUIET_S = 1_800


def workers() -> tuple[Engine, Engine]:
    """Return two workers: partition 0 belongs to the first, partition 1 to the second."""
    pair = new_engine(2), new_engine(2)
    for partition, engine in enumerate(pair):
        engine.changelog.own(partition)
    return pair


def follow(pair: tuple[Engine, Engine]) -> None:
    """Flush both, and have each read the rows of the other."""
    logs = [
        [Packed(one.keys.copy(), one.values.copy(), one.ends.copy()) for one in engine.changelog.flush(partition)]
        for partition, engine in enumerate(pair)
    ]
    for partition, log in enumerate(logs):
        for packed in log:
            pair[1 - partition].changelog.restore(partition, packed)


def consumed(made: Iterable[Alert]) -> tuple[list[Enumeration], dict[str, Enumeration]]:
    """Consume alerts by the rule. Return the incidents that ended, and those that are open, by dedup key."""
    seen: set[str] = set()
    ended: list[Enumeration] = []
    is_open: dict[str, Enumeration] = {}
    for alert in made:
        if alert.alert_id in seen or alert.incident is None:
            continue
        seen.add(alert.alert_id)
        is_open[alert.dedup_key] = alert.incident
        if alert.incident.state == "CLOSED":
            ended.append(is_open.pop(alert.dedup_key))
    return ended, is_open


def attack(pair: tuple[Engine, Engine], first_s: float) -> list[Alert]:
    """Try 60 cards at each worker before they read each other's rows, and 400 after; end long after it."""
    made: list[Alert] = []
    for begin, end in ((0, 120), (120, 520), (520, 920)):
        for partition, engine in enumerate(pair):
            values = [attempt(k, first_s + k / 10) for k in range(begin + partition, end, 2)]
            made += alerts([score(engine, values, partition)])
        follow(pair)
    for partition, engine in enumerate(pair):
        made += alerts([score(engine, [later(first_s + 92 + QUIET_S + 1 + partition)], partition)])
    return of_incidents(made)


def test_two_workers_may_publish_one_alert_twice_and_its_id_tells() -> None:
    made = attack(workers(), 0)
    opened = [alert for alert in made if alert.incident and alert.incident.state == "OPENED"]
    assert len(opened) == 2
    assert len({alert.alert_id for alert in opened}) == len({alert.dedup_key for alert in opened}) == 1
    later_ones = [alert.alert_id for alert in made if alert not in opened]
    assert len(set(later_ones)) == len(later_ones), "once they have read each other's rows one of them leads"
    ended, is_open = consumed(made)
    assert is_open == {}
    assert [incident.attempts for incident in ended] == [920]


@pytest.mark.parametrize("before_s", [1, 3, 5])
def test_openings_on_both_sides_of_a_quiet_time_have_two_ids_and_are_one_incident_of_their_key(before_s: int) -> None:
    """The start is 03:00, a multiple of the quiet time, so ids change half an hour later, amid the two openings."""
    pair = workers()
    first = [attempt(k, QUIET_S - before_s + k / 50) for k in range(25)]  # opens before the boundary
    second = [attempt(100 + k, QUIET_S + k / 50) for k in range(25)]
    made = alerts([score(pair[0], first, 0)]) + alerts([score(pair[1], second, 1)])
    follow(pair)
    for partition, engine in enumerate(pair):
        made += alerts([score(engine, [attempt(200 + partition, QUIET_S + 5)], partition)])
        follow(pair)
    for partition, engine in enumerate(pair):
        made += alerts([score(engine, [later(3 * QUIET_S + partition)], partition)])
    told = of_incidents(made)
    assert len({alert.incident.incident_id for alert in told if alert.incident}) == 2
    assert len({alert.dedup_key for alert in told}) == 1
    ended, is_open = consumed(told)
    assert is_open == {}
    assert [incident.attempts for incident in ended] == [52]
