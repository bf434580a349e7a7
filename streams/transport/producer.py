"""Faust's producer with `acks=all`, idempotence, and a check of the lease before each produce."""

from collections.abc import Mapping
from typing import Any

import aiokafka
from faust.transport.drivers import aiokafka as driver

from streams.kafka import failover
from streams.kafka.fence.lease import guard
from streams.transport.host import Host


class Producer(driver.Producer):
    """Ask for the acknowledgement of all in-sync replicas, and for idempotence where the broker has it."""

    app: Host  # type: ignore[assignment]  # Faust's AppT lacks these attributes

    def _settings_extra(self) -> Mapping[str, Any]:
        """Override: Faust turns idempotence on only inside its transactions."""
        return {"acks": "all", "enable_idempotence": self.app.settings.broker.profile.idempotent_producer}

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        """Watch its connections, so that it leaves silent brokers. Extends the original."""
        producer = super()._new_producer(transactional_id)
        failover.watch(producer.client)
        return producer

    async def on_start(self) -> None:
        """Check the lease before every produce. Extends the original, which connects."""
        await super().on_start()
        guard(self.client.client, self.app.check_produce)

    @property
    def client(self) -> aiokafka.AIOKafkaProducer:
        """Return aiokafka's producer, for its batch interface.

        Raises:
            faust.exceptions.NotReady: the producer has not been started.
        """
        return self._ensure_producer()
