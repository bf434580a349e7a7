"""The expected outputs of an input. Pure: records in, findings out; `books` reads the records from the broker."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from tests.chaos.traffic import event_id, is_bad

EXAMPLES = 3
TIMES = b',"times":'
ID = b'"decision_id":"'
EXTRA = b',"chaos":'


class Record(NamedTuple):
    """A record of any topic."""

    partition: int
    offset: int
    value: bytes


class Decision(NamedTuple):
    """A parsed decision: `body` is all except its times and `extra`, which a telling worker added."""

    name: bytes
    partition: int
    offset: int
    body: bytes
    times: dict[str, int]
    extra: dict[str, Any]


@dataclass(slots=True)
class Finding:
    """The result of a check: figures, and a sentence for each fault."""

    numbers: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def miss(self, what: str, examples: Iterable[object]) -> None:
        """Record a failure if there are examples of it."""
        found = list(examples)
        if found:
            shown = ", ".join(str(one) for one in found[:EXAMPLES])
            self.failures.append(f"{len(found)} {what}: {shown}{', ...' if len(found) > EXAMPLES else ''}")

    def add(self, other: "Finding") -> None:
        """Add the result of another check."""
        self.numbers |= other.numbers
        self.failures += other.failures


@dataclass(frozen=True, slots=True)
class Input:
    """The demands of the input topic: the first event of each good id, with its place; and the places of the bad
    events.
    """

    good: Mapping[bytes, tuple[int, int]]  # (partition, offset) by id
    bad: frozenset[tuple[int, int]]
    repeats: int


@dataclass(frozen=True, slots=True)
class Output:
    """All outputs."""

    decisions: Sequence[Decision]
    letters: Counter[tuple[str, int, int]]  # by (topic, partition, offset)
    alerts: Counter[str]  # by the event that raised it, or by the id of an incident's


def take_input(records: Iterable[Record]) -> Input:
    """Read the records of the input topic, each partition in order."""
    good: dict[bytes, tuple[int, int]] = {}
    bad = set()
    repeats = 0
    for partition, offset, value in records:
        if is_bad(value):
            bad.add((partition, offset))
        elif good.setdefault(event_id(value), (partition, offset)) != (partition, offset):
            repeats += 1
    return Input(good, frozenset(bad), repeats)


def take_decision(record: Record) -> Decision:
    """Parse a decision."""
    value, mark, extra = record.value.partition(EXTRA)
    start = value.index(TIMES)
    end = value.index(b"}", start) + 1
    rest = value[end:] + (b"}" if mark else b"")
    at = value.index(ID) + len(ID)
    return Decision(
        name=value[at : value.index(b'"', at)],
        partition=record.partition,
        offset=record.offset,
        body=value[:start] + rest,
        times=orjson.loads(value[start + len(TIMES) : end]),
        extra=orjson.loads(extra[:-1]) if mark else {},
    )


def take_letters(records: Iterable[Record]) -> Counter[tuple[str, int, int]]:
    """Count dead letters by the coordinates that they name."""
    letters = (orjson.loads(record.value) for record in records)
    return Counter((letter["topic"], letter["partition"], letter["offset"]) for letter in letters)


def take_alerts(records: Iterable[Record]) -> Counter[str]:
    """Count alerts by the event that raised them; those of incidents, which tell of many, by their own ids."""
    alerts = (orjson.loads(record.value) for record in records)
    return Counter(alert["alert_id"] if alert.get("incident") else alert["event_id"] for alert in alerts)


def exactly_once(asked: Input, out: Output, topic: str) -> Finding:
    """Check that each good id is decided once, on its partition, in order; that each bad event has one dead letter.

    And that no event raised two alerts.
    """
    finding = Finding()
    times = Counter(decision.name for decision in out.decisions)
    finding.miss("ids without a decision", sorted(name.decode() for name in asked.good.keys() - times.keys()))
    finding.miss("ids decided more than once", sorted(n.decode() for n, count in times.items() if count > 1))
    finding.miss("decisions on what nobody sent", sorted(n.decode() for n in times.keys() - asked.good.keys()))
    wrong, disorder, last = [], [], defaultdict(lambda: -1)
    for decision in out.decisions:
        place = asked.good.get(decision.name)
        if place is None:
            continue
        if place[0] != decision.partition:
            wrong.append(decision.name.decode())
        elif place[1] < last[place[0]]:
            disorder.append(decision.name.decode())
        last[place[0]] = max(last[place[0]], place[1])
    finding.miss("decisions on another partition than their event", wrong)
    letters = {(partition, offset) for source, partition, offset in out.letters if source == topic}
    finding.miss("bad events without a dead letter", sorted(asked.bad - letters))
    finding.miss("dead letters of no bad event", sorted(letters - asked.bad))
    again = sorted(place for place, count in out.letters.items() if count > 1 and place[0] == topic)
    finding.miss("bad events with several dead letters", [place[1:] for place in again])
    finding.miss("events with several alerts", sorted(name for name, count in out.alerts.items() if count > 1))
    finding.numbers = {
        "events": len(asked.good),
        "decisions": len(out.decisions),
        "decided_again": sum(times.values()) - len(times),
        "out_of_order": len(disorder),
        "repeats": asked.repeats,
        "bad": len(asked.bad),
        "letters_again": sum(out.letters.values()) - len(out.letters),
        "alerts": out.alerts.total(),
    }
    return finding


def same_bytes(calm: Output, out: Output) -> Finding:
    """Check that every decision equals that of the uninterrupted run in every byte except its times."""
    return _same(
        calm, out, "decisions that differ from the uninterrupted run", _difference, lambda d: (d.body, d.extra)
    )


def same_cards(calm: Output, out: Output) -> Finding:
    """Check that every decision saw the same features of its card as in the uninterrupted run."""
    finding = _same(calm, out, "decisions with other card features", lambda _, __: "", lambda d: d.extra["card"])
    finding.numbers["cards_compared"] = len(out.decisions)
    return finding


def _same(
    calm: Output,
    out: Output,
    what: str,
    difference: Callable[[Decision, Decision], str],
    part: Callable[[Decision], object],
) -> Finding:
    finding = Finding()
    expected = {decision.name: decision for decision in calm.decisions}
    pairs = ((expected[made.name], made) for made in out.decisions if made.name in expected)
    other = [(was, made) for was, made in pairs if part(was) != part(made)]
    finding.miss(what, [f"{made.name.decode()} {difference(was, made)}".strip() for was, made in other])
    finding.numbers["different"] = len(other)
    return finding


def _difference(was: Decision, made: Decision) -> str:
    """Name the fields in which two decisions differ."""
    left, right = ({**orjson.loads(one.body), "chaos": one.extra} for one in (was, made))
    return "(" + " ".join(sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))) + ")"
