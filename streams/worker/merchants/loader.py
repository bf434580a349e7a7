"""Follow `merchants`."""

import logging
import time
from typing import Any

from aiokafka.structs import TopicPartition

from scoring.outputs import Outputs, Source
from streams.kafka.reading.bounded import Polled
from streams.records.batches import Refused
from streams.worker.merchants.letters import MerchantLetters
from streams.worker.protocols import Engine, Telemetry
from streams.worker.settings import WorkerSettings
from streams.worker.whole.reader import WholeTopic

log = logging.getLogger(__name__)


class MerchantLoader(WholeTopic):
    """Read `merchants` to its end before anything else starts, then follow it.

    The offsets of refused records go to `letters`.
    """

    def __init__(
        self, settings: WorkerSettings, engine: Engine, letters: MerchantLetters, telemetry: Telemetry, **kwargs: Any
    ) -> None:
        limit = "merchants.load_timeout_s", settings.merchants.load_timeout_s
        super().__init__("merchants", settings.topics.merchants, settings, limit, **kwargs)
        self._engine = engine
        self._letters = letters
        self._telemetry = telemetry
        self._beyond_limit = 0  # records of new merchants that the full merchant store refused

    def _apply(self, polled: Polled) -> int:
        applied, outputs = 0, []
        received_at_ms = time.time_ns() // 1_000_000
        for tp, records in polled.items():
            source = Source(
                topic=tp.topic,
                partition=tp.partition,
                offsets=[record.offset for record in records],
                timestamps_ms=[record.timestamp for record in records],
            )
            keys, values = [record.key or b"" for record in records], [record.value for record in records]
            output = self._engine.merchant(keys, values, source, received_at_ms=received_at_ms)
            for key, _ in output.dead_letters:
                offset = int(key.rpartition(b"/")[2])  # a letter's key is topic/partition/offset
                self._letters.note(tp.partition, offset, offset + 1)
            outputs.append(output)
            applied += len(records)
        if applied:
            self._telemetry.merchants(applied, outputs)
            self._note_beyond_limit(outputs)
        return applied

    def _refuse(self, tp: TopicPartition, refused: Refused) -> None:
        self._letters.note(tp.partition, refused.first, refused.end)

    def _note_beyond_limit(self, outputs: list[Outputs]) -> None:
        records = sum(output.tally.merchants_beyond_limit for output in outputs)
        self._beyond_limit += records
        if records:  # the log lets a repeating line through once per interval
            log.warning("merchants_refused records=%d setting=merchants.merchants_max", self._beyond_limit)
