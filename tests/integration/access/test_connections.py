"""Each wrong listener or login of a real broker: the last line of a command or a worker names the cause."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from deploy import feed
from streams.cli import main
from streams.kafka.embedded import free_port
from streams.kafka.failures import _failures, failures
from streams.kafka.security import client_options
from streams.kafka.settings import Sasl, Secret, Tls
from streams.worker.settings import WorkerSettings
from tests.brokers.certificates import Authority
from tests.brokers.secured import LOGIN_OF_USER, PASSWORD, PASSWORD_VARIABLE, USER, Secured
from tests.brokers.workers import ROOT

pytestmark = pytest.mark.kafka

WRONG_VARIABLE = "SEKISHO_TEST_WRONG_PASSWORD"
WRONG = "hunter2"
WORKER_S = 60.0

REFUSED = f"login of user '{USER}' (SCRAM-SHA-512) refused: wrong password or unknown user (kafka.sasl)"
NO_TLS = "closed during the TLS handshake: this port does not speak TLS"
IS_TLS = "this port speaks TLS: set kafka.tls, or use the broker's port without TLS"
NO_LOGIN = "this port does not support login: leave out kafka.sasl, or use the broker's port for SASL"
IS_LOGIN = "closed at the first request: this port asks for a login (kafka.sasl)"
STRANGER = "the broker's certificate is from an authority that is not in kafka.tls.ca_file"
OURS = "the broker refused this client's certificate, or the client has none"

LOGIN = {"username": USER, "password": {"env": PASSWORD_VARIABLE}}
WITH_WRONG = {"username": USER, "password": {"env": WRONG_VARIABLE}}
UNKNOWN = {"username": "nobody", "password": {"env": WRONG_VARIABLE}}


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WRONG_VARIABLE, WRONG)
    _failures.clear()


class Place:
    """Configurations for the listeners of a broker."""

    def __init__(self, secured: Secured, folder: Path) -> None:
        self._secured = secured
        self._folder = folder
        stranger = Authority(folder, "stranger")
        pair = stranger.issue("unknown")
        self._files = {
            "ours": {"ca_file": str(secured.authority.file)},
            "stranger": {"ca_file": str(stranger.file)},
            "unknown": {
                "ca_file": str(secured.authority.file),
                "certificate_file": str(pair.certificate),
                "key_file": str(pair.key),
            },
        }

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self._secured.ports[listener]}"

    def config(self, address: str, sasl: object = None, tls: str | None = None) -> Path:
        kafka = {"bootstrap_servers": [address], "request_timeout_s": 15}
        kafka |= {"sasl": sasl} if sasl else {}
        kafka |= {"tls": self._files[tls]} if tls else {}
        file = self._folder / "config.yaml"
        file.write_bytes(msgspec.json.encode({"kafka": kafka, "http": {"enabled": False}}))
        return file


@pytest.fixture
def place(secured: Secured, tmp_path: Path) -> Place:
    return Place(secured, tmp_path)


@pytest.mark.parametrize(
    ("listener", "sasl", "tls", "told"),
    [
        ("SASL_PLAINTEXT", WITH_WRONG, None, REFUSED),
        ("SASL_SSL", UNKNOWN, "ours", REFUSED.replace(USER, "nobody")),
        ("SASL_PLAINTEXT", {**LOGIN, "mechanism": "PLAIN"}, None, "this port does not offer PLAIN: see"),
        ("PLAINTEXT", LOGIN, None, NO_LOGIN),
        ("TLS", LOGIN, "ours", NO_LOGIN),
        ("SASL_PLAINTEXT", None, None, IS_LOGIN),
        ("SASL_SSL", None, "ours", IS_LOGIN),
        ("PLAINTEXT", None, "ours", NO_TLS),
        ("SASL_PLAINTEXT", LOGIN, "ours", NO_TLS),
        ("TLS", None, None, IS_TLS),
        ("SASL_SSL", LOGIN, None, IS_TLS),
        ("TLS", None, "stranger", STRANGER),
        ("MUTUAL", None, "ours", OURS),
        ("MUTUAL", None, "unknown", OURS),
    ],
)
def test_the_cause_of_each_wrong_listener_or_login_is_named_in_one_line(
    place: Place, capsys: pytest.CaptureFixture[str], listener: str, sasl: object, tls: str | None, told: str
) -> None:
    config = place.config(place.address(listener), sasl, tls)
    assert main(["topics", "create", "--config", str(config)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sekisho topics create: {place.address(listener)}: {told}"), err
    assert err.count("\n") == 1
    assert PASSWORD not in err
    assert WRONG not in err


@pytest.mark.parametrize("command", ["topics create", "dlq list", "dlq redrive", "replay", "feed"])
def test_every_command_names_it(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    address = place.address("SASL_PLAINTEXT")
    config = place.config(address, WITH_WRONG)
    events = tmp_path / "events.jsonl"
    events.touch()
    monkeypatch.setattr(sys, "argv", ["feed.py", "--config", str(config)])
    more = ["--events", str(events)] if command == "replay" else []
    status = feed.main() if command == "feed" else main([*command.split(), "--config", str(config), *more])
    _, err = capsys.readouterr()
    name = command if command == "feed" else f"sekisho {command}"
    assert (status, err) == (3, f"{name}: {address}: {REFUSED}\n")


def test_a_worker_names_it_in_its_last_line(secured: Secured) -> None:
    broker = secured.listener(
        "SASL_SSL", sasl=Sasl(username=USER, password=Secret(env=WRONG_VARIABLE)), tls=secured.tls
    )
    settings = msgspec.json.encode(WorkerSettings(broker=broker)).decode()
    command = [sys.executable, "-m", "tests.integration.worker", settings]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=WORKER_S)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last == f"streams.kafka.errors.UnreachableError: {broker.bootstrap[0]}: {REFUSED}"
    assert WRONG not in ended.stderr


def test_failed_addresses_are_kept_until_a_connection_is_made(secured: Secured) -> None:
    """The right login, with a wrong port among the addresses: it connects; failures are known until then."""

    async def play() -> None:
        good, nobody = secured.as_user, f"127.0.0.1:{free_port()}"
        wrong = secured.listener("SASL_PLAINTEXT", sasl=Sasl(username=USER, password=Secret(env=WRONG_VARIABLE)))
        both = msgspec.structs.replace(wrong, bootstrap=(*wrong.bootstrap, nobody))
        client = AIOKafkaAdminClient(**client_options(both))
        with pytest.raises(KafkaConnectionError):
            await client.start()
        await client.close()
        assert {failure.address for failure in failures()} == {*good.bootstrap, nobody}
        client = AIOKafkaAdminClient(**client_options(good))
        await client.start()
        await client.list_topics()
        await client.close()
        assert [failure.address for failure in failures()] == [nobody]

    asyncio.run(play())


def test_the_right_listeners_and_logins_connect(secured: Secured) -> None:
    async def knock(*ways: tuple[str, Sasl | None, Tls | None]) -> None:
        for listener, sasl, tls in ways:
            client = AIOKafkaAdminClient(**client_options(secured.listener(listener, sasl=sasl, tls=tls)))
            await client.start()
            await client.close()

    mutual = msgspec.structs.replace(
        secured.tls, certificate_file=str(secured.client.certificate), key_file=str(secured.client.key)
    )
    asyncio.run(
        knock(
            ("PLAINTEXT", None, None),
            ("SASL_PLAINTEXT", LOGIN_OF_USER, None),
            ("SASL_SSL", LOGIN_OF_USER, secured.tls),
            ("TLS", None, secured.tls),
            ("MUTUAL", None, mutual),
        )
    )
    assert failures() == []
