"""Digests over kills and flushes: single alerts and those of digests are those of a recount in plain Python."""

import msgspec
import pytest

from scoring.outputs import Emitted
from tests.examples import is_quick
from tests.incidents.test_storm import alerts, attempt, later, new_engine, score
from tests.state.cases.world import digests, policy, recount_digests, step, told, traffic
from tests.state.fakes import TOPICS
from tests.state.policies.world import World, play_with_kills, published

MINUTE = 60_000
RULES = {"alerts_max": 2, "window_minutes": 10, "quiet_minutes": 12}
POLICY = policy(dedup_minutes=1, digest=RULES)
GAPS = (1, 5, 20, 20, 61, 61, 90, 200, 720, 721)


@pytest.mark.parametrize("seed", range(2 if is_quick() else 60))
def test_kills_at_any_point_change_no_digest(seed: int) -> None:
    values = traffic(seed, 0, 120, shops=2, gaps=GAPS)
    world = World(seed, values)

    play_with_kills(world, lambda: POLICY, step, (25, 60, 150))
    made_alerts = published(world, TOPICS.alerts)
    assert len({alert["alert_id"] for alert in made_alerts}) == len(made_alerts)
    single, made = recount_digests(
        values, published(world, TOPICS.decisions), RULES["alerts_max"], 10 * MINUTE, 12 * MINUTE
    )
    assert sorted(told(world)) == sorted(single)
    assert sorted(digests(made_alerts)) == sorted(made)
    assert "OPENED" in {one.state for one in made}


@pytest.mark.parametrize("seconds", [(5.0, 800.0), (800.0, 5.0)])
def test_any_payment_of_a_batch_tells_that_the_quiet_time_is_over(seconds: tuple[float, float]) -> None:
    engine = new_engine(rules=POLICY)
    done = {"phase": "POST_AUTH", "approved": True, "response_code": "00"}
    opened = alerts([score(engine, [attempt(n, n, yen=3_000, outcome=done) for n in range(3)])])
    assert [one.digest and one.digest.state for one in opened] == [None, None, "OPENED"]
    assert alerts([score(engine, [later(5.5)])]) == []
    (closed,) = alerts([score(engine, [later(at) for at in seconds])])
    assert closed.digest is not None
    assert closed.digest.state == "CLOSED"


DONE = {"phase": "POST_AUTH", "approved": True, "response_code": "00"}
FLOOD = [attempt(n, n, yen=3_000, outcome=DONE) for n in range(5)]


def test_what_a_predecessor_published_of_a_digest_is_not_published_again() -> None:
    """In another order of partitions a digest opens later, when no input is applied again any more."""
    (opened,) = [one for one in alerts([score(new_engine(rules=POLICY), FLOOD)]) if one.digest]
    scanned, started = new_engine(rules=POLICY), new_engine(rules=POLICY)
    score(scanned, [later(0.5)], emitted=Emitted(incidents=frozenset({opened.alert_id})))
    assert started.restore_cases([msgspec.json.encode(opened)]) == 0
    for engine in (scanned, started):
        outputs = score(engine, FLOOD)
        assert [one.event_id for one in alerts([outputs])] == ["a-0", "a-1"]
        assert (outputs.tally.alerts_in_digests, outputs.tally.digests) == (3, {})
        assert engine.alerting.open_digests == 1


def test_an_alert_that_a_predecessor_published_singly_is_in_no_digest() -> None:
    engine = new_engine(rules=POLICY)
    first = score(engine, FLOOD[:3], emitted=Emitted(alerts=frozenset({b"a-2"})))
    assert [one.event_id for one in alerts([first])] == ["a-0", "a-1"]
    (opened,) = alerts([score(engine, FLOOD[3:])])
    assert opened.digest is not None
    assert (opened.event_id, opened.count, opened.digest.examples) == ("a-3", 1, ["a-3"])
