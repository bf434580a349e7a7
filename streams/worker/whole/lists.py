"""Follow `lists`: entries of lists that other systems add and remove while the worker runs."""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.structs import TopicPartition

from scoring.lists.dated import REFUSED
from streams.kafka.admin import topic_configs
from streams.kafka.reading.bounded import BoundedConsumer, Polled
from streams.records.batches import Refused
from streams.state.check import complain
from streams.worker.protocols import Engine, Telemetry
from streams.worker.settings import WorkerSettings
from streams.worker.whole.reader import WholeTopic

log = logging.getLogger(__name__)

UNREADABLE: Final = "UNREADABLE"
"""Result of the records of a batch that cannot be unpacked."""

LAG_OVER_DELAY_MS: Final = 10 * 60_000
"""Time to apply input again after a crash, before compaction removes the entries that it met."""


class ListLoader(WholeTopic):
    """Read `lists` to its end before anything else starts, then follow it. Refused records are counted and passed over.

    Raises at start:
        TopicsMismatchError: the topic's configuration would lose entries, or let their senders date them.
    """

    def __init__(
        self, topic: str, settings: WorkerSettings, engine: Engine, telemetry: Telemetry, **kwargs: Any
    ) -> None:
        super().__init__("lists", topic, settings, ("lists.load_timeout_s", settings.lists.load_timeout_s), **kwargs)
        self._engine = engine
        self._telemetry = telemetry
        self._refused = 0

    async def on_start(self) -> None:
        """Check the topic, then read it to its end. Extends the original."""
        configs = await topic_configs(self._settings.broker, [self._topic])
        refuse(self._topic, configs.get(self._topic, {}), int(self._settings.lists.delay_s * 1000))
        self._telemetry.lists_delayed(self._settings.lists.delay_s)
        self._engine.list_entries([], [], [])  # makes room before a payment waits for it
        await super().on_start()
        self._telemetry.lists_read(time.time())

    def _apply(self, polled: Polled) -> int:
        results: Counter[str] = Counter()
        for tp, records in polled.items():
            taken = self._engine.list_entries(
                [record.key or b"" for record in records],
                [record.value for record in records],
                [record.timestamp for record in records],
            )
            results.update(taken)
            if refused := REFUSED.intersection(taken):
                self._refused += sum(taken[reason] for reason in refused)
                log.warning(
                    "list_records_refused records=%d reasons=%s topic=%s partition=%d from=%d",
                    self._refused,
                    ",".join(sorted(refused)),
                    tp.topic,
                    tp.partition,
                    records[0].offset,
                )
        if results:
            self._telemetry.list_records(results)
        return results.total()

    def _refuse(self, tp: TopicPartition, refused: Refused) -> None:
        self._telemetry.list_records({UNREADABLE: len(refused)})
        log.warning("list_records_refused reasons=%s topic=%s partition=%d from=%d", UNREADABLE, *tp, refused.first)

    async def _looked(self, consumer: BoundedConsumer) -> None:
        """Tell when every partition was last read to its end."""
        looked_ms = []
        for tp in self._partitions:
            polled_ms, end = consumer.last_poll_timestamp(tp), consumer.highwater(tp)
            if polled_ms is None or end is None or await consumer.position(tp) < end:
                return
            looked_ms.append(polled_ms)
        self._telemetry.lists_read(min(looked_ms) / 1000)


def refuse(name: str, configs: Mapping[str, str | None], delay_ms: int) -> None:
    """Raise for the first wrong setting of the topic. Settings that a broker does not report are not checked.

    Raises:
        TopicsMismatchError: entries would be lost before all input that meets them is decided, or their senders, not
            the brokers, would say from when they count.
    """
    policy = configs.get("cleanup.policy")
    if policy is not None and policy != "compact":
        complain(name, "cleanup.policy", policy, "compact: entries would be deleted by age")
    least_ms = delay_ms + LAG_OVER_DELAY_MS
    for key in ("min.compaction.lag.ms", "delete.retention.ms"):
        value = configs.get(key)
        if value is not None and int(value) < least_ms:
            complain(name, key, value, f"at least {least_ms}: events applied again would not meet the same entries")
    stamps = configs.get("message.timestamp.type")
    if stamps is not None and stamps != "LogAppendTime":
        complain(name, "message.timestamp.type", stamps, "LogAppendTime: an entry counts from its timestamp on")
