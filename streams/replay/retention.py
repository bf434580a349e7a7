"""Whether a topic keeps records as old as those to be sent: they carry the times of their events."""

from dataclasses import dataclass

from streams.kafka.admin import topic_configs
from streams.kafka.settings import Broker


class ForgetfulTopicError(Exception):
    """A topic would not keep what is to be sent, or not its times; the text says why and the way out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How a topic keeps records: for how long by their timestamps (-1 for ever), and whose timestamps they are."""

    topic: str
    retention_ms: int
    stamps_itself: bool

    def require(self, oldest_ms: int, now_ms: int) -> None:
        """Do nothing if the topic keeps records of `oldest_ms`, and keeps their time.

        Raises:
            ForgetfulTopicError: it does not.
        """
        if self.stamps_itself:
            raise ForgetfulTopicError(
                f"topic {self.topic!r} stamps records itself, so that old events would all be late: "
                "set its message.timestamp.type to CreateTime"
            )
        if 0 <= self.retention_ms < now_ms - oldest_ms:
            raise ForgetfulTopicError(
                f"topic {self.topic!r} deletes records older than {self.retention_ms} ms, and these are as old as "
                "their events: set its retention.ms to -1, or topics.retention_ms.authorizations before it is created"
            )


async def keeping_of(broker: Broker, topic: str) -> Keeping:
    """Ask the broker how it keeps a topic; what it does not say, it does not do.

    Raises:
        aiokafka.errors.KafkaError: it cannot be reached, or refuses to tell.
    """
    found = (await topic_configs(broker, [topic])).get(topic, {})
    return Keeping(
        topic=topic,
        retention_ms=int(found.get("retention.ms") or -1),
        stamps_itself=found.get("message.timestamp.type") == "LogAppendTime",
    )
