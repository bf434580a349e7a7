"""The transport class of this package, and the check that Faust's compiled parts are installed."""

from typing import ClassVar

import faust.streams as streams_module
import faust.transport.conductor as conductor_module
from faust.transport.drivers import aiokafka as driver
from faust.types.transports import ConsumerT, ProducerT

from streams.transport.consumer import BatchConsumer
from streams.transport.producer import Producer


class MissingCompiledPartsError(Exception):
    """Raised when Faust runs in pure Python: its stream then acknowledges events that it skips."""


class BatchTransport(driver.Transport):
    """Build the consumer and producer of this package. Everything else is Faust's."""

    Consumer: ClassVar[type[ConsumerT]] = BatchConsumer
    Producer: ClassVar[type[ProducerT]] = Producer


def require_compiled_parts() -> None:
    """Refuse to run on Faust's pure-Python path, which loses events at a rebalance.

    Raises:
        MissingCompiledPartsError: NO_CYTHON is set, or Faust was installed from source without a compiler.
    """
    parts = (getattr(streams_module, "_CStreamIterator", None), getattr(conductor_module, "ConductorHandler", None))
    if None in parts:
        raise MissingCompiledPartsError(
            "faust-streaming's compiled parts are missing: install its wheel and unset NO_CYTHON"
        )
