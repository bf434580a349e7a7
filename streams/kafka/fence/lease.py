"""Check the lease right before each produce: a worker that may have a successor must not write.

An earlier check, when outputs are handed to the producer, is not enough. The producer may hold them while a request is
pending, or retry them while a broker is down. The process may be paused meanwhile, and send them when it continues.
"""

from collections.abc import Callable
from typing import Any, Final

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

FENCED: Final = "the broker refused a produce of an older epoch: another worker took this partition over"


class ExpelledError(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """Raised when another worker may own this one's partitions: the group has removed it, or its lease has ended.

    It is not retriable: in a producer it fails the batches of the request.
    """


def guard(client: AIOKafkaClient, check: Callable[[], None]) -> None:
    """Call `check` before each produce of a client, as the last step before the socket.

    `check` refuses the produce by raising ExpelledError, or another KafkaError that is not retriable.
    """
    ready, send = client.ready, client.send

    async def checked(node_id: int, request: Any, *, group: Any = ConnectionGroup.DEFAULT) -> Any:
        if isinstance(request, ProduceRequest):
            await ready(node_id, group=group)  # connect before the check, since it takes time
            check()
        return await send(node_id, request, group=group)

    client.send = checked
