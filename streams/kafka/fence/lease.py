"""The last look before a produce leaves this process: a worker that may have a successor must not write beside it.

Outputs and rows are checked when they are handed to a producer, which may hold them while a request is under way, or
send them again for as long as a broker is away. A process that is frozen meanwhile wakes up with them in its hands.
"""

from collections.abc import Callable
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

FENCED: Final = "the broker refused a produce of an older epoch: another worker took this partition over"


class ExpelledError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Raised when the group has excluded this worker: whatever it was doing, another may be doing by now.

    To a producer it is an error that no retry mends: it fails the batches of the request.
    """


def guard(client: AIOKafkaClient, check: Callable[[], None]) -> None:
    """Let no produce of a client leave that `check` refuses, with nothing but the way to the socket after it.

    `check` raises ExpelledError, or another KafkaError that is not to be retried.
    """
    ready, send = client.ready, client.send

    async def checked(node_id: int, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:
        if isinstance(request, ProduceRequest):
            await ready(node_id, group=group)  # connecting takes time, and is done when `send` asks for it again
            check()
        return await send(node_id, request, group=group)

    client.send = checked
