"""Keyed hashes for cards, devices and addresses: stable for a seed, without meaning outside it."""

from hashlib import blake2b
from typing import Literal, get_args

Namespace = Literal["card", "device", "ip", "net", "account", "email", "phone", "address", "order", "cavv", "ua", "tds"]


class Tokens:
    """Make tokens from a seed, a namespace and an integer. There is no card number at any point."""

    def __init__(self, seed: int) -> None:
        key = blake2b(b"sekisho-simulator", key=seed.to_bytes(8, "little"), digest_size=32).digest()
        spaces: tuple[Namespace, ...] = get_args(Namespace)
        # Copied for each token: a new keyed hash would digest the key again.
        self._long = {space: blake2b(key=key, digest_size=32, person=space.encode()) for space in spaces}
        self._short = {space: blake2b(key=key, digest_size=16, person=space.encode()) for space in spaces}

    def hex(self, namespace: Namespace, number: int) -> str:
        """Return 64 hexadecimal characters for one number of one namespace. Under a microsecond."""
        digest = self._long[namespace].copy()
        digest.update(number.to_bytes(8, "little"))
        return digest.hexdigest()

    def uuid(self, namespace: Namespace, number: int) -> str:
        """Return a UUID of version 4 form (RFC 9562) for one number of one namespace."""
        digest = self._short[namespace].copy()
        digest.update(number.to_bytes(8, "little"))
        h = digest.hexdigest()
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"
