"""The endpoints answer what an orchestrator and Prometheus ask."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from streams.telemetry.facts import Telemetry
from streams.telemetry.http import HttpEndpoints, HttpError
from streams.telemetry.settings import HttpSettings
from streams.transport.settings import Topics


@contextmanager
def serving() -> Iterator[tuple[Telemetry, int]]:
    telemetry = Telemetry(Topics())
    endpoints = HttpEndpoints(HttpSettings(port=0), telemetry)
    try:
        yield telemetry, endpoints.port
    finally:
        endpoints.close()


def get(port: int, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()
    finally:
        connection.close()


def test_it_is_alive_as_soon_as_it_listens() -> None:
    with serving() as (_, port):
        assert get(port, "/livez")[0] == 200


def test_it_is_unavailable_with_the_reason_until_it_is_ready() -> None:
    with serving() as (telemetry, port):
        telemetry.starting("reading the merchant registry")
        assert get(port, "/readyz")[::2] == (503, b"not ready: reading the merchant registry\n")
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
        assert get(port, "/metrics", "POST")[0] == 501
        assert get(port, "/livez", "HEAD")[::2] == (200, b"")


def test_a_client_that_hangs_up_disturbs_nobody(capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as (_, port):
        for text in (b"", b"GET /met", b"\x16\x03\x01\x00nonsense\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                client.sendall(text)
        assert get(port, "/livez")[0] == 200
    assert capfd.readouterr().err == ""


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with serving() as (telemetry, port), pytest.raises(HttpError, match=f"cannot listen on 127.0.0.1:{port}"):
        HttpEndpoints(HttpSettings(port=port), telemetry)


def test_a_closed_server_gives_its_port_back() -> None:
    with serving() as (_, port):
        pass
    with pytest.raises(ConnectionRefusedError):
        get(port, "/livez")
