"""Check the configuration of the profile topics before the first event: the guarantee rests on it."""

from collections.abc import Mapping

from streams.kafka.admin import topic_configs
from streams.kafka.errors import TopicsMismatchError
from streams.state.protocols import Settings

COMPACTION_LAG_MIN_MS = 10 * 60_000
"""Time to restore a partition after a crashed flush, before compaction removes the rows that the flush replaced."""

SEGMENT_MAX_BYTES = 512 << 20
"""The active segment is never compacted, so a restore reads every version of every row in it."""


async def check_topics(settings: Settings) -> None:
    """Refuse profile topics that would lose rows.

    Raises:
        TopicsMismatchError: a topic is not compacted, is compacted too soon, or takes batches that are too small.
        aiokafka.errors.KafkaError: the broker cannot be reached.
    """
    names = [settings.topics.card_profiles, settings.topics.shared_profiles]
    for name, configs in (await topic_configs(settings.broker, names)).items():
        refuse(name, configs, settings)


def refuse(name: str, configs: Mapping[str, str | None], settings: Settings) -> None:
    """Raise for the first wrong setting of a topic. Settings that a broker does not report are not checked.

    Raises:
        TopicsMismatchError: as `check_topics`.
    """
    policy = configs.get("cleanup.policy")
    if policy is not None and policy != "compact":
        complain(name, "cleanup.policy", policy, "compact: profiles of quiet cards would be deleted by age")
    lag_ms = configs.get("min.compaction.lag.ms")
    if lag_ms is not None and int(lag_ms) < COMPACTION_LAG_MIN_MS:
        complain(
            name, "min.compaction.lag.ms", lag_ms, f"at least {COMPACTION_LAG_MIN_MS}: a crashed flush would lose rows"
        )
    segment = configs.get("segment.bytes")
    if segment is not None and int(segment) > SEGMENT_MAX_BYTES:
        complain(name, "segment.bytes", segment, f"at most {SEGMENT_MAX_BYTES}: a restore reads all of the last one")
    room = configs.get("max.message.bytes")
    if room is not None and int(room) < settings.state.batch_max_bytes:
        complain(name, "max.message.bytes", room, f"at least state.batch_max_bytes, {settings.state.batch_max_bytes}")


def complain(name: str, key: str, value: object, wanted: str) -> None:
    """Raise an error that names a setting of a topic, and what it must be.

    Raises:
        TopicsMismatchError: always.
    """
    raise TopicsMismatchError(
        f"topic {name!r} has {key}={value}, but needs {wanted}. "
        f"`kafka-configs --alter --topic {name} --add-config {key}=...`, or see `sekisho topics create`"
    )
