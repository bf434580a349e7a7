"""The schema of a topic whose values are batches of raw bytes."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.types import EventT, Message


class RawBatchSchema(faust.Schema[None, bytes]):
    """Hand the batch through. There is nothing to decode here, so no decode error that Faust would ack and drop."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        """Override the codec chain by an identity; a bad payload becomes a dead letter in `scoring`."""
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            event: EventT[Any] = create_event(None, message.value, None, message)
            return event

        return decode
