"""The rights that a worker and the commands need: the one place that says so.

The check at start asks for them, `deploy/docs/rights.md` is made from them, and a test leaves each out on a broker with
an authorizer. Read, Write and Create imply no other right but that Read and Write imply Describe, as Kafka has it.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from streams.kafka.settings import INPUT_ROLES, OUTPUT_ROLES, READ_ROLES, ROLES, Topics


class Operation(StrEnum):
    """What may be done, in the words of `kafka-acls`."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"


class Kind(StrEnum):
    """What it is done to."""

    TOPIC = "Topic"
    GROUP = "Group"
    TRANSACTIONAL_ID = "TransactionalId"


class Right(NamedTuple):
    """One right. `name` is a prefix for transactional ids, which end with a number of a partition of `numbered_by`."""

    operation: Operation
    kind: Kind
    name: str
    why: str
    numbered_by: str = ""

    @property
    def is_prefix(self) -> bool:
        """Whether all that begins with `name` is meant."""
        return bool(self.numbered_by)


class _Need(NamedTuple):
    """A right on a topic, by its field of `Topics`; with `is_of_state` only where profiles are kept."""

    operation: Operation
    topic: str
    why: str
    is_of_state: bool = False


READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS = Operation

_WORKER: Final = (
    *(_Need(READ, topic, "events in") for topic in INPUT_ROLES),
    _Need(READ, "merchants", "the merchants, read to the end at start and then followed"),
    *(_Need(WRITE, topic, "answers out") for topic in OUTPUT_ROLES),
    _Need(READ, "decisions", "which events were answered, when a partition is taken over", is_of_state=True),
    _Need(READ, "alerts", "which alerts were raised, and which cases are open", is_of_state=True),
    _Need(READ, "dead_letters", "which records were refused, when a partition is taken over", is_of_state=True),
    _Need(WRITE, "card_profiles", "profiles made durable", is_of_state=True),
    _Need(WRITE, "shared_profiles", "profiles made durable", is_of_state=True),
    _Need(READ, "card_profiles", "profiles read back", is_of_state=True),
    _Need(READ, "shared_profiles", "profiles read back, and those of other workers followed", is_of_state=True),
    _Need(DESCRIBE_CONFIGS, "card_profiles", "refuse a topic that would lose profiles", is_of_state=True),
    _Need(DESCRIBE_CONFIGS, "shared_profiles", "refuse a topic that would lose profiles", is_of_state=True),
)

_COMMANDS: Final[dict[str, tuple[_Need, ...]]] = {
    "topics create": (
        *(_Need(CREATE, topic, "create what does not exist") for topic in ROLES),
        *(_Need(DESCRIBE, topic, "look at what exists") for topic in ROLES),
    ),
    "dlq list": (
        _Need(READ, "dead_letters", "the dead letters"),
        *(_Need(DESCRIBE, topic, "whether the record of a letter is still there") for topic in READ_ROLES),
    ),
    "dlq redrive": (
        _Need(READ, "dead_letters", "the dead letters"),
        *(_Need(READ, topic, "their records, and what was redriven before") for topic in INPUT_ROLES),
    ),
    "dlq redrive --yes": tuple(_Need(WRITE, topic, "records put back") for topic in INPUT_ROLES),
    "replay": (
        _Need(WRITE, "authorizations", "events sent"),
        _Need(DESCRIBE_CONFIGS, "authorizations", "refuse a topic that would not keep old events"),
        _Need(READ, "decisions", "answers counted"),
        _Need(READ, "dead_letters", "refusals counted"),
    ),
    "replay --labels": (_Need(WRITE, "fraud_reports", "reports sent"),),
    "replay --events": (
        _Need(WRITE, "fraud_reports", "reports sent"),
        _Need(WRITE, "merchants", "the merchants sent"),
    ),
    "feed": (
        _Need(WRITE, "authorizations", "events sent"),
        _Need(WRITE, "fraud_reports", "reports sent"),
        _Need(WRITE, "merchants", "the merchants sent"),
    ),
}

COMMANDS: Final = tuple(_COMMANDS)
"""Commands, and options of them that need rights besides."""


def worker_rights(topics: Topics, group: str, *, is_durable: bool, is_fenced: bool) -> tuple[Right, ...]:
    """Return the rights of a worker of a group: with profiles or without, on brokers that fence or do not."""
    rights = [_on_topic(need, topics) for need in _WORKER if is_durable or not need.is_of_state]
    rights.append(Right(READ, Kind.GROUP, group, "membership, and offsets committed"))
    if is_fenced:
        why = "fence the predecessor of a partition that is taken over"
        ids = Right(WRITE, Kind.TRANSACTIONAL_ID, f"{group}-", why, numbered_by=topics.authorizations)
        rights.append(ids)
    return tuple(rights)


def command_rights(topics: Topics, *commands: str) -> tuple[Right, ...]:
    """Return the rights of a command with its options, each an entry of COMMANDS."""
    return tuple(_on_topic(need, topics) for command in commands for need in _COMMANDS[command])


def by_resource(rights: Iterable[Right]) -> dict[tuple[Kind, str, bool], list[Operation]]:
    """Return the operations on each resource, in the order of the table; the flag says that its name is a prefix."""
    found: dict[tuple[Kind, str, bool], list[Operation]] = {}
    for right in rights:
        operations = found.setdefault((right.kind, right.name, right.is_prefix), [])
        if right.operation not in operations:
            operations.append(right.operation)
    return found


def _on_topic(need: _Need, topics: Topics) -> Right:
    return Right(need.operation, Kind.TOPIC, getattr(topics, need.topic), need.why)
