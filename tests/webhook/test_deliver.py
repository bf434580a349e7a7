"""Deliveries to a fake receiver: retries, ends, fair turns under a flood, and what happens at a stop or a move."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.webhook.alerts import Offsets, WaitingAlert
from streams.webhook.deliver import Delivery, backoff_s
from streams.webhook.facts import Facts
from streams.webhook.post import Result
from tests.examples import is_quick
from tests.webhook.made import alert, in_loop, settings

PATIENCE_S = 60.0


class Receiver:
    """Accepts, unless `results` has something else for an alert. Alerts of `hangs` get no answer until released."""

    def __init__(self) -> None:
        self.results: dict[str, deque[Result]] = {}
        self.default: Result = "ACCEPTED"
        self.asked: list[tuple[str, str]] = []  # acquirer and id
        self.hangs: set[str] = set()
        self.release = asyncio.Event()

    async def post(self, one: WaitingAlert) -> Result:
        self.asked.append((one.acquirer, one.alert_id))
        if one.acquirer in self.hangs:
            await self.release.wait()
        await asyncio.sleep(0)
        planned = self.results.get(one.alert_id)
        return planned.popleft() if planned else self.default


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


@asynccontextmanager
async def delivering(receiver: Receiver, **changes: Any) -> AsyncIterator[tuple[Delivery, Facts]]:
    facts = Facts()
    fast: dict[str, Any] = {"backoff_first_s": 0.001, "backoff_max_s": 0.002}
    delivery = Delivery(settings(**(fast | changes)), receiver, facts)
    task = asyncio.create_task(delivery.run())
    try:
        yield delivery, facts
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def count(facts: Facts, name: str) -> float:
    """Read a figure of the metrics page: `alerts_total{outcome="DELIVERED"}`."""
    (line,) = (line for line in facts.exposition().decode().splitlines() if line.startswith(f"sekisho_webhook_{name} "))
    return float(line.split(" ")[-1])


def outcome(facts: Facts, name: str) -> float:
    return count(facts, f'alerts_total{{outcome="{name}"}}')


@in_loop
async def test_an_alert_is_tried_again_until_it_is_accepted() -> None:
    receiver, one = Receiver(), alert(3)
    receiver.results[one.alert_id] = deque(["REFUSED", "TIMED_OUT", "REDIRECTED", "UNREACHABLE"])
    async with delivering(receiver) as (delivery, facts):
        delivery.add(one)
        assert one.offsets.committable == 3
        await until(lambda: one.offsets.committable == 4)
    assert receiver.asked == [("acq-1", one.alert_id)] * 5
    assert outcome(facts, "DELIVERED") == 1
    assert count(facts, "retries_total") == 4
    for result in ("ACCEPTED", "REFUSED", "TIMED_OUT", "REDIRECTED", "UNREACHABLE"):
        assert count(facts, f'attempts_total{{result="{result}"}}') == 1


@in_loop
async def test_an_alert_is_given_up_after_its_attempts_and_others_are_delivered() -> None:
    receiver, offsets = Receiver(), Offsets(0)
    bad, good = alert(0, offsets=offsets), alert(1, offsets=offsets)
    receiver.results[bad.alert_id] = deque(["REFUSED"] * 99)
    async with delivering(receiver, attempts_max=3) as (delivery, facts):
        delivery.add(bad)
        delivery.add(good)
        await until(lambda: offsets.committable == 2)
    assert Counter(name for _, name in receiver.asked) == {bad.alert_id: 3, good.alert_id: 1}
    assert (outcome(facts, "GIVEN_UP"), outcome(facts, "DELIVERED")) == (1, 1)


@in_loop
async def test_an_alert_that_is_too_old_is_not_sent() -> None:
    receiver, offsets = Receiver(), Offsets(0)
    async with delivering(receiver, age_max_s=100.0) as (delivery, facts):
        delivery.add(alert(0, offsets=offsets, age_s=101.0))
        delivery.add(alert(1, offsets=offsets, age_s=50.0))
        await until(lambda: offsets.committable == 2)
    assert receiver.asked == [("acq-1", f"{1:032x}")]
    assert (outcome(facts, "EXPIRED"), outcome(facts, "DELIVERED")) == (1, 1)


@in_loop
async def test_a_flood_of_one_acquirer_delays_another_by_its_share() -> None:
    """Many alerts of A wait. B's alert comes when some are delivered, and is asked for after one more of A."""
    receiver, offsets = Receiver(), Offsets(0)
    slots, flood = 4, 1_000 if is_quick() else 10_000
    async with delivering(receiver, slots=slots, slots_per_acquirer=3) as (delivery, facts):
        for number in range(flood):
            delivery.add(alert(number, "A", offsets=offsets))
        await until(lambda: len(receiver.asked) >= 100)
        before = len(receiver.asked)
        delivery.add(alert(flood, "B", offsets=offsets))
        await until(lambda: offsets.committable == flood + 1)
    place = receiver.asked.index(("B", f"{flood:032x}"))
    assert place - before <= slots, "of the flood, at most what was in flight goes first"
    assert place < flood - 1, "the flood was not over"
    assert Counter(receiver.asked) == Counter({*receiver.asked}), "each once"
    assert len(receiver.asked) == flood + 1
    assert outcome(facts, "DELIVERED") == flood + 1


@in_loop
async def test_an_acquirer_whose_attempts_hang_does_not_stop_another() -> None:
    receiver, offsets = Receiver(), Offsets(0)
    receiver.hangs = {"A"}
    async with delivering(receiver, slots=4, slots_per_acquirer=3) as (delivery, facts):
        for number in range(20):
            delivery.add(alert(number, "A", offsets=offsets))
        for number in range(20, 30):
            delivery.add(alert(number, "B", offsets=offsets))
        await until(lambda: outcome(facts, "DELIVERED") == 10)
        assert Counter(name for name, _ in receiver.asked) == {"A": 3, "B": 10}
        receiver.release.set()
        await until(lambda: offsets.committable == 30)


@in_loop
async def test_a_receiver_that_is_down_gets_one_attempt_of_each_acquirer_at_a_time() -> None:
    receiver, offsets = Receiver(), Offsets(0)
    receiver.default = "UNREACHABLE"
    async with delivering(receiver, slots=8, slots_per_acquirer=1, backoff_first_s=600.0, backoff_max_s=600.0) as (
        delivery,
        facts,
    ):
        for number in range(300):
            delivery.add(alert(number, f"acq-{number % 3}", offsets=offsets))
        await until(lambda: len(receiver.asked) >= 3)
        for _ in range(50):
            await asyncio.sleep(0)
        assert sorted(name for name, _ in receiver.asked) == ["acq-0", "acq-1", "acq-2"]
        delivery.show()
        assert count(facts, 'waiting_alerts{acquirer="acq-0"}') == 100
    assert offsets.committable == 0


@in_loop
async def test_what_a_full_queue_drops_is_the_oldest_and_is_counted() -> None:
    receiver, offsets = Receiver(), Offsets(0)
    facts = Facts()
    delivery = Delivery(settings(waiting_max=5, waiting_max_per_acquirer=3), receiver, facts)
    for number, name in enumerate("AAAABBC"):
        delivery.add(alert(number, name, offsets=offsets))
    assert outcome(facts, "OVERFLOWED") == 2
    assert offsets.committable == 2
    task = asyncio.create_task(delivery.run())
    await until(lambda: offsets.committable == 7)
    task.cancel()
    assert sorted(int(name, 16) for _, name in receiver.asked) == [2, 3, 4, 5, 6]


@in_loop
async def test_a_stop_waits_for_what_is_in_flight_and_starts_nothing() -> None:
    receiver, offsets = Receiver(), Offsets(0)
    receiver.hangs = {"A"}
    delivery = Delivery(settings(slots=2, slots_per_acquirer=2), receiver, Facts())
    for number in range(5):
        delivery.add(alert(number, "A", offsets=offsets))
    task = asyncio.create_task(delivery.run())
    await until(lambda: len(receiver.asked) == 2)
    task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    receiver.release.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(receiver.asked) == 2
    assert offsets.committable == 2


@in_loop
async def test_alerts_of_a_partition_that_has_moved_are_forgotten_and_not_counted_as_lost() -> None:
    receiver, gone, kept = Receiver(), Offsets(0), Offsets(0)
    receiver.hangs, receiver.default = {"A"}, "REFUSED"
    async with delivering(receiver, slots=3, slots_per_acquirer=1) as (delivery, facts):
        for number in range(5):
            delivery.add(alert(number, "A", offsets=gone))
        await until(lambda: len(receiver.asked) == 1)
        delivery.forget(gone)
        receiver.release.set()
        await until(lambda: count(facts, 'attempts_total{result="REFUSED"}') == 1)
        receiver.default = "ACCEPTED"
        delivery.add(alert(0, "B", offsets=kept))
        await until(lambda: kept.committable == 1)
        for _ in range(10):
            await asyncio.sleep(0)
    assert [name for name, _ in receiver.asked] == ["A", "B"]
    assert [outcome(facts, name) for name in ("DELIVERED", "GIVEN_UP", "OVERFLOWED")] == [1, 0, 0]


@in_loop
async def test_a_fault_of_the_program_ends_the_delivery() -> None:
    class Broken(Receiver):
        async def post(self, one: WaitingAlert) -> Result:
            raise LookupError(one.alert_id)

    delivery = Delivery(settings(), Broken(), Facts())
    delivery.add(alert(0))
    with pytest.raises(LookupError):
        await asyncio.wait_for(delivery.run(), PATIENCE_S)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_backoff_doubles_up_to_its_limit_and_half_of_it_is_drawn(failures: int, drawn: float) -> None:
    limits = settings(backoff_first_s=2.0, backoff_max_s=100.0)
    whole = min([2.0, 4.0, 8.0, 16.0, 32.0, 64.0][failures - 1] if failures <= 6 else 100.0, 100.0)
    assert backoff_s(failures, limits, lambda: drawn) == pytest.approx(whole / 2 + whole / 2 * drawn)
    assert whole / 2 <= backoff_s(failures, limits) <= whole
