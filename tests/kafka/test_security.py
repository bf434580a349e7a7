"""Secrets are named, never written down; connections are encrypted as the settings say."""

import ssl
from pathlib import Path

import faust
import msgspec
import pytest

from streams.kafka.security import SecretError, client_options, faust_credentials, read_secret, tls_context
from streams.kafka.settings import Broker, Sasl, Secret, Tls


def test_a_secret_comes_from_a_file_without_its_line_break(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    assert read_secret(Secret(file=str(tmp_path / "password"))) == "s3cret"


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "s3cret")
    assert read_secret(Secret(env="BROKER_PASSWORD")) == "s3cret"


@pytest.mark.parametrize("secret", [Secret(env="NOT_SET_ANYWHERE"), Secret(file="/no/such/file")])
def test_a_missing_secret_is_an_error_that_names_the_place(secret: Secret) -> None:
    with pytest.raises(SecretError, match=r"NOT_SET_ANYWHERE|/no/such/file"):
        read_secret(secret)


@pytest.mark.parametrize("fields", [{}, {"file": "a", "env": "b"}])
def test_a_secret_names_exactly_one_place(fields: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(fields, Secret)


def test_tls_checks_certificates_and_host_names() -> None:
    context = tls_context(Tls())
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_without_tls_and_sasl_there_are_no_credentials() -> None:
    assert faust_credentials(Broker()) is None
    assert client_options(Broker())["security_protocol"] == "PLAINTEXT"


def test_sasl_over_tls_reaches_both_kinds_of_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "s3cret")
    broker = Broker(tls=Tls(), sasl=Sasl(username="worker", password=Secret(env="BROKER_PASSWORD")))
    credentials = faust_credentials(broker)
    assert isinstance(credentials, faust.SASLCredentials)
    assert (credentials.username, credentials.protocol.value) == ("worker", "SASL_SSL")
    options = client_options(broker)
    assert options["security_protocol"] == "SASL_SSL"
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert isinstance(options["ssl_context"], ssl.SSLContext)
