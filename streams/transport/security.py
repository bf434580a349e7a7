"""TLS contexts and SASL logins from settings, for Faust and for plain aiokafka clients."""

import os
import ssl
from pathlib import Path
from typing import Any

import faust
from faust.auth import Credentials

from streams.transport.settings import Broker, Secret, Tls


class SecretError(Exception):
    """Raised when the file or variable that should hold a secret is missing or empty; the text names the place only."""


def read_secret(secret: Secret) -> str:
    """Read a secret from its file (one trailing line break removed) or environment variable.

    Raises:
        SecretError: it is not there or empty.
    """
    if secret.file is not None:
        try:
            text = Path(secret.file).read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise SecretError(f"cannot read secret file {secret.file}: {error.strerror}") from None
        place = f"file {secret.file}"
    else:
        assert secret.env is not None
        text = os.environ.get(secret.env, "")
        place = f"environment variable {secret.env}"
    if not text:
        raise SecretError(f"secret in {place} is missing or empty")
    return text


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Build a client context that checks host names and speaks TLS 1.2 or newer (PCI DSS 4.0.1, 4.2.1)."""
    for file in (tls.ca_file, tls.certificate_file, tls.key_file):
        if file is not None:
            Path(file).open("rb").close()  # the error of ssl itself does not say which file is missing
    context = ssl.create_default_context(cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.certificate_file is not None:
        password = read_secret(tls.key_password) if tls.key_password is not None else None
        context.load_cert_chain(tls.certificate_file, tls.key_file, password)
    return context


def faust_credentials(broker: Broker) -> Credentials | None:
    """Return Faust's form of the login. A context is passed: its `cafile` form raises TypeError in 0.15.3."""
    context = tls_context(broker.tls) if broker.tls is not None else None
    if broker.sasl is not None:
        return faust.SASLCredentials(
            username=broker.sasl.username,
            password=read_secret(broker.sasl.password),
            mechanism=broker.sasl.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context is not None else None


def client_options(broker: Broker) -> dict[str, Any]:
    """Return the keyword arguments common to aiokafka's consumers, producers and admin clients."""
    options: dict[str, Any] = {
        "bootstrap_servers": list(broker.bootstrap),
        "request_timeout_ms": int(broker.request_timeout_s * 1000),
    }
    context = tls_context(broker.tls) if broker.tls is not None else None
    if context is not None:
        options["ssl_context"] = context
    if broker.sasl is not None:
        options |= {
            "sasl_mechanism": broker.sasl.mechanism,
            "sasl_plain_username": broker.sasl.username,
            "sasl_plain_password": read_secret(broker.sasl.password),
        }
    options["security_protocol"] = ("SASL_" if broker.sasl else "") + ("SSL" if context else "PLAINTEXT")
    return options
