"""A takeover asks the coordinator until the fence is in every log, or fails with the reason."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import errors
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest
from aiokafka.structs import TopicPartition

from streams.kafka.fence import Fence, FenceError, ProducerIdentity
from streams.kafka.fence.lease import ExpelledError
from streams.kafka.settings import BrokerTraits

LOGS = [TopicPartition("decisions", 3), TopicPartition("alerts", 0), TopicPartition("alerts", 1)]
OK = 0


class Coordinator:
    """Two brokers, one of which coordinates; `script` holds the error codes of the next answers, by request."""

    def __init__(self, **script: list[Any]) -> None:
        self.script = script
        self.asked: list[str] = []
        self.sent: list[Any] = []
        self.lookups = 0

    async def coordinator_lookup(self, kind: int, name: str) -> int:
        self.lookups += 1
        return self.lookups

    async def send(self, node: int, request: Any, *, group: int) -> Any:
        kind = {InitProducerIdRequest: "init", AddPartitionsToTxnRequest: "add", EndTxnRequest: "end"}[type(request)]
        self.asked.append(kind)
        self.sent.append(request)
        assert node == self.lookups, "the request went to a broker that is no longer the coordinator"
        code = self.script.get(kind, [OK])
        found = code.pop(0) if len(code) > 1 else code[0]
        if isinstance(found, Exception):
            raise found
        codes = found if isinstance(found, list) else [found] * len(LOGS)
        return SimpleNamespace(
            error_code=found,
            producer_id=40,
            producer_epoch=7,
            errors=[("any", list(enumerate(codes)))],
        )


def take(coordinator: Coordinator, timeout_s: float = 5.0) -> ProducerIdentity:
    fence = Fence(lambda: coordinator, "sekisho", timeout_s=timeout_s)
    return asyncio.run(fence.take(3, LOGS))


def test_a_takeover_marks_every_log_and_waits_until_the_coordinator_says_that_it_is_complete() -> None:
    coordinator = Coordinator(end=[OK, 51, 51, OK])
    identity = take(coordinator)
    assert (identity.producer_id, identity.epoch) == (40, 7)
    assert coordinator.asked == ["init", "add", "end", "end", "end", "end"]
    assert coordinator.sent[0]._transactional_id == "sekisho-3"
    assert dict(coordinator.sent[1]._topics) == {"decisions": [3], "alerts": [0, 1]}


NOT_YET = [3, 7, 14, 15, 16, 19, 20, 51]


@pytest.mark.parametrize("step", ["init", "add", "end"])
@pytest.mark.parametrize("code", NOT_YET)
def test_a_request_is_repeated_after_a_passing_error(step: str, code: int) -> None:
    coordinator = Coordinator(**{step: [code, code, OK]})
    take(coordinator)
    assert coordinator.asked.count(step) == 3 + (step == "end")
    moved = code in (15, 16)
    assert coordinator.lookups == (3 if moved else 1), "a coordinator that moved must be looked up again"


@pytest.mark.parametrize(
    "error", [errors.KafkaConnectionError(), errors.NodeNotReadyError("x"), errors.RequestTimedOutError()]
)
def test_a_coordinator_that_is_away_is_looked_up_again(error: Exception) -> None:
    coordinator = Coordinator(add=[error, OK])
    take(coordinator)
    assert coordinator.lookups == 2


@pytest.mark.parametrize("step", ["init", "add", "end"])
def test_an_error_without_a_cause_passes_once_the_broker_has_given_an_epoch(step: str) -> None:
    coordinator = Coordinator()
    fence = Fence(lambda: coordinator, "sekisho", timeout_s=5.0)
    asyncio.run(fence.probe())
    coordinator.script = {step: [-1, -1, OK]}
    coordinator.asked.clear()
    asyncio.run(fence.take(3, LOGS))
    assert coordinator.asked.count(step) == 3 + (step == "end")


def test_an_error_without_a_cause_before_the_first_epoch_says_that_the_broker_gives_none() -> None:
    coordinator = Coordinator(init=[-1])
    with pytest.raises(FenceError, match=r"does not hand out producer epochs .* UnknownError"):
        asyncio.run(Fence(lambda: coordinator, "sekisho", timeout_s=5.0).probe())
    assert coordinator.asked == ["init"]


def test_one_log_that_is_refused_fails_the_takeover_while_others_only_wait() -> None:
    with pytest.raises(FenceError, match="TopicAuthorizationFailedError"):
        take(Coordinator(add=[[51, 29, 51]]))


@pytest.mark.parametrize("code", [47, 49])
def test_an_owner_that_was_replaced_meanwhile_gets_an_error(code: int) -> None:
    with pytest.raises(ExpelledError, match="another worker took this partition over"):
        take(Coordinator(add=[code]))


@pytest.mark.parametrize(
    ("step", "code", "message"),
    [
        ("init", 53, "no right to Write to transactional id 'sekisho-3'"),
        ("init", 35, "fencing: false"),
        ("init", errors.IncompatibleBrokerVersion("InitProducerId"), "fencing: false"),
        ("end", 48, "transactional id 'sekisho-3': the broker answered InvalidTxnState"),
    ],
)
def test_a_refusal_names_the_way_out(step: str, code: Any, message: str) -> None:
    with pytest.raises(FenceError, match=message):
        take(Coordinator(**{step: [code]}))


def test_a_fence_that_is_never_complete_ends_the_takeover_with_the_last_answer() -> None:
    with pytest.raises(FenceError, match=r"no fence within 0.1 s \(last answer: ConcurrentTransactions\)"):
        take(Coordinator(end=[OK, 51]), timeout_s=0.1)


def test_broker_traits_with_fencing_need_idempotence() -> None:
    def profile(**changes: Any) -> BrokerTraits:
        return BrokerTraits(
            **{
                "name": "ours",
                "idempotent_producer": False,
                "session_timeout_s": 6.0,
                "heartbeat_interval_s": 1.0,
                **changes,
            }
        )

    with pytest.raises(ValueError, match="fencing: false"):
        profile()
    assert not profile(fencing=False).fencing
    assert profile(idempotent_producer=True).fencing


def test_a_flush_is_begun_and_committed_with_one_request_each() -> None:
    async def play() -> list[Any]:
        coordinator = Coordinator(add=[51, OK], end=[OK])
        fence = Fence(lambda: coordinator, "sekisho", timeout_s=5.0)
        owner = ProducerIdentity(40, 7)
        await fence.begin(3, owner, LOGS)
        assert coordinator.asked == ["add", "add"], "it must wait for the transaction before"
        await fence.commit(3, owner)
        assert coordinator.asked[2:] == ["end"]
        return coordinator.sent

    for request in asyncio.run(play()):
        assert (request._transactional_id, request._producer_id, request._producer_epoch) == ("sekisho-3", 40, 7)


@pytest.mark.parametrize("step", ["add", "end"])
@pytest.mark.parametrize("code", [47, 49])
def test_a_flush_of_an_owner_that_has_a_successor_is_refused(step: str, code: int) -> None:
    async def play() -> None:
        coordinator = Coordinator(**{step: [code]})
        fence = Fence(lambda: coordinator, "sekisho", timeout_s=5.0)
        await fence.begin(3, ProducerIdentity(40, 7), LOGS)
        await fence.commit(3, ProducerIdentity(40, 7))

    with pytest.raises(ExpelledError, match="another worker took this partition over"):
        asyncio.run(play())


def test_the_coordinator_leaves_a_transaction_open_for_longer_than_a_flush_may_take() -> None:
    coordinator = Coordinator()
    fence = Fence(lambda: coordinator, "sekisho", timeout_s=5.0, flush_s=60.0)
    asyncio.run(fence.take(3, LOGS))
    assert coordinator.sent[0]._transaction_timeout_ms == 120_000
