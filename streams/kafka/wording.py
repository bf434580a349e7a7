"""Text for failed connections: the address, the cause and the way out, on one line."""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Final

from aiokafka.errors import (
    BrokerResponseError,
    IllegalSaslStateError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streams.kafka.failures import Failure

TOLD_MAX: Final = 5
WORDS_MAX: Final = 200

TLS_ALERT: Final = 0x15_03
"""First two bytes of a TLS alert, read as a length: the answer of a TLS port to a client without TLS."""

HTTP: Final = int.from_bytes(b"HTTP")

NOT_YET_VALID: Final = 9
EXPIRED: Final = 10
NOT_TRUSTED: Final = frozenset({2, 18, 19, 20, 21})
OTHER_HOST: Final = frozenset({62, 64})
"""Codes of `X509_verify_cert_error_string(3)`."""

STANDARD_REFUSAL: Final = "invalid credentials"
"""Apache Kafka's text for both a wrong password and an unknown user."""

OF_OUR_CERTIFICATE: Final = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")
"""Parts of the names of TLS alerts with which a broker refuses a client's certificate, or a missing one."""


def describe(found: Iterable[Failure]) -> str:
    """Return text for failed connections, one address after the other."""
    told = [f"{failure.address}: {cause(failure)}" for failure in found]
    more = f"; and {len(told) - TOLD_MAX} more" if len(told) > TOLD_MAX else ""
    return "; ".join(told[:TOLD_MAX]) + more


def cause(failure: Failure) -> str:
    """Return text for the cause of one failed connection."""
    error = _root(failure.error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(error, failure.host)
    if isinstance(error, ssl.SSLError) and getattr(error, "reason", None):
        return _tls(error.reason)
    if isinstance(error, BrokerResponseError):
        return _login(error, failure)
    if isinstance(error, TimeoutError):
        return f"no answer within {failure.timeout_s:g} s: a firewall, a broker that hangs, or no Kafka on this port"
    if isinstance(error, socket.gaierror):
        return f"the host name is not known: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens on this port"
    if isinstance(error, EOFError | ConnectionError | ssl.SSLError):
        return _closed(error, failure)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"[:WORDS_MAX]


def _root(error: BaseException) -> BaseException:
    """Return the error that closed a connection, if it is known."""
    cause: BaseException | None = error.__cause__ if isinstance(error, KafkaConnectionError) else None
    return error if cause is None else cause


def _untrusted(error: ssl.SSLCertVerificationError, host: str) -> str:
    code = error.verify_code
    if code == EXPIRED:
        return "the broker's certificate has expired"
    if code == NOT_YET_VALID:
        return "the broker's certificate is not valid yet: compare the clocks"
    if code in OTHER_HOST:
        return f"the broker's certificate is for other hosts, not for {host}: use a host name that it contains"
    if code in NOT_TRUSTED:
        return (
            "the broker's certificate is from an authority that is not in kafka.tls.ca_file "
            "(without that setting: that this system does not trust)"
        )
    return f"the broker's certificate is refused: {error.verify_message}"


def _tls(reason: str) -> str:
    name = reason.lower().replace("_", " ")
    if reason == "WRONG_VERSION_NUMBER":
        return "this port does not speak TLS: leave out kafka.tls, or use the broker's port for TLS"
    if "ALERT" in reason and any(word in reason for word in OF_OUR_CERTIFICATE):
        return (
            f"the broker refused this client's certificate, or the client has none ({name}): "
            "see kafka.tls.certificate_file"
        )
    return f"no agreement on TLS 1.2 or newer: {name}"


def _login(error: BrokerResponseError, failure: Failure) -> str:
    if isinstance(error, SaslAuthenticationFailed):
        words = str(error.args[0])[:WORDS_MAX] if error.args and error.args[0] else ""
        why = "wrong password or unknown user" if STANDARD_REFUSAL in words or not words else words
        return f"login of user {failure.username!r} ({failure.mechanism}) refused: {why} (kafka.sasl)"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"this port does not offer {failure.mechanism}: see kafka.sasl.mechanism"
    if isinstance(error, IllegalSaslStateError):
        return "this port does not support login: leave out kafka.sasl, or use the broker's port for SASL"
    return str(error)[:WORDS_MAX]


def _closed(error: BaseException, failure: Failure) -> str:
    """Return text for a connection that the broker closed. The last request shows what the port expects."""
    if failure.is_new and failure.protocol.endswith("SSL") and failure.requests == 0:
        return (
            "closed during the TLS handshake: this port does not speak TLS "
            "(leave out kafka.tls, or use the broker's port for TLS)"
        )
    length = (error.expected or 0) if isinstance(error, asyncio.IncompleteReadError) else 0
    if length >> 16 == TLS_ALERT:
        return "this port speaks TLS: set kafka.tls, or use the broker's port without TLS"
    if length == HTTP:
        return "this port speaks HTTP, not Kafka's protocol"
    if failure.is_first_request and failure.mechanism is None:
        return "closed at the first request: this port asks for a login (kafka.sasl), or the broker is stopping"
    if failure.is_new:
        return "closed at the first request: another protocol than Kafka's, or the broker is stopping"
    return "closed by the broker"
