"""Ports that are reserved while no process listens on them."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""First port: below the range for outgoing connections on Linux (from 32768). While a broker is down, a client must not
get its port for a connection, or connect to itself.
"""

ATTEMPTS_MAX = 1_000


def steady_ports(count: int) -> list[int]:
    """Return loopback ports on which no process listens."""
    choose = random.SystemRandom()
    found: set[int] = set()
    for _ in range(ATTEMPTS_MAX):
        port = choose.randrange(FIRST, LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.add(port)
        if len(found) == count:
            return list(found)
    raise OSError(f"no {count} free ports from {FIRST} to {LAST}")
