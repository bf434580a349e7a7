"""An aiokafka consumer closed for good, whatever its fetcher is doing."""

import asyncio
from typing import Final

import aiokafka

AGAIN_S: Final = 0.01


async def close(consumer: aiokafka.AIOKafkaConsumer) -> None:
    """Stop a consumer, and wait until it has.

    aiokafka tells its fetcher to end by one cancellation. The fetcher forgets it if it comes while it cancels fetches
    itself, those of an assignment that is gone: at the end of a read or in a rebalance. So it is told again.
    """
    stopping = asyncio.create_task(consumer.stop())
    while not (await asyncio.wait([stopping], timeout=AGAIN_S))[0]:
        if consumer._fetcher is not None and consumer._fetcher._closed:
            consumer._fetcher._fetch_task.cancel()
    stopping.result()
