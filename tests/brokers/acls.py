"""Rights on a test broker: lines of `kafka-acls`, parsed here and granted over the protocol.

The tool itself starts a JVM for each line.
"""

import argparse
import asyncio
import shlex
import time
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import CreateAclsRequest_v1, DeleteAclsRequest_v1, DescribeAclsRequest_v1

from streams.kafka.security import client_options
from streams.kafka.settings import Broker

KINDS = {"topic": 2, "group": 3, "cluster": 4, "transactional_id": 5}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
PATTERNS = {"literal": 3, "prefixed": 4}
ALLOW = 3
ANY = 1
IN_FORCE_S = 30.0


class Acl(NamedTuple):
    """One operation that a principal may do on one resource, in the numbers of the protocol."""

    kind: int
    name: str
    pattern: int
    principal: str
    operation: int

    @property
    def binding(self) -> tuple[int, str, int, str, str, int, int]:
        """Return it in the form of the protocol: allowed, from every host."""
        return (self.kind, self.name, self.pattern, self.principal, "*", self.operation, ALLOW)


def parse(line: str) -> list[Acl]:
    """Parse one line of `kafka-acls --add`; a line that the tool would refuse is an error."""
    words = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    words.add_argument("--bootstrap-server", required=True)
    words.add_argument("--add", action="store_true", required=True)
    words.add_argument("--allow-principal", required=True)
    words.add_argument("--operation", action="append", required=True, choices=OPERATIONS)
    words.add_argument("--resource-pattern-type", default="literal", choices=PATTERNS)
    for kind in ("topic", "group", "transactional-id"):
        words.add_argument(f"--{kind}", action="append", default=[])
    tool, *rest = shlex.split(line)
    assert tool == "kafka-acls"
    found = words.parse_args(rest)
    return [
        Acl(code, name, PATTERNS[found.resource_pattern_type], found.allow_principal, OPERATIONS[operation])
        for kind, code in KINDS.items()
        for name in getattr(found, kind, ())
        for operation in found.operation
    ]


def put_in_force(broker: Broker, principal: str, lines: Iterable[str]) -> None:
    """Grant a principal exactly the rights of some lines; they hold once this returns."""
    asyncio.run(_put_in_force(broker, principal, {acl for line in lines for acl in parse(line)}))


async def _put_in_force(broker: Broker, principal: str, wanted: Collection[Acl]) -> None:
    client = AIOKafkaClient(**client_options(broker))
    await client.bootstrap()
    try:
        node = client.get_random_node()
        before = await _described(client, node, principal)
        gone, new = [acl.binding for acl in before - set(wanted)], [acl.binding for acl in set(wanted) - before]
        if gone:
            await client.send(node, _AsItIs(DeleteAclsRequest_v1(gone)))
        if new:
            await client.send(node, _AsItIs(CreateAclsRequest_v1(new)))
        deadline = time.monotonic() + IN_FORCE_S
        while await _described(client, node, principal) != set(wanted):  # the authorizer receives it a moment later
            assert time.monotonic() < deadline, "the broker did not apply the rights"
            await asyncio.sleep(0.01)
    finally:
        await client.close()


async def _described(client: AIOKafkaClient, node: int, principal: str) -> set[Acl]:
    answer = await client.send(node, _AsItIs(DescribeAclsRequest_v1(ANY, None, ANY, principal, None, ANY, ANY)))
    assert not answer.error_code, answer.error_message
    return {
        Acl(kind, name, pattern, whose, operation)
        for kind, name, pattern, acls in answer.resources
        for whose, _, operation, _ in acls
    }


class _AsItIs:
    """A request with many bindings; aiokafka's own has one."""

    def __init__(self, struct: Any) -> None:
        self._struct = struct

    def prepare(self, _: object) -> Any:
        """Return the request for any versions of the broker: every broker knows this one."""
        return self._struct
