"""A worker with the echo engine, as a process of its own: `python -m tests.integration.worker '<settings as JSON>'`."""

import logging
import sys

import msgspec

from streams.app import FraudApp, build_app, run
from streams.seams import NoTelemetry
from streams.transport.settings import WorkerSettings
from tests.integration.fakes import EchoEngine


def main() -> int:
    """Run until SIGTERM; the exit status is the worker's."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = msgspec.json.decode(sys.argv[1], type=WorkerSettings)

    def build() -> FraudApp:
        return build_app(settings, EchoEngine(), NoTelemetry())

    return run(build)


if __name__ == "__main__":
    raise SystemExit(main())
