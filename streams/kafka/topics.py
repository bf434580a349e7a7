"""The topics of a deployment: their names, and what `sekisho topics create` makes of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from streams.kafka.settings import Broker, Topics
from streams.kafka.types import DAY_MS, Partitions, Replicas, RetentionMs, TopicPrefix

if TYPE_CHECKING:
    from streams.kafka.admin import TopicState

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NAME_LENGTH_MAX = 249  # Kafka's limit


class TopicPartitions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many partitions each topic gets.

    `events` holds for authorizations, their outcomes, fraud-reports, decisions and profiles alike: what belongs to a
    card lives on the partition of its authorizations.
    """

    events: Partitions = 6
    merchants: Partitions = 1
    alerts: Partitions = 1
    dead_letters: Partitions = 1


class TopicRetention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long records live, in milliseconds. `merchants` and profiles are compacted and keep the last of each key."""

    authorizations: RetentionMs = 7 * DAY_MS
    authorization_outcomes: RetentionMs = 7 * DAY_MS
    fraud_reports: RetentionMs = 30 * DAY_MS
    decisions: RetentionMs = 30 * DAY_MS
    alerts: RetentionMs = 30 * DAY_MS
    dead_letters: RetentionMs = 30 * DAY_MS


class TopicsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The topics of one deployment; `prefix` goes before every name."""

    prefix: TopicPrefix = ""
    names: Topics = Topics()
    partitions: TopicPartitions = TopicPartitions()
    retention_ms: TopicRetention = TopicRetention()
    replication_factor: Replicas = 1
    min_insync_replicas: Replicas = 1

    @property
    def full(self) -> Topics:
        """The names as the brokers know them, prefix applied."""
        return Topics(**{field: self.prefix + getattr(self.names, field) for field in Topics.__struct_fields__})

    def __post_init__(self) -> None:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError("min_insync_replicas must not exceed replication_factor")
        seen: dict[str, str] = {}
        for field in Topics.__struct_fields__:
            name = self.prefix + getattr(self.names, field)
            if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH_MAX or name in {".", ".."}:
                raise ValueError(f"names.{field}: Kafka allows letters, digits, '.', '_' and '-', at most 249 in all")
            if name in seen:
                raise ValueError(f"names.{seen[name]} and names.{field} are the same topic")
            seen[name] = field


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """One topic as it should be; `configs` are Kafka's topic configs by their own names."""

    name: str
    partitions: int
    replication_factor: int
    configs: dict[str, str]


PROFILE_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(DAY_MS // 96),  # a crashed flush must not cost the rows that it wrote over
    "max.compaction.lag.ms": str(DAY_MS),
    "segment.bytes": str(128 << 20),  # the head is never compacted: small ones bound what a restore reads twice
    "segment.ms": str(DAY_MS // 4),
    "min.cleanable.dirty.ratio": "0.3",
    "delete.retention.ms": str(DAY_MS),  # tombstones outlive the slowest reader
    "max.message.bytes": str(1 << 20),
    "message.timestamp.type": "CreateTime",
}
"""How the topics of profiles are kept. The first line is part of the guarantee, and checked when a worker starts."""


def plan(topics: TopicsSettings) -> tuple[TopicPlan, ...]:
    """Lay out every topic: inputs and outputs by retention, `merchants` and profiles compacted."""
    full, counts, retention = topics.full, topics.partitions, topics.retention_ms
    partitions = {
        "authorizations": counts.events,
        "authorization_outcomes": counts.events,
        "fraud_reports": counts.events,
        "merchants": counts.merchants,
        "decisions": counts.events,
        "alerts": counts.alerts,
        "dead_letters": counts.dead_letters,
        "card_profiles": counts.events,
        "shared_profiles": counts.events,
    }
    plans = []
    for field, count in partitions.items():
        if field in {"card_profiles", "shared_profiles"}:
            configs = dict(PROFILE_CONFIGS)
        elif field == "merchants":
            configs = {"cleanup.policy": "compact"}
        else:
            configs = {"cleanup.policy": "delete", "retention.ms": str(getattr(retention, field))}
        configs["min.insync.replicas"] = str(topics.min_insync_replicas)
        plans.append(
            TopicPlan(
                name=getattr(full, field),
                partitions=count,
                replication_factor=topics.replication_factor,
                configs=configs,
            )
        )
    return tuple(plans)


async def ensure(broker: Broker, plans: Sequence[TopicPlan]) -> "list[TopicState]":
    """Create the topics that are missing and look at all of them, in the order of `plans`.

    Raises:
        aiokafka.errors.KafkaError: as `create_topics`.
    """
    from streams.kafka.admin import create_topics  # noqa: PLC0415 -- settings are read without a client

    return await create_topics(broker, plans)
