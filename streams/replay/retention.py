"""Check that a topic keeps the records of a replay: their timestamps are the times of their events."""

from dataclasses import dataclass

from streams.kafka.admin import topic_configs
from streams.kafka.settings import Broker


class RetentionError(Exception):
    """Raised when a topic would delete the records or replace their timestamps. The text gives cause and way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Retention of a topic in ms (-1: no limit), and whether the broker sets timestamps (LogAppendTime)."""

    topic: str
    retention_ms: int
    is_dated_by_broker: bool

    def require(self, oldest_ms: int, now_ms: int) -> None:
        """Raise if the topic does not keep records of `oldest_ms` with their timestamps.

        Raises:
            RetentionError: it does not.
        """
        if self.is_dated_by_broker:
            raise RetentionError(
                f"topic {self.topic!r} sets timestamps itself, so that all old events would be late: "
                "set its message.timestamp.type to CreateTime"
            )
        if 0 <= self.retention_ms < now_ms - oldest_ms:
            raise RetentionError(
                f"topic {self.topic!r} deletes records older than {self.retention_ms} ms, and these are as old as "
                "their events: set its retention.ms to -1, or topics.retention_ms.authorizations before it is created"
            )


async def retention_of(broker: Broker, topic: str) -> Retention:
    """Return the retention of a topic. Configs that the broker does not report count as not set.

    Raises:
        aiokafka.errors.KafkaError: the broker cannot be reached, or refuses the request.
    """
    found = (await topic_configs(broker, [topic])).get(topic, {})
    return Retention(
        topic=topic,
        retention_ms=int(found.get("retention.ms") or -1),
        is_dated_by_broker=found.get("message.timestamp.type") == "LogAppendTime",
    )
