"""Ports that stay ours while nobody listens on them."""

import random
import socket

FIRST, LAST = 20_000, 32_000
"""Below the range that Linux takes for outgoing connections (32768 upwards): while a broker is down, none of the
clients that look for it may be given its port, or connect to itself."""

ATTEMPTS_MAX = 1_000


def steady_ports(count: int) -> list[int]:
    """Return loopback ports on which nobody listens."""
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
