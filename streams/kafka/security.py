"""TLS contexts and SASL logins from settings, for Faust and for aiokafka clients."""

import os
import ssl
from pathlib import Path
from typing import Required, TypedDict

import faust
from faust.auth import Credentials

from streams.kafka.errors import SecurityError
from streams.kafka.failures import watch_connections
from streams.kafka.settings import Broker, Secret, Tls

NO_CERTIFICATE = "holds no certificate in PEM form"


class SecretError(SecurityError):
    """Raised when the file or environment variable of a secret is missing or empty."""


class TlsFileError(SecurityError):
    """Raised when a certificate or key file is missing, or has the wrong content."""


def read_secret(secret: Secret) -> str:
    """Read a secret from its file (one trailing line break removed) or environment variable.

    Raises:
        SecretError: it is missing or empty.
    """
    if secret.file is not None:
        try:
            text = Path(secret.file).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SecretError(f"cannot read secret file {secret.file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SecretError(f"secret file {secret.file} is not text in UTF-8") from None
        place = f"file {secret.file}"
    else:
        assert secret.env is not None
        text = os.environ.get(secret.env, "")
        place = f"environment variable {secret.env}"
    if not text:
        raise SecretError(f"secret in {place} is missing or empty")
    return text


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Build a client context that checks host names and requires TLS 1.2 or newer (PCI DSS 4.0.1, 4.2.1).

    Raises:
        SecretError: the key's password is missing.
        TlsFileError: a file is missing or wrong.
    """
    for setting in ("ca_file", "certificate_file", "key_file"):
        _require_readable(setting, getattr(tls, setting))
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except ssl.SSLError as error:
        raise _refused("ca_file", tls.ca_file, NO_CERTIFICATE, error) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate_file is not None:
        assert tls.key_file is not None
        _identify(context, tls.certificate_file, tls.key_file, tls.key_password)
    return context


def _identify(context: ssl.SSLContext, certificate: str, key: str, secret: Secret | None) -> None:
    """Load the client's certificate and key. OpenSSL names no file in its errors, and would prompt for a password.

    Raises:
        SecretError, TlsFileError: as `tls_context`.
    """
    password = read_secret(secret) if secret is not None else None
    was_asked = False

    def answer() -> str:
        """Return the password. OpenSSL calls this only for an encrypted key."""
        nonlocal was_asked
        was_asked = True
        if password is None:
            raise _refused("key_file", key, "is encrypted: name its password with kafka.tls.key_password")
        return password

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=certificate)
    except ssl.SSLError as error:
        raise _refused("certificate_file", certificate, NO_CERTIFICATE, error) from None
    try:
        context.load_cert_chain(certificate, key, answer)
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password longer than OpenSSL takes
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            reason = f"is not the key of the certificate in kafka.tls.certificate_file {certificate}"
        elif was_asked:
            reason = "cannot be decrypted with the password that kafka.tls.key_password names"
        else:
            reason = "holds no private key in PEM form that fits the certificate"
        raise _refused("key_file", key, reason, error) from None


def _require_readable(setting: str, file: str | None) -> None:
    try:
        if file is not None:
            Path(file).open("rb").close()
    except OSError as error:
        raise TlsFileError(f"kafka.tls.{setting} {file}: {error.strerror}") from None


def _refused(setting: str, file: str | None, fault: str, error: Exception | None = None) -> TlsFileError:
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    openssl = f" (OpenSSL: {reason.lower().replace('_', ' ')})" if reason else ""
    return TlsFileError(f"kafka.tls.{setting} {file}: {fault}{openssl}")


def faust_credentials(broker: Broker) -> Credentials | None:
    """Return the login as Faust credentials. They get a TLS context: Faust's `cafile` raises TypeError in 0.15.3.

    Raises:
        SecurityError: credentials or TLS files cannot be used.
    """
    watch_connections()
    context = tls_context(broker.tls) if broker.tls is not None else None
    if broker.sasl is not None:
        return faust.SASLCredentials(
            username=broker.sasl.username,
            password=read_secret(broker.sasl.password),
            mechanism=broker.sasl.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


class ClientOptions(TypedDict, total=False):
    """Keyword arguments of aiokafka's clients."""

    bootstrap_servers: Required[list[str]]
    request_timeout_ms: Required[int]
    security_protocol: str
    ssl_context: ssl.SSLContext
    sasl_mechanism: str
    sasl_plain_username: str
    sasl_plain_password: str


def client_options(broker: Broker) -> ClientOptions:
    """Return the keyword arguments common to aiokafka's consumers, producers and admin clients.

    It also starts to record why connections fail: see `streams.kafka.failures`.

    Raises:
        SecurityError: credentials or TLS files cannot be used.
    """
    watch_connections()
    options: ClientOptions = {
        "bootstrap_servers": list(broker.bootstrap),
        "request_timeout_ms": int(broker.request_timeout_s * 1000),
    }
    context = tls_context(broker.tls) if broker.tls is not None else None
    if context is not None:
        options["ssl_context"] = context
    if broker.sasl is not None:
        options["sasl_mechanism"] = broker.sasl.mechanism
        options["sasl_plain_username"] = broker.sasl.username
        options["sasl_plain_password"] = read_secret(broker.sasl.password)
    options["security_protocol"] = ("SASL_" if broker.sasl else "") + ("SSL" if context else "PLAINTEXT")
    return options
