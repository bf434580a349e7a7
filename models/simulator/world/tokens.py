"""Keyed hashes for cards, devices and addresses: stable for a seed, without meaning outside it."""

from hashlib import blake2b
from typing import Literal

Namespace = Literal["card", "device", "ip", "net", "account", "email", "phone", "address", "order", "cavv", "ua", "tds"]


class Tokens:
    """Make tokens from a seed, a namespace and an integer. There is no card number at any point."""

    def __init__(self, seed: int) -> None:
        self._key = blake2b(b"sekisho-simulator", key=seed.to_bytes(8, "little"), digest_size=32).digest()

    def hex(self, namespace: Namespace, number: int) -> str:
        """Return 64 hexadecimal characters for one number of one namespace. About a microsecond."""
        data = number.to_bytes(8, "little")
        return blake2b(data, key=self._key, digest_size=32, person=namespace.encode()).hexdigest()

    def uuid(self, namespace: Namespace, number: int) -> str:
        """Return a UUID of version 4 form (RFC 9562) for one number of one namespace."""
        h = blake2b(number.to_bytes(8, "little"), key=self._key, digest_size=16, person=namespace.encode()).hexdigest()
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"
