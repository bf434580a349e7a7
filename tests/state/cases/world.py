"""Traffic whose alerts have cases, and a recount of cases in plain Python from what was decided."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec

from scoring.contract.authorization import Authorization
from scoring.contract.decision import Decision
from scoring.decide.alerts import subject_of
from scoring.policy import Policy, policy_from
from tests.events import encoded, token
from tests.incidents.test_storm import START
from tests.state.fakes import TOPICS
from tests.state.policies.world import World

MINUTE = 60_000
WINDOW_MS, QUIET_MS = 15 * MINUTE, 30 * MINUTE
BANDS = ("ALLOW", "REVIEW", "STEP_UP", "BLOCK")
SEVERITY = {"REVIEW": "MEDIUM", "STEP_UP": "HIGH", "BLOCK": "CRITICAL"}


def policy(**alerts: object) -> Policy:
    """Decide by the amount alone, so that severities rise and fall within a case."""
    off = {"review": 1000, "step_up": 1000, "block": 1000}
    said = {"text": {"en": "large", "ja": "高額"}, "author": "a", "reason": "r", "mode": "on"}
    bounds = (("review", 2_000), ("step_up", 4_000), ("block", 8_000))
    rules = [{"id": action, "when": f"payment.amount_jpy > {yen}", "action": action} | said for action, yen in bounds]
    return policy_from({"version": "c", "global": off, "rules": rules, "alerts": alerts})


GAPS = (1, 1, 5, 20, 20, 400, 950)
"""Seconds between payments: bursts, and gaps of about a window."""


def traffic(seed: int, partition: int, count: int, *, shops: int = 3, gaps: Sequence[int] = GAPS) -> list[bytes]:
    """Make payments of few cards and devices, some of them repeats, some late."""
    choose = random.Random(f"{seed} {partition}")  # noqa: S311 -- a seed, no secret
    made: list[bytes] = []
    second = 0.0
    for number in range(count):
        second += choose.choice(gaps)
        if number % 13 == 12:
            made.append(made[-choose.randint(1, 3)])
            continue
        late = choose.choice((0, 0, 0, 0, 60, 1_000))
        at = START + timedelta(seconds=max(second - late, 0))
        yen = choose.choice((1_000, 3_000, 3_000, 5_000, 9_000))
        made.append(
            encoded(
                event_id=f"e-{partition}-{number}",
                event_ts=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                card={"pan_hmac": token(f"card-{partition}-{choose.randrange(4)}")},
                merchant={"id": f"m-{choose.randrange(shops)}"},
                device={"fp_hmac": token(f"device-{choose.randrange(2)}")},
                amount={"minor": yen, "currency": "JPY", "exponent": 0},
                outcome={"phase": "POST_AUTH", "approved": True, "response_code": "00"},
            )
        )
    return made


class Told(NamedTuple):
    """What an alert says of its case."""

    event_id: str
    dedup_key: str
    severity: str
    first_ms: int
    last_ms: int
    count: int
    at_risk_jpy: int


class _Case:
    def __init__(self) -> None:
        self.members: list[tuple[int, int, int]] = []  # time, band, yen

    def is_over(self, at_ms: int, *, is_incident: bool) -> bool:
        if not self.members:
            return True
        begin, last = self.members[0][0], max(at for at, _, _ in self.members)
        return at_ms - last > QUIET_MS if is_incident else at_ms - begin > WINDOW_MS


def recount(values: Iterable[bytes], decided: Sequence[dict[str, Any]]) -> list[Told]:
    """Put decisions, in their order, into cases as lists of members, and say what each alert must tell."""
    events = {event.event_id: event for event in (msgspec.json.decode(one, type=Authorization) for one in values)}
    cases: dict[str, _Case] = {}
    made = []
    for one in decided:
        decision, event = msgspec.convert(one, Decision), events[one["decision_id"]]
        band = BANDS.index(decision.band)
        if band == 0:
            continue
        subject, at_ms = subject_of(event, decision.reasons), round(event.event_ts.timestamp() * 1_000)
        case = cases.setdefault(subject.dedup_key, _Case())
        if case.is_over(at_ms, is_incident=subject.type == "INCIDENT"):
            case.members.clear()
        highest = max((found for _, found, _ in case.members), default=0)
        case.members.append((at_ms, band, event.amount.minor))
        if band > highest:
            times = [at for at, _, _ in case.members]
            yen = sum(amount for _, _, amount in case.members)
            made.append(
                Told(
                    event.event_id,
                    subject.dedup_key,
                    SEVERITY[decision.band],
                    times[0],
                    max(times),
                    len(times),
                    yen,
                )
            )
    return made


def told(world: World) -> list[Told]:
    """Return what the published alerts of cases say."""
    found = [msgspec.json.decode(value) for value in world.broker.values(TOPICS.alerts)]
    names = ("event_id", "dedup_key", "severity", "first_seen_ms", "last_seen_ms", "count", "at_risk_jpy")
    return [Told(*(one[name] for name in names)) for one in found if not one.get("digest")]


def members_of(values: Iterable[bytes], decided: Sequence[dict[str, Any]]) -> Counter[str]:
    """Count the decisions that may alert, by dedup key."""
    events = {event.event_id: event for event in (msgspec.json.decode(one, type=Authorization) for one in values)}
    found = [msgspec.convert(one, Decision) for one in decided if one["band"] != "ALLOW"]
    return Counter(subject_of(events[one.decision_id], one.reasons).dedup_key for one in found)
