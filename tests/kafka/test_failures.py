"""The cause of a failed connection is known by address, in words, until a connection is made; with servers that are no
brokers.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, SaslAuthenticationFailed

from streams.kafka import failures as module
from streams.kafka.embedded import free_port
from streams.kafka.explain import reached
from streams.kafka.failures import ADDRESSES_MAX, Failure, _Connection, _failures, failures
from streams.kafka.security import client_options
from streams.kafka.settings import Broker, Tls
from streams.kafka.wording import cause, describe
from tests.brokers.certificates import EXPIRED_DAYS, Authority, Pair

Serve = Callable[[socket.socket], None]
SECONDS = 20.0
"""Timeout of a server: longer than any test, except the one that reaches it."""


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    _failures.clear()
    yield
    _failures.clear()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def silent(connection: socket.socket) -> None:
    """Read everything and send nothing."""
    while connection.recv(4_096):
        pass


def closing(_: socket.socket) -> None:
    """Send nothing and close."""


def web(connection: socket.socket) -> None:
    connection.recv(4_096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@contextmanager
def server(serve: Serve, pair: Pair | None = None) -> Iterator[int]:
    """Serve one connection, in a thread; with TLS under a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)

    def run() -> None:
        plain, _ = listening.accept()
        plain.settimeout(SECONDS)
        with plain, suppress(OSError):  # a client that refuses the certificate leaves in the middle
            if pair is None:
                serve(plain)
            else:
                with context.wrap_socket(plain, server_side=True) as connection:
                    serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(SECONDS)
        thread = Thread(target=run)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            thread.join(SECONDS)


async def try_to_connect(port: int, tls: Tls | None = None, timeout_s: float = SECONDS) -> str:
    """Connect as a command does, expect a failure, and return its message."""
    broker = Broker(bootstrap=(f"127.0.0.1:{port}",), tls=tls, request_timeout_s=timeout_s)
    client = AIOKafkaAdminClient(**client_options(broker))
    with pytest.raises(KafkaConnectionError) as raised:
        await client.start()
    await client.close()
    told = str(reached(raised.value))
    assert told == describe(failures())
    return told.removeprefix(f"127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (closing, "closed at the first request: another protocol than Kafka's, or the broker is stopping"),
        (web, "this port speaks HTTP, not Kafka's protocol"),
    ],
)
def test_a_server_of_another_kind_is_named_by_its_answer(serve: Serve, expected: str) -> None:
    with server(serve) as port:
        assert asyncio.run(try_to_connect(port)) == expected


def test_a_silent_server_is_named_with_the_time_waited() -> None:
    with server(silent) as port:
        assert asyncio.run(try_to_connect(port, timeout_s=0.2)).startswith("no answer within 0.2 s: ")


def test_a_port_without_a_server_is_named_at_once() -> None:
    assert asyncio.run(try_to_connect(free_port())) == "connection refused: nothing listens on this port"


def test_a_connection_that_the_server_does_not_end_is_cut_before_the_loop_ends(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS ends with a message from both sides. Without one asyncio waits for 30 s, longer than a command runs."""
    monkeypatch.setattr(module, "CLOSE_S", 0.1)
    answered = Event()

    def deaf(connection: socket.socket) -> None:
        assert answered.wait(SECONDS)

    async def no_lookup(_: _Connection) -> None:
        """Do nothing: the server is no broker."""

    async def play(port: int) -> None:
        context = ssl.create_default_context(cafile=authority.file)
        connection = _Connection("127.0.0.1", port, security_protocol="SSL", ssl_context=context)
        await connection.connect()
        raw = connection._writer.get_extra_info("socket")
        gone = connection.close()
        await module.let_close()
        assert gone.done()
        assert raw.fileno() == -1, "the socket must be closed"

    monkeypatch.setattr(_Connection, "_do_version_lookup", no_lookup)
    with server(deaf, authority.issue("deaf")) as port:
        asyncio.run(play(port))
        answered.set()


def trusting(authority: Authority) -> Tls:
    return Tls(ca_file=str(authority.file))


def offered(pair: Pair, tls: Tls) -> str:
    with server(silent, pair) as port:
        return asyncio.run(try_to_connect(port, tls))


def test_an_expired_certificate_is_named(authority: Authority) -> None:
    pair = authority.issue("old", days=EXPIRED_DAYS)
    assert offered(pair, trusting(authority)) == "the broker's certificate has expired"


@pytest.mark.parametrize("hosts", ["DNS:other.example", "IP:127.0.0.2"])
def test_a_certificate_of_another_host_is_named(authority: Authority, hosts: str) -> None:
    told = offered(authority.issue("elsewhere", hosts=hosts), trusting(authority))
    assert told == "the broker's certificate is for other hosts, not for 127.0.0.1: use a host name that it contains"


@pytest.mark.parametrize("is_named", [True, False])
def test_a_certificate_of_an_unknown_authority_is_named(authority: Authority, tmp_path: Path, is_named: bool) -> None:
    stranger = Authority(tmp_path, "stranger").issue("broker")
    told = offered(stranger, trusting(authority) if is_named else Tls())
    assert told.startswith("the broker's certificate is from an authority that is not in kafka.tls.ca_file")


def test_tls_to_a_port_without_it_is_named(authority: Authority) -> None:
    with server(closing) as port:
        assert asyncio.run(try_to_connect(port, trusting(authority))).startswith(
            "closed during the TLS handshake: this port does not speak TLS"
        )


def failure(error: BaseException, **changes: object) -> Failure:
    fields = {
        "host": "broker",
        "port": 9093,
        "error": error,
        "protocol": "SASL_SSL",
        "mechanism": "SCRAM-SHA-512",
        "username": "sekisho",
        "timeout_s": 30.0,
        "requests": 1,
        "is_new": True,
    }
    return Failure(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(-2, "Name or service not known"), "the host name is not known: Name or service not known"),
        (OSError(113, "No route to host"), "No route to host"),
        (
            SaslAuthenticationFailed("the token has expired"),
            "login of user 'sekisho' (SCRAM-SHA-512) refused: the token",
        ),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "closed during the TLS handshake"),
        (RuntimeError("odd"), "RuntimeError: odd"),
    ],
)
def test_other_causes_have_their_texts(error: BaseException, expected: str) -> None:
    assert cause(failure(error, requests=0)).startswith(expected)


def test_many_addresses_are_listed_on_one_line_with_a_limit() -> None:
    told = describe(failure(ConnectionRefusedError(), port=port) for port in range(8))
    assert told.startswith("broker:0: connection refused: nothing listens on this port; broker:1: ")
    assert told.endswith("; and 3 more")
    assert "\n" not in told


def test_the_number_of_remembered_addresses_is_bounded() -> None:
    async def play() -> None:
        for port in range(2 * ADDRESSES_MAX):
            _Connection("broker", port)._note(ConnectionRefusedError())

    asyncio.run(play())
    assert 1 <= len(failures()) <= ADDRESSES_MAX


def test_an_error_of_a_connection_names_it_through_any_wrapper() -> None:
    async def play() -> None:
        _Connection("broker", 9092)._note(ConnectionRefusedError())

    asyncio.run(play())
    told = "broker:9092: connection refused: nothing listens on this port"
    wrapped = ValueError("profiles of partition 0 not durable: TimeoutError")
    wrapped.__cause__ = TimeoutError()
    assert str(reached(wrapped)) == f"profiles of partition 0 not durable: TimeoutError: {told}"
    assert str(reached(NodeNotReadyError("node 1 is not ready"))) == f"node 1 is not ready: {told}"
    assert str(reached(TimeoutError())) == told
    other = ValueError("a bug")
    assert reached(other) is other
