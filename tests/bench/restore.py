"""Speed of a restore: the logs that a measured worker left, read into an engine of this process."""

import gc
import time
from pathlib import Path

from aiokafka.structs import TopicPartition

from streams.config.load import load_settings
from streams.config.wiring import build_engine
from streams.kafka.reading.log import LogReader
from streams.kafka.settings import Topics
from streams.state.log.marker import KEY, decode
from streams.state.published import Since
from streams.state.restore import Input, Restorer
from tests.bench.harness.kafka_io import PARTITIONS

ANY_END = 2**62


async def _input(reader: LogReader, tp: TopicPartition, names: Topics) -> Input:
    """Report no input behind the last marker of a log: outputs are not scanned, only profiles are read."""
    tail = await reader.last(tp, KEY, *(await reader.bounds([tp]))[tp])
    assert tail is not None
    marker = decode(tail.value, tp.topic, PARTITIONS)
    applied = marker.applied(names)
    return Input(committed=dict.fromkeys(applied, 0), begins=dict.fromkeys(applied, 0), ends=applied)


async def restore_rate(config: Path) -> float:
    """Restore every partition of the worker that ran with `config`; return records of its logs per second."""
    settings = load_settings(config)
    engine = build_engine(settings)
    engine.set_partitions(PARTITIONS)
    gc.collect()
    gc.freeze()  # as a worker does before it joins the group
    reader = LogReader(settings.kafka, client_id="bench-restore", isolation="read_committed")
    await reader.start()
    names = settings.worker.topics
    done = [await _input(reader, TopicPartition(names.card_profiles, number), names) for number in range(PARTITIONS)]
    totals: list[int] = []
    restorer = Restorer(reader, names, engine.changelog, PARTITIONS)
    nothing = Since(decisions=ANY_END, alerts={}, dead_letters={})
    began_s = time.perf_counter()
    try:
        for partition, at in enumerate(done):
            totals.append(0)
            await restorer.restore(partition, at, nothing, lambda _, total: totals.__setitem__(-1, total))
    finally:
        await reader.stop()
    return sum(totals) / (time.perf_counter() - began_s)
