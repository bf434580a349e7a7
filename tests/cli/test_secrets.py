"""Missing secrets and certificates: the message names the place only."""

from pathlib import Path

import pytest

from streams.cli import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


@pytest.mark.parametrize(
    ("security", "told"),
    [
        ("sasl: {username: u, password: {env: SEKISHO_NO_SUCH}}", "secret in environment variable SEKISHO_NO_SUCH is"),
        ("sasl: {username: u, password: {file: /no/such/file}}", "cannot read secret file /no/such/file: No such file"),
        ("tls: {ca_file: /no/such/ca.pem}", "/no/such/ca.pem: No such file or directory"),
    ],
)
def test_a_missing_secret_ends_with_3_and_its_place(
    config: Path, security: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(f"kafka: {{bootstrap_servers: ['127.0.0.1:1'], {security}}}\n")
    assert main(["topics", "create", "--config", str(config)]) == 3
    assert told in capsys.readouterr().err


def test_a_password_is_in_no_message_when_the_broker_cannot_be_reached(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEKISHO_TEST_PASSWORD", "hunter2")
    sasl = "sasl: {username: u, password: {env: SEKISHO_TEST_PASSWORD}}"
    config.write_text(f"kafka: {{bootstrap_servers: ['127.0.0.1:1'], {sasl}}}\n")
    assert main(["topics", "create", "--config", str(config)]) == 3
    out, err = capsys.readouterr()
    assert "hunter2" not in out + err
    assert err == "sekisho topics create: 127.0.0.1:1: connection refused: nothing listens on this port\n"
