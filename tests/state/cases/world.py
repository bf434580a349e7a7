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
from tests.state.policies.world import PolicyWorker, World

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


async def step(world: World, worker: PolicyWorker, partition: int) -> None:
    """Apply some events, or flush."""
    if world.random.randrange(5):
        worker.apply(partition, world.random.randint(1, 12))
    else:
        await worker.flush()


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

    def is_over(self, at_ms: int, window_ms: int, *, is_incident: bool) -> bool:
        if not self.members:
            return True
        begin, last = self.members[0][0], max(at for at, _, _ in self.members)
        return at_ms - last > QUIET_MS if is_incident else at_ms - begin > window_ms


def recount(values: Iterable[bytes], decided: Sequence[dict[str, Any]], window_ms: int = WINDOW_MS) -> list[Told]:
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
        if case.is_over(at_ms, window_ms, is_incident=subject.type == "INCIDENT"):
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


def told_by(alert: dict[str, Any]) -> Told:
    """Return what an alert of a case says."""
    names = ("event_id", "dedup_key", "severity", "first_seen_ms", "last_seen_ms", "count", "at_risk_jpy")
    return Told(*(alert[name] for name in names))


def told(world: World) -> list[Told]:
    """Return what the published alerts of cases say."""
    found = [msgspec.json.decode(value) for value in world.broker.values(TOPICS.alerts)]
    return [told_by(alert) for alert in found if "digest" not in alert]


class Digest(NamedTuple):
    """What an alert of a digest says."""

    merchant: str
    state: str
    severity: str
    first_ms: int
    last_ms: int
    count: int
    at_risk_jpy: int
    reasons: tuple[tuple[str, int], ...]
    examples: tuple[str, ...]


def digests(alerts: Iterable[dict[str, Any]]) -> list[Digest]:
    """Return what the alerts of digests say."""
    return [
        Digest(
            one["merchant_id"],
            one["digest"]["state"],
            one["severity"],
            one["first_seen_ms"],
            one["last_seen_ms"],
            one["count"],
            one["at_risk_jpy"],
            tuple((reason["id"], reason["alerts"]) for reason in one["digest"]["reasons"]),
            tuple(one["digest"]["examples"]),
        )
        for one in alerts
        if "digest" in one
    ]


class _Flood:
    def __init__(self) -> None:
        self.fired: list[int] = []  # times of all alerts
        self.taken: list[tuple[int, str, int, str, str]] = []  # time, severity, yen, reason, event

    def told(self, merchant: str, state: str) -> Digest:
        times, severities, yen, reasons, events = zip(*self.taken, strict=True)
        counts = sorted(Counter(reasons).items(), key=lambda pair: (-pair[1], pair[0]))
        severity = "HIGH" if "HIGH" in severities else "MEDIUM"
        return Digest(
            merchant, state, severity, times[0], max(times), len(times), sum(yen), tuple(counts[:5]), events[:5]
        )


def recount_digests(
    values: Sequence[bytes], decided: Sequence[dict[str, Any]], most: int, window_ms: int, quiet_ms: int
) -> tuple[list[Told], list[Digest]]:
    """Say which alerts are single ones, and what those of digests tell, by going over the input event by event.

    Cases last a minute.
    """
    waiting = {one.event_id: one for one in recount(values, decided, MINUTE)}
    reasons = {one["decision_id"]: one["reasons"][0]["id"] for one in decided if one["reasons"]}
    floods: dict[str, _Flood] = {}
    single, made = [], []
    for event in (msgspec.json.decode(value, type=Authorization) for value in values):
        at_ms = round(event.event_ts.timestamp() * 1_000)
        for merchant in [name for name, one in floods.items() if one.taken]:
            if at_ms > max(taken[0] for taken in floods[merchant].taken) + quiet_ms:
                made.append(floods.pop(merchant).told(merchant, "CLOSED"))
        alert, merchant = waiting.pop(event.event_id, None), event.merchant.id
        if alert is None:
            continue
        flood = floods.setdefault(merchant, _Flood())
        is_late = any(at // window_ms > at_ms // window_ms for at in flood.fired)
        flood.fired.append(at_ms)
        same = sum(at // window_ms == at_ms // window_ms for at in flood.fired)
        if alert.severity == "CRITICAL" or not (flood.taken or (same > most and not is_late)):
            single.append(alert)
            continue
        yen = event.amount.minor
        flood.taken.append((at_ms, alert.severity, yen, reasons[event.event_id], event.event_id))
        count = len(flood.taken)
        if count in {1, 10, 100, 1_000}:
            made.append(flood.told(merchant, "OPENED" if count == 1 else "GREW"))
    return single, made


def members_of(values: Iterable[bytes], decided: Sequence[dict[str, Any]]) -> Counter[str]:
    """Count the decisions that may alert, by dedup key."""
    events = {event.event_id: event for event in (msgspec.json.decode(one, type=Authorization) for one in values)}
    found = [msgspec.convert(one, Decision) for one in decided if one["band"] != "ALLOW"]
    return Counter(subject_of(events[one.decision_id], one.reasons).dedup_key for one in found)
