"""Signatures of Standard Webhooks, version 1: HMAC-SHA256 over `id.timestamp.body`.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

from streams.kafka.errors import SecurityError
from streams.kafka.security import read_secret
from streams.kafka.settings import Secret

PREFIX: Final = "whsec_"
KEY_BYTES_MIN: Final = 24
KEY_BYTES_MAX: Final = 64
"""Limits of the specification on the length of a key."""

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Ids that can be signed. A full stop would make `id.timestamp.body` ambiguous; a line break would end a header."""


class SigningSecretError(SecurityError):
    """Raised when a secret does not have the form of Standard Webhooks. The text gives its place, never its content."""


class Signer:
    """Sign messages with every key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def headers(self, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
        """Return the three headers of a message. `at_s`: time of this attempt, in seconds since the epoch."""
        assert ID.fullmatch(message_id), "ids are checked when alerts are read"
        signed = b"%s.%d.%s" % (message_id.encode(), at_s, body)
        signatures = (hmac.digest(key, signed, hashlib.sha256) for key in self._keys)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in signatures),
        }


def signer_of(secrets: Sequence[Secret]) -> Signer:
    """Read the secrets and return their signer.

    Raises:
        SecretError: a file or variable is missing or empty.
        SigningSecretError: one is not `whsec_` and the base64 of 24 to 64 bytes.
    """
    return Signer([_key_of(number, secret) for number, secret in enumerate(secrets)])


def _key_of(number: int, secret: Secret) -> bytes:
    text = read_secret(secret)
    place = f"file {secret.file}" if secret.file is not None else f"environment variable {secret.env}"
    try:
        key = base64.b64decode(text.removeprefix(PREFIX).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        key = b""
    if not text.startswith(PREFIX) or not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
        raise SigningSecretError(
            f"webhook.secrets[{number}], {place}: must be {PREFIX} and the base64 of {KEY_BYTES_MIN} to "
            f"{KEY_BYTES_MAX} random bytes: make one with `echo {PREFIX}$(openssl rand -base64 32)`"
        )
    return key
