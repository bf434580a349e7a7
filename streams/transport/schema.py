"""The schema of a topic whose values are batches of raw bytes."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust
from faust.types import EventT, Message


class RawBatchSchema(faust.Schema[None, bytes]):
    """Pass the batch on. Nothing is decoded, so there is no decode error that Faust would acknowledge and drop."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        """Replace the codec chain by an identity. `scoring` turns a bad payload into a dead letter."""
        create_event = app.create_event

        async def decode(message: Message, *, propagate: bool = False) -> EventT[Any]:
            event: EventT[Any] = create_event(None, message.value, None, message)
            return event

        return decode
