"""The endpoints answer an orchestrator and Prometheus, whatever other clients do."""

import http.client
import json
import logging
import selectors
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from streams.kafka.settings import Topics
from streams.telemetry import http as endpoints_module
from streams.telemetry.facts import Telemetry
from streams.telemetry.http import CLIENTS_MAX, REQUEST_BYTES_MAX, Health, HttpEndpoints, HttpError
from streams.telemetry.settings import HttpSettings

CLIENT_S = 10.0
SLOW_CLIENTS = 50
DRIP_S = 0.2


@contextmanager
def serving_of(health: Health) -> Iterator[int]:
    endpoints = HttpEndpoints(HttpSettings(port=0), health)
    try:
        yield endpoints.port
    finally:
        endpoints.close()


@contextmanager
def serving() -> Iterator[tuple[Telemetry, int]]:
    telemetry = Telemetry(Topics())
    with serving_of(telemetry) as port:
        yield telemetry, port


def get(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLIENT_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()
    finally:
        connection.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=CLIENT_S)


def read_to_end(client: socket.socket) -> bytes:
    """Read until the server closes; it may reset the connection if it has not read everything."""
    parts = []
    try:
        while part := client.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


class FakeHealth:
    """A worker with a page of metrics of any size."""

    not_ready_because = ""
    versions: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self, page: bytes = b"") -> None:
        self.page = page
        self.renderings = 0

    def exposition(self) -> bytes:
        self.renderings += 1
        return self.page or b"%d" % self.renderings


def test_it_is_alive_as_soon_as_it_listens() -> None:
    with serving() as (_, port):
        assert get(port, "/livez")[0] == 200


def test_it_is_unavailable_with_the_reason_until_it_is_ready() -> None:
    with serving() as (telemetry, port):
        telemetry.starting("reading the merchant store")
        assert get(port, "/readyz")[::2] == (503, b"not ready: reading the merchant store\n")
        telemetry.ready(True)
        assert get(port, "/readyz")[::2] == (200, b"ready\n")
        telemetry.ready(False)
        assert get(port, "/readyz")[0] == 503


def test_metrics_come_in_prometheus_text_format() -> None:
    with serving() as (_, port):
        status, content_type, body = get(port, "/metrics?debug=1")
        assert status == 200
        assert content_type.startswith("text/plain; version=0.0.4")
        assert b"# TYPE sekisho_events_total counter" in body


def test_the_version_names_everything_that_decides() -> None:
    with serving() as (telemetry, port):
        assert list(json.loads(get(port, "/version")[2])) == ["code"]
        telemetry.decides_with(model="m", features="f", policy="p")
        versions = json.loads(get(port, "/version")[2])
        assert versions | {"code": ""} == {"code": "", "model": "m", "features": "f", "policy": "p"}


def test_anything_else_is_not_found_and_not_allowed() -> None:
    with serving() as (_, port):
        assert get(port, "/")[0] == 404
        assert get(port, "/metrics", "POST")[0] == 405
        assert get(port, "/livez", "DELETE")[0] == 405
        assert get(port, "/livez", "HEAD")[::2] == (200, b"")


def test_a_client_that_disconnects_does_not_disturb_others(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as (_, port):
        for text in (b"", b"GET /met", b"\x16\x03\x01\x00nonsense\r\n\r\n", b"GET / HTTP/9.x\r\n\r\n"):
            with connect(port) as client:
                client.sendall(text)
        assert get(port, "/livez")[0] == 200
    assert capfd.readouterr().err == ""
    assert caplog.records == []


def test_a_client_that_stops_sending_after_its_request_is_answered() -> None:
    with serving() as (_, port), connect(port) as client:
        client.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client).endswith(b"alive\n")


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with (
        serving() as (telemetry, port),
        pytest.raises(HttpError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use$"),
    ):
        HttpEndpoints(HttpSettings(port=port), telemetry)


def test_a_closed_server_releases_its_port() -> None:
    with serving() as (_, port):
        pass
    with pytest.raises(ConnectionRefusedError):
        get(port, "/livez")


def test_clients_that_send_single_bytes_delay_no_other_and_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a limit on each read only, such a client could continue forever."""
    monkeypatch.setattr(endpoints_module, "REQUEST_S", 0.5)
    with serving() as (_, port), ExitStack() as stack, selectors.DefaultSelector() as watched:
        for number in range(SLOW_CLIENTS):
            client = stack.enter_context(connect(port))
            head = (
                b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"
                if number % 2
                else b"GET /livez HTTP/1.1\r\nHost: x\r\nX: "
            )
            client.sendall(head)
            if number % 2 == 0:  # the others were answered: the server does not wait for their body
                watched.register(client, selectors.EVENT_READ)
        rounds = 0
        while watched.get_map():
            rounds += 1
            assert rounds < CLIENT_S / DRIP_S, f"{len(watched.get_map())} clients still send"
            assert get(port, "/livez")[0] == 200
            for key, _ in watched.select(DRIP_S):
                assert read_to_end(key.fileobj) == b""  # type: ignore[arg-type]
                watched.unregister(key.fileobj)
            for key in list(watched.get_map().values()):
                key.fileobj.send(b"x")  # type: ignore[union-attr]


def test_beyond_the_limit_of_connections_the_oldest_is_closed_and_the_newest_answered() -> None:
    with serving() as (_, port), ExitStack() as stack:
        silent = [stack.enter_context(connect(port)) for _ in range(CLIENTS_MAX + SLOW_CLIENTS)]
        assert get(port, "/livez")[0] == 200
        assert [read_to_end(client) for client in silent[:SLOW_CLIENTS]] == [b""] * SLOW_CLIENTS
        silent[-1].sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_to_end(silent[-1]).endswith(b"alive\n")


def test_a_client_that_never_reads_its_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints_module, "REQUEST_S", 0.5)
    page, dropped = b"x" * (16 << 20), threading.Event()  # more than the buffers of both sides
    drop = endpoints_module._Client.drop

    def noted(client: endpoints_module._Client) -> None:
        drop(client)
        dropped.set()

    monkeypatch.setattr(endpoints_module._Client, "drop", noted)
    with serving_of(FakeHealth(page)) as port, connect(port) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert get(port, "/livez")[0] == 200
        assert dropped.wait(CLIENT_S)
        assert len(read_to_end(client)) < len(page)


@pytest.mark.parametrize("line", [b"X: " + b"x" * 100 + b"\r\n", b"X" * 9_000], ids=["many headers", "one long header"])
def test_a_header_beyond_the_bound_is_not_read(line: bytes) -> None:
    with serving() as (_, port), connect(port) as client:
        with suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(
                b"GET /livez HTTP/1.1\r\nHost: x\r\n" + line * (2 * REQUEST_BYTES_MAX // len(line)) + b"\r\n"
            )
        assert not read_to_end(client).startswith(b"HTTP/1.1 200")
        assert get(port, "/livez")[0] == 200


def test_simultaneous_requests_for_metrics_share_a_rendering_not_older_than_each_request() -> None:
    health, scrapes = FakeHealth(), 40
    with serving_of(health) as port, ThreadPoolExecutor(scrapes) as pool:
        before = health.renderings
        pages = list(pool.map(lambda _: int(get(port, "/metrics")[2]), range(scrapes)))
        assert min(pages) > before
        assert health.renderings < scrapes
        last = health.renderings
        assert int(get(port, "/metrics")[2]) > last


def test_a_page_that_fails_is_logged_once_and_does_not_end_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(FakeHealth):
        def exposition(self) -> bytes:
            raise RuntimeError("broken")

    with serving_of(Broken()) as port, caplog.at_level(logging.ERROR):
        assert get(port, "/metrics")[0] == 500
        assert get(port, "/livez")[0] == 200
    assert [record.message for record in caplog.records] == ["http_request_failed"]


def test_closing_does_not_wait_for_clients() -> None:
    with serving() as (_, port):
        clients = [connect(port) for _ in range(3)]
        assert get(port, "/livez")[0] == 200
    for client in clients:
        with client:
            assert read_to_end(client) == b""
