"""A worker with the echo engine, as its own process: `python -m tests.integration.worker '<settings as JSON>'`.

Arguments: `refuse`: outputs of a batch with a payload that begins with `!refuse` are not accepted. `slow`: every
batch takes 20 ms. `unchecked`: the worker does not check its rights at the start.
"""

import asyncio
import logging
import os
import sys

import msgspec
from aiokafka.errors import NotEnoughReplicasError

import streams.worker.app
from scoring.outputs import Outputs
from streams.kafka.sending.append import Ack
from streams.transport.batch import Batch
from streams.worker.app import FraudApp, build_app, run
from streams.worker.emit import Emitter
from streams.worker.settings import WorkerSettings
from tests.doubles import NoTelemetry
from tests.integration.fakes import EchoEngine


class RefusingEmitter(Emitter):
    """Fails like a broker without enough replicas: the produce is sent, the acknowledgement is an error."""

    def emit(self, batch: Batch, outputs: Outputs, now_ms: int) -> list[Ack]:
        """Produce nothing for a batch that is refused."""
        if not any(value.startswith(b"!refuse") for value in batch.values):
            return super().emit(batch, outputs, now_ms)
        refused: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        refused.set_exception(NotEnoughReplicasError())
        return [refused]  # type: ignore[list-item]


async def believed(*_: object) -> None:
    """Check no rights."""


def main() -> int:
    """Run until SIGTERM; the exit status is the worker's."""
    logging.basicConfig(
        level=os.environ.get("SEKISHO_TEST_LOG", "WARNING"),
        stream=sys.stderr,
        format="%(asctime)s %(name)s %(message)s",
    )
    settings = msgspec.json.decode(sys.argv[1], type=WorkerSettings)
    if "unchecked" in sys.argv[2:]:
        streams.worker.app.require = believed

    def build() -> FraudApp:
        app = build_app(settings, EchoEngine(batch_s=0.02 if "slow" in sys.argv[2:] else 0.0), NoTelemetry())
        if "refuse" in sys.argv[2:]:
            app.emitter = RefusingEmitter(app._producer_client, settings.topics)
            app.outputs._emitter = app.emitter
            app.letters._emitter = app.emitter
        return app

    return run(build)


if __name__ == "__main__":
    raise SystemExit(main())
