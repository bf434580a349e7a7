"""A whole table through a worker on Apache Kafka: `python -m tests.bench.table FILE [options of sekisho replay]`.

Starts the broker, creates the topics, runs `sekisho replay --start-worker` and ends with its exit status: 0 only if
every event was decided exactly once and none has a dead letter.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from streams.kafka.embedded import free_port
from tests.brokers import kafka

PARTITIONS = 4
KEPT_MS = 3650 * 86_400_000
"""Records have the times of the table's events; the broker must keep them at any age."""


def main() -> int:
    """Replay the table that the first argument names; the other arguments are passed to `sekisho replay`."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    table, options = Path(sys.argv[1]).resolve(), sys.argv[2:]
    command = str(Path(sys.executable).with_name("sekisho"))
    with kafka.kafka_broker() as broker, tempfile.TemporaryDirectory(prefix="sekisho-table-") as folder:
        config = Path(folder) / "worker.yaml"
        document = {
            "kafka": {"bootstrap_servers": list(broker.bootstrap)},
            "topics": {"partitions": {"events": PARTITIONS}, "retention_ms": {"authorizations": KEPT_MS}},
            "http": {"port": free_port()},
        }
        config.write_text(yaml.safe_dump(document))
        subprocess.run([command, "topics", "create", "--config", str(config)], check=True)
        replay = [command, "replay", "--config", str(config), "--table", str(table), "--start-worker", *options]
        return subprocess.run(replay, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
