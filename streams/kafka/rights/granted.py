"""Find all missing rights before they are used, for one message.

For topics, Metadata returns the client's rights. For topic configs, the group and transactional ids, a request is sent
that changes nothing; a broker checks the right first. The heartbeat of no member, and the end of a transaction that was
not begun, always fail: the error code shows whether a right is missing.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    NodeNotReadyError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import EndTxnRequest

from streams.kafka.errors import RightsError
from streams.kafka.metadata import MetadataRequest, topics_of
from streams.kafka.rights.acls import grants, named, principal
from streams.kafka.rights.table import Kind, Operation, Right
from streams.kafka.security import client_options
from streams.kafka.settings import Broker

BITS: Final = {Operation.READ: 3, Operation.WRITE: 4, Operation.DESCRIBE: 8}
"""Bits of operations in Metadata. Create is not checked: a right on the cluster grants it too."""

NOT_TOLD: Final = frozenset({-(1 << 31), 0})
"""Values of a broker that does not report rights, or has no authorizer."""

NOBODY: Final = -1
TOPIC_RESOURCE: Final = 2


def lacking(missing: Sequence[Right], broker: Broker) -> RightsError:
    """Return the error that names missing rights and how to grant them."""
    whose = principal(broker)
    lines = "; ".join(grants(missing, whose, broker.bootstrap[0]))
    return RightsError(f"{whose} lacks {named(missing)}. Grant with: {lines}")


async def require(broker: Broker, rights: Sequence[Right]) -> None:
    """Raise if any of the rights is missing.

    Raises:
        RightsError: some are missing.
        aiokafka.errors.KafkaError: no broker can be reached.
        SecurityError: credentials or TLS files cannot be used.
    """
    missing = await missing_of(broker, rights)
    if missing:
        raise lacking(missing, broker)


async def missing_of(broker: Broker, rights: Sequence[Right]) -> list[Right]:
    """Return the rights that the brokers do not grant, in their order. Rights that are not reported count as granted.

    Raises:
        aiokafka.errors.KafkaError: no broker can be reached.
        SecurityError: credentials or TLS files cannot be used.
    """
    async with _connected(broker) as client:
        topics = {right.name for right in rights if right.kind is Kind.TOPIC}
        topics |= {right.numbered_by for right in rights if right.numbered_by}
        told = await _topics(client, sorted(topics))
        refused = await _refused_configs(client, _names(rights, Operation.DESCRIBE_CONFIGS))
        for right in rights:
            if right.kind is Kind.GROUP and await _is_refused_group(client, right.name):
                refused.add((right.operation, right.name))
            if right.kind is Kind.TRANSACTIONAL_ID:
                _, partitions = told.get(right.numbered_by, (None, 0))
                ids = [f"{right.name}{end}" for end in ("probe", *range(partitions))]
                if any(await asyncio.gather(*(_is_refused_id(client, name) for name in ids))):
                    refused.add((right.operation, right.name))
    for right in rights:
        bit = BITS.get(right.operation)
        operations, _ = told.get(right.name, (None, 0))
        if right.kind is Kind.TOPIC and bit is not None and operations is not None and not operations >> bit & 1:
            refused.add((right.operation, right.name))
    return [right for right in rights if (right.operation, right.name) in refused]


@asynccontextmanager
async def _connected(broker: Broker) -> AsyncIterator[AIOKafkaClient]:
    client = AIOKafkaClient(**client_options(broker), client_id="sekisho-rights")
    try:
        await client.bootstrap()
        yield client
    finally:
        await client.close()


async def _ask(client: AIOKafkaClient, request: Any) -> Any:
    """Send a request to any broker. None if brokers do not support it.

    Raises:
        aiokafka.errors.KafkaError: no broker answers.
    """
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    random.shuffle(nodes)
    for left, node in zip(reversed(range(len(nodes))), nodes, strict=True):
        try:
            return await client.send(node, request)
        except (IncompatibleBrokerVersion, NotImplementedError):
            return None
        except (KafkaConnectionError, NodeNotReadyError, RequestTimedOutError):
            if not left:
                raise
    return None


async def _topics(client: AIOKafkaClient, names: Sequence[str]) -> Mapping[str, tuple[int | None, int]]:
    """Return the allowed operations of each topic (None: not reported) and its number of partitions."""
    answer = await _ask(client, MetadataRequest(names)) if names else None
    if answer is None:
        return {}
    told: dict[str, tuple[int | None, int]] = {}
    for topic in topics_of(answer):
        if topic.error_code == TopicAuthorizationFailedError.errno:
            told[topic.name] = (0, 0)
        else:
            told[topic.name] = (None if topic.operations in NOT_TOLD else topic.operations, topic.partitions)
    return told


async def _refused_configs(client: AIOKafkaClient, names: Sequence[str]) -> set[tuple[Operation, str]]:
    request = DescribeConfigsRequest([(TOPIC_RESOURCE, name, None) for name in names])
    answer = await _ask(client, request) if names else None
    if answer is None:
        return set()
    refused = TopicAuthorizationFailedError.errno
    return {(Operation.DESCRIBE_CONFIGS, name) for code, _, _, name, *_ in answer.resources if code == refused}


async def _is_refused_group(client: AIOKafkaClient, group: str) -> bool:
    answer = await _ask(client, HeartbeatRequest(group, NOBODY, ""))
    return answer is not None and answer.error_code == GroupAuthorizationFailedError.errno


async def _is_refused_id(client: AIOKafkaClient, transactional_id: str) -> bool:
    answer = await _ask(client, EndTxnRequest(transactional_id, NOBODY, NOBODY, transaction_result=False))
    return answer is not None and answer.error_code == TransactionalIdAuthorizationFailed.errno


def _names(rights: Iterable[Right], operation: Operation) -> list[str]:
    return sorted({right.name for right in rights if right.operation is operation})
