"""Difficult input: many aborted transactions, and many events that cannot be decided."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import aiokafka

from tests.chaos.brokers.site import Site
from tests.chaos.feed import TICK_S, Feed
from tests.chaos.oracles.oracle import Finding
from tests.chaos.scenarios.kills import kill
from tests.chaos.stage import Scale, clear, compare, reckon, scenario, staged, traffic_of
from tests.chaos.traffic import Event, Mix

TRANSACTION = 20
ABORTED_EVERY = 3
POISON_S = 30.0

FLOOD = Mix(bad=0.5)
HIGH: Mapping[str, Any] = {"poison": {"window_events": 1_000, "max_ratio": 0.9, "max_letters": 500}}
LOW: Mapping[str, Any] = {"poison": {"window_events": 1_000, "max_ratio": 0.3, "max_letters": 200}}


class TransactionalFeed(Feed):
    """Produce in transactions, and abort every third. Half of the aborted events are sent again."""

    async def _produce(self) -> None:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", transactional_id=f"{self._topic}-feed"
        )
        await producer.start()
        try:
            begun = time.monotonic()
            number = 0
            again: list[Event] = []
            while not self._stopped.is_set():
                ahead = self.sent > self._limit or self.sent > (time.monotonic() - begun) * self._rate
                if ahead:
                    await asyncio.sleep(TICK_S)
                    continue
                fresh = self.take(TRANSACTION)
                if not (fresh or again):
                    return
                number += 1
                aborted = number % ABORTED_EVERY == 0 and bool(fresh)
                await self._transact(producer, [*again, *fresh], aborted=aborted)
                again = [*again, *fresh][::2] if aborted else []
                self.sent += len(fresh)
        finally:
            await producer.stop()

    async def _transact(self, producer: aiokafka.AIOKafkaProducer, events: list[Event], *, aborted: bool) -> None:
        await producer.begin_transaction()
        acks = [
            await producer.send(
                self._topic, event.value, key=event.key, partition=event.partition, timestamp_ms=event.at_ms
            )
            for event in events
        ]
        await asyncio.gather(*acks)
        await (producer.abort_transaction() if aborted else producer.commit_transaction())


@scenario
def transactional_upstream(place: Site, scale: Scale) -> Finding:
    """Send small transactions of which every third is aborted, and kill the worker in between."""
    traffic = traffic_of(scale, events=scale.events // 4, partitions=2)
    with staged(place, "transactions", traffic, scale, upstream=TransactionalFeed) as stage:
        kills: Counter[str] = Counter()
        for _ in stage.each_fault(max(2, scale.faults // 8)):
            kill(stage, "random", kills)
        stage.finish()
        stage.none_ended_by_itself()
        stage.finding.numbers["kills"] = kills.total()
    reckon(stage)
    return stage.finding


@scenario
def poison_below_limit(place: Site, scale: Scale) -> Finding:
    """Make every other event bad, which the limit allows: every good one is decided."""
    traffic = traffic_of(scale, events=scale.events // 4, mix=FLOOD)
    with staged(place, "poison", traffic, scale, changes=HIGH) as stage:
        stage.finish()
        stage.none_ended_by_itself()
    return compare(stage, traffic, changes=HIGH)


@scenario
def poison_above_limit(place: Site, scale: Scale) -> Finding:
    """Make every other event bad, which the limit forbids: the worker stops. With a higher limit the next one
    continues.
    """
    traffic = traffic_of(scale, events=scale.events // 4, mix=FLOOD)
    with staged(place, "poisoned", traffic, scale, changes=LOW) as stage:
        stage.crew.workers[0].wanted = False
        stage.feed.join()
        end = stage.crew.await_end(0, 0, POISON_S)
        if end is None:
            stage.finding.failures.append(f"the worker had not stopped {POISON_S:.0f} s after the flood")
            stage.crew.kill()
        elif not clear(end) or "poison" not in end.line.lower():
            stage.finding.failures.append(f"the worker stopped with {end.status}, {end.line}")
        stage.deployment.change(HIGH)
        stage.crew.hire()
        stage.finish()
        stage.finding.numbers["halts"] = sum(not found.asked for found in stage.crew.ends)
    return compare(stage, traffic, changes=HIGH)
