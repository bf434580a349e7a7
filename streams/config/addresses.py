"""Check broker addresses: `host:port`, one in each item of the list."""

import re
from typing import Final

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\]")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PORT_MAX: Final = 65_535


def fault_of(address: str) -> str | None:
    """Return the fault of a broker address and how to write it, or None. The text never contains the address."""
    if "," in address:
        return 'one item of the list is one broker: write ["host1:port", "host2:port"]'
    if "://" in address:
        return "write host:port without a protocol: kafka.tls and kafka.sasl set the protocol"
    host, colon, port = address.rpartition(":")
    if not colon or "]" in port:
        return "the port is missing: write host:port"
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= _PORT_MAX:
        return f"the port must be a number from 1 to {_PORT_MAX}: write host:port"
    if ":" in host and not host.startswith("["):
        return "write an IPv6 address in brackets: [address]:port"
    if not _HOST.fullmatch(host):
        return "a host has letters, digits, '.', '-' and '_': write host:port"
    return None
