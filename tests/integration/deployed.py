"""A deployment as an operator has it: topics on a broker, a bundle, a configuration file, and the command as worker."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.demo.audit import Balance, counted
from streams.kafka.embedded import free_port
from streams.kafka.settings import Broker, Topics
from streams.replay.child import Child, fetch, running
from streams.worker.settings import WorkerSettings
from tests.brokers.load import consumer, read
from tests.bundles import bundle_files

READ_S = 180.0  # the first worker on a machine compiles its kernels
END_S = 30.0
CONFIG = """\
kafka:
  bootstrap_servers: ["{address}"]
  profile: {{name: test, idempotent_producer: true, session_timeout_s: 6.0, heartbeat_interval_s: 1.0}}
topics: {{names: {names}}}
consume: {{group: {group}, instance_id: {group}-1}} # a static member: it is let in again at once
http: {{enabled: true, port: {port}}}
model: {{bundle_dir: "{bundle}"}}
policy: {{inline: {{version: t, global: {{review: 1, step_up: 2, block: 3}}}}}} # everything raises an alert
{more}
"""


class Deployed(NamedTuple):
    """The files and topics of a deployment."""

    broker: Broker
    topics: Topics
    config: Path
    port: int
    group: str

    @contextmanager
    def worker(self) -> Iterator[Child]:
        """Run a worker until the context ends; the error of an early end includes its last lines."""
        with running(
            ["worker", "--config", str(self.config)], self.config.with_suffix(".log"), patience_s=END_S
        ) as one:
            yield one

    def records(self, topic: str, at_least: int) -> list[ConsumerRecord]:
        """Read a topic from its start until it has this many records, in order."""
        found = asyncio.run(read(self.broker, topic, at_least, READ_S))
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def balance(self) -> Balance:
        """Read the worker's counters; empty while it starts."""
        try:
            return counted(fetch(f"http://127.0.0.1:{self.port}/metrics").decode())
        except OSError:
            return Balance(events=0, decisions=0, dead_letters=0, repeats=0)

    def await_flush(self, worker: Child) -> None:
        """Wait until the group has committed all authorizations: only input whose profiles are durable is committed."""
        topic, group = self.topics.authorizations, self.group
        deadline = time.monotonic() + READ_S
        while asyncio.run(self._lag(topic, group)):
            worker.require_running()
            assert time.monotonic() < deadline, "authorizations are not committed"

    async def _lag(self, topic: str, group: str) -> int:
        async with consumer(self.broker, group_id=group) as client:
            await client._client._wait_on_metadata(topic)
            tps = [TopicPartition(topic, number) for number in client.partitions_for_topic(topic) or ()]
            ends = await client.end_offsets(tps)
            return sum([ends[tp] - (await client.committed(tp) or 0) for tp in tps])

    def await_balance(self, worker: Child, events: int) -> Balance:
        """Wait until the worker has counted this many authorizations and a result for each."""
        deadline = time.monotonic() + READ_S
        while (found := self.balance()).events < events or not found.holds:
            worker.require_running()
            assert time.monotonic() < deadline, f"{found}, expected {events} events"
        return found


def deploy(broker: Broker, settings: WorkerSettings, directory: Path, more: str = "") -> Deployed:
    """Write the configuration of a worker for existing topics."""
    bundle = directory / "bundle"
    bundle.mkdir()
    for name, content in bundle_files().items():
        (bundle / name).write_bytes(content)
    topics, port, config = settings.topics, free_port(), directory / "worker.yaml"
    names = json.dumps({field: getattr(topics, field) for field in Topics.__struct_fields__})
    config.write_text(
        CONFIG.format(
            address=broker.bootstrap[0],
            names=names,
            group=settings.consume.group,
            port=port,
            bundle=bundle,
            more=more,
        )
    )
    return Deployed(broker, topics, config, port, settings.consume.group)


def kill(child: Child) -> None:
    """End a process as `kill -9` does, and wait for its end."""
    child._process.kill()
    child._process.wait(END_S)
