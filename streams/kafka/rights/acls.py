"""Rights as text, and as the `kafka-acls` lines that grant them."""

import shlex
from collections.abc import Iterable
from typing import Final

from streams.kafka.rights.table import Kind, Operation, Right, by_resource
from streams.kafka.settings import Broker

OPTIONS: Final = {Kind.TOPIC: "--topic", Kind.GROUP: "--group", Kind.TRANSACTIONAL_ID: "--transactional-id"}


def principal(broker: Broker) -> str:
    """Return the Kafka principal. Brokers derive that of a certificate by `ssl.principal.mapping.rules`."""
    if broker.sasl is not None:
        return f"User:{broker.sasl.username}"
    if broker.tls is not None and broker.tls.certificate_file is not None:
        return "User:<subject of kafka.tls.certificate_file>"
    return "User:ANONYMOUS"


def named(rights: Iterable[Right]) -> str:
    """Return rights as text, each resource once."""
    return "; ".join(
        f"{', '.join(operations)} on {f'{kind}s that begin with' if is_prefix else kind} {name!r}"
        for (kind, name, is_prefix), operations in by_resource(rights).items()
    )


def grants(rights: Iterable[Right], whose: str, bootstrap: str) -> list[str]:
    """Return the `kafka-acls` lines that grant exactly these rights. Resources with equal operations share a line."""
    alike: dict[tuple[Kind, bool, tuple[Operation, ...]], list[str]] = {}
    for (kind, name, is_prefix), operations in by_resource(rights).items():
        alike.setdefault((kind, is_prefix, tuple(sorted(operations, key=list(Operation).index))), []).append(name)
    return [
        shlex.join(
            [
                *("kafka-acls", "--bootstrap-server", bootstrap, "--add", "--allow-principal", whose),
                *(word for operation in operations for word in ("--operation", operation)),
                *(word for name in names for word in (OPTIONS[kind], name)),
                *(("--resource-pattern-type", "prefixed") if is_prefix else ()),
            ]
        )
        for (kind, is_prefix, operations), names in alike.items()
    ]
