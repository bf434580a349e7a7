"""The topics of a deployment: their settings, and the plan that `sekisho topics create` carries out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from streams.kafka.settings import ROLES, Broker, TopicPartitions, TopicRetention, Topics
from streams.kafka.types import DAY_MS, Replicas, TopicPrefix

if TYPE_CHECKING:
    from streams.kafka.admin import TopicState

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NAME_LENGTH_MAX = 249  # Kafka's limit


class TopicsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the topics of one deployment. `prefix` goes before every name."""

    prefix: TopicPrefix = ""
    names: Topics = Topics()
    partitions: TopicPartitions = TopicPartitions()
    retention_ms: TopicRetention = TopicRetention()
    replication_factor: Replicas = 1
    min_insync_replicas: Replicas = 1

    @property
    def full(self) -> Topics:
        """The names on the brokers, with the prefix."""
        return Topics(**{field: self.prefix + getattr(self.names, field) for field in self.names.having(ROLES)})

    def __post_init__(self) -> None:
        if self.min_insync_replicas > self.replication_factor:
            raise ValueError("min_insync_replicas must not exceed replication_factor")
        seen: dict[str, str] = {}
        for field in self.names.having(ROLES):
            name = self.prefix + getattr(self.names, field)
            if not _NAME.fullmatch(name) or len(name) > _NAME_LENGTH_MAX or name in {".", ".."}:
                raise ValueError(f"names.{field}: Kafka allows letters, digits, '.', '_' and '-', at most 249 in all")
            if name in seen:
                raise ValueError(f"names.{seen[name]} and names.{field} are the same topic")
            seen[name] = field


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """A topic to be created. `configs` are Kafka's topic configs by their own names."""

    name: str
    partitions: int
    replication_factor: int
    configs: dict[str, str]


PROFILE_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(DAY_MS // 96),  # a crashed flush must not lose the rows that it replaced
    "max.compaction.lag.ms": str(DAY_MS),
    "segment.bytes": str(128 << 20),  # the active segment is never compacted: small ones limit what a restore reads
    "segment.ms": str(DAY_MS // 4),
    "min.cleanable.dirty.ratio": "0.3",
    "delete.retention.ms": str(DAY_MS),  # tombstones outlive the slowest reader
    "max.message.bytes": str(1 << 20),
    "message.timestamp.type": "CreateTime",
}
"""Configs of the changelog topics. A worker checks those that the guarantee needs at start (`streams.state.check`)."""


LISTS_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "min.compaction.lag.ms": str(7 * DAY_MS),  # as long as the authorizations are kept: a replay meets the same entries
    "delete.retention.ms": str(7 * DAY_MS),
    "max.message.bytes": str(1 << 20),
    "message.timestamp.type": "LogAppendTime",  # an entry counts from its timestamp on: no sender may choose it
}
"""Configs of the topic of lists. A worker checks them at start (`streams.worker.whole.lists`)."""


def plan(topics: TopicsSettings) -> tuple[TopicPlan, ...]:
    """Return the plan of every topic: inputs and outputs with a retention, the others compacted."""
    full, counts, retention = topics.full, topics.partitions, topics.retention_ms
    plans = []
    for field in full.having(ROLES):
        role, configs = ROLES[field], _configs(field, retention)
        configs["min.insync.replicas"] = str(topics.min_insync_replicas)
        plans.append(
            TopicPlan(
                name=getattr(full, field),
                partitions=getattr(counts, role.partitions),
                replication_factor=topics.replication_factor,
                configs=configs,
            )
        )
    return tuple(plans)


def _configs(field: str, retention: TopicRetention) -> dict[str, str]:
    """Return the configs of a topic by its role."""
    match ROLES[field].kind:
        case "profiles":
            return dict(PROFILE_CONFIGS)
        case "merchants":
            return {"cleanup.policy": "compact"}
        case "lists":
            return dict(LISTS_CONFIGS)
        case "input" | "report" | "output":
            return {"cleanup.policy": "delete", "retention.ms": str(getattr(retention, field))}


async def ensure(broker: Broker, plans: Sequence[TopicPlan]) -> "list[TopicState]":
    """Create the missing topics and describe all, in the order of `plans`.

    Raises:
        aiokafka.errors.KafkaError: as `create_topics`.
    """
    from streams.kafka.admin import create_topics  # noqa: PLC0415 -- settings are read without a client

    return await create_topics(broker, plans)
