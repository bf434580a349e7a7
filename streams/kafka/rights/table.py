"""The table of rights that a worker and the commands need.

The check at start uses it, `deploy/docs/rights.md` is generated from it, and a test removes each right on a broker with
an authorizer. In Kafka, Read and Write imply Describe. There are no other implications here.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from streams.kafka.settings import INPUT_ROLES, OUTPUT_ROLES, READ_ROLES, ROLES, Topics


class Operation(StrEnum):
    """Operations, by their names in `kafka-acls`."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"


class Kind(StrEnum):
    """Resource types, by their names in Kafka."""

    TOPIC = "Topic"
    GROUP = "Group"
    TRANSACTIONAL_ID = "TransactionalId"


class Right(NamedTuple):
    """A right. For transactional ids, `name` is a prefix: the ids end with partition numbers of topic `numbered_by`."""

    operation: Operation
    kind: Kind
    name: str
    why: str
    numbered_by: str = ""

    @property
    def is_prefix(self) -> bool:
        """Whether `name` is a prefix."""
        return bool(self.numbered_by)


class _Need(NamedTuple):
    """A right on a topic, by its field of `Topics`. `is_of_state`: needed only if profiles are durable."""

    operation: Operation
    topic: str
    why: str
    is_of_state: bool = False


READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = Operation

_WORKER: Final = (
    *(_Need(READ, topic, "input") for topic in INPUT_ROLES),
    _Need(READ, "merchants", "merchants, read to the end at start and then followed"),
    _Need(READ, "lists", "entries of lists, read to the end at start and then followed"),
    _Need(DESCRIBE_CONFIGS, "lists", "refuse a configuration that would lose entries"),
    *(_Need(WRITE, topic, "outputs") for topic in OUTPUT_ROLES),
    _Need(READ, "decisions", "find decided events at a takeover", is_of_state=True),
    _Need(READ, "alerts", "find published alerts at a takeover, and restore open cases", is_of_state=True),
    _Need(READ, "dead_letters", "find refused records at a takeover", is_of_state=True),
    _Need(WRITE, "card_profiles", "flush profiles", is_of_state=True),
    _Need(WRITE, "shared_profiles", "flush profiles", is_of_state=True),
    _Need(READ, "card_profiles", "restore profiles", is_of_state=True),
    _Need(READ, "shared_profiles", "restore profiles, and follow those of other workers", is_of_state=True),
    _Need(DESCRIBE_CONFIGS, "card_profiles", "refuse a configuration that would lose profiles", is_of_state=True),
    _Need(DESCRIBE_CONFIGS, "shared_profiles", "refuse a configuration that would lose profiles", is_of_state=True),
)

_COMMANDS: Final[dict[str, tuple[_Need, ...]]] = {
    "topics create": (
        *(_Need(CREATE, topic, "create missing topics") for topic in ROLES),
        *(_Need(DESCRIBE, topic, "describe existing topics") for topic in ROLES),
    ),
    "dlq list": (
        _Need(READ, "dead_letters", "the dead letters"),
        *(_Need(DESCRIBE, topic, "whether the record of a letter is still there") for topic in READ_ROLES),
    ),
    "dlq redrive": (
        _Need(READ, "dead_letters", "the dead letters"),
        *(_Need(READ, topic, "their records, and records redriven before") for topic in INPUT_ROLES),
    ),
    "dlq redrive --yes": tuple(_Need(WRITE, topic, "records redriven") for topic in INPUT_ROLES),
    "replay": (
        _Need(WRITE, "authorizations", "events sent"),
        _Need(DESCRIBE_CONFIGS, "authorizations", "refuse a topic that would not keep old events"),
        _Need(READ, "decisions", "decisions counted"),
        _Need(READ, "dead_letters", "dead letters counted"),
    ),
    "replay --labels": (_Need(WRITE, "fraud_reports", "reports sent"),),
    "replay --merchant-table": (_Need(WRITE, "merchants", "merchants sent"),),
    "replay --events": (
        _Need(WRITE, "fraud_reports", "reports sent"),
        _Need(WRITE, "merchants", "merchants sent"),
    ),
    "compliance report": (
        _Need(READ, "merchants", "records of merchants"),
        _Need(READ, "fraud_reports", "fraud reports and disputes"),
        _Need(READ, "settlements", "settled sales, where there are any"),
        _Need(READ, "authorization_outcomes", "answers to payments, where they have a topic of their own"),
        _Need(READ, "authorizations", "payments of the months of the report"),
    ),
    "explain": (
        *(_Need(READ, topic, "input before the event") for topic in READ_ROLES),
        _Need(READ, "lists", "entries of lists"),
        _Need(READ, "decisions", "the published decision, and the order of batches"),
    ),
    "train --from-topics": tuple(_Need(READ, topic, "the range to learn from") for topic in READ_ROLES),
    "replay --recorded": (
        *(_Need(READ, topic, "input to decide again") for topic in READ_ROLES),
        _Need(READ, "lists", "entries of lists"),
        _Need(READ, "decisions", "the published decisions, and the order of batches"),
        _Need(READ, "card_profiles", "contents of recorded policies"),
    ),
    "feed": (
        _Need(WRITE, "authorizations", "events sent"),
        _Need(WRITE, "fraud_reports", "reports sent"),
        _Need(WRITE, "merchants", "merchants sent"),
    ),
}

COMMANDS: Final = tuple(_COMMANDS)
"""Commands, and their options that need further rights."""


def worker_rights(topics: Topics, group: str, *, is_durable: bool, is_fenced: bool) -> tuple[Right, ...]:
    """Return the rights of a worker of a group, with or without durable profiles and fencing."""
    rights = [_on_topic(need, topics) for need in _there(topics, _WORKER) if is_durable or not need.is_of_state]
    rights.append(Right(READ, Kind.GROUP, group, "join the group and commit offsets"))
    if is_fenced:
        why = "fence the predecessor at a takeover"
        ids = Right(WRITE, Kind.TRANSACTIONAL_ID, f"{group}-", why, numbered_by=topics.authorizations)
        rights.append(ids)
    return tuple(rights)


def command_rights(topics: Topics, *commands: str) -> tuple[Right, ...]:
    """Return the rights of a command with its options, each an entry of COMMANDS."""
    return tuple(_on_topic(need, topics) for command in commands for need in _there(topics, _COMMANDS[command]))


def webhook_rights(topics: Topics, group: str) -> tuple[Right, ...]:
    """Return the rights of `sekisho webhook`, whose consumer group is `group`."""
    return (
        Right(READ, Kind.TOPIC, topics.alerts, "the alerts"),
        Right(READ, Kind.GROUP, group, "join the group and commit offsets"),
    )


def by_resource(rights: Iterable[Right]) -> dict[tuple[Kind, str, bool], list[Operation]]:
    """Return the operations by resource, in the order of the table. A resource: kind, name, whether it is a prefix."""
    found: dict[tuple[Kind, str, bool], list[Operation]] = {}
    for right in rights:
        operations = found.setdefault((right.kind, right.name, right.is_prefix), [])
        if right.operation not in operations:
            operations.append(right.operation)
    return found


def _there(topics: Topics, needs: Iterable[_Need]) -> list[_Need]:
    """Return the needs for topics that the deployment has."""
    needs = list(needs)
    known = set(topics.having(need.topic for need in needs))
    return [need for need in needs if need.topic in known]


def _on_topic(need: _Need, topics: Topics) -> Right:
    return Right(need.operation, Kind.TOPIC, getattr(topics, need.topic), need.why)
