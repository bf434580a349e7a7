"""How fast profiles come back: the logs that a measured worker left, read into an engine of this process."""

import gc
import time
from pathlib import Path

from streams.config.load import load_settings
from streams.state.answered import Since
from streams.state.reader import LogReader
from streams.state.restore import Input, Restorer
from streams.wiring import build_engine
from tests.bench.kafka_io import PARTITIONS

ANY_END = 2**62


async def restore_rate(config: Path) -> float:
    """Restore every partition of the worker that was run with `config`; return records of its logs per second."""
    settings = load_settings(config)
    engine = build_engine(settings)
    engine.spread(PARTITIONS)
    gc.collect()
    gc.freeze()  # as a worker does before it joins the group
    reader = LogReader(settings.kafka, client_id="bench-restore", isolation=settings.consume.isolation)
    await reader.start()
    totals: list[int] = []
    restorer = Restorer(reader, settings.worker.topics, engine.changelog, PARTITIONS)
    nothing = Since(decisions=ANY_END, alerts={}, dead_letters={})
    began_s = time.perf_counter()
    try:
        for partition in range(PARTITIONS):
            totals.append(0)
            at = Input(
                authorizations=0,
                fraud_reports=0,
                authorizations_begin=0,
                fraud_reports_begin=0,
                authorizations_end=ANY_END,
                fraud_reports_end=ANY_END,
            )
            await restorer.restore(partition, at, nothing, lambda _, total: totals.__setitem__(-1, total))
    finally:
        await reader.stop()
    return sum(totals) / (time.perf_counter() - began_s)
