"""The health and metrics endpoints, in a thread of their own so that no scrape waits for a batch.

| path       | answers                                                                     |
|------------|-----------------------------------------------------------------------------|
| `/metrics` | all metrics, Prometheus text format                                         |
| `/livez`   | 200 while the process runs: the watchdog ends a process that stands still   |
| `/readyz`  | 200 when events flow, else 503 with the reason                              |
| `/version` | what decides: code, model, features and policy, as JSON                     |
"""

import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Protocol

import orjson
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from streams.telemetry.settings import HttpSettings

REQUEST_TIMEOUT_S = 2.0
"""One thread answers one client at a time, so a client that says nothing must not hold it for long."""


class Health(Protocol):
    """What the endpoints show."""

    @property
    def not_ready_because(self) -> str:
        """Why no events flow; empty when they do."""

    @property
    def versions(self) -> Mapping[str, str]:
        """What decides, by part."""

    def exposition(self) -> bytes:
        """Render the metrics."""


class HttpError(Exception):
    """The address cannot be listened on; the text names it and why."""


class HttpEndpoints:
    """Serve until closed. Valid from construction: the port is bound, the thread runs."""

    def __init__(self, settings: HttpSettings, health: Health) -> None:
        try:
            self._server = _Server((settings.host, settings.port), _Handler)
        except OSError as error:
            raise HttpError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
        self._server.health = health
        self._thread = threading.Thread(target=self._serve, name="sekisho-http", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use; of interest where the settings said 0."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=0.1)


class _Server(HTTPServer):
    allow_reuse_address = True
    request_queue_size = 16
    health: Health

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is no fact about the worker."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = REQUEST_TIMEOUT_S
    protocol_version = "HTTP/1.0"  # one request per connection: nobody holds the one thread
    server_version = "sekisho"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one of the four paths."""
        match self.path.partition("?")[0]:
            case "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_PLAIN_0_0_4, self.server.health.exposition())
            case "/livez":
                self._answer(HTTPStatus.OK, "text/plain", b"alive\n")
            case "/readyz":
                reason = self.server.health.not_ready_because
                status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
                self._answer(status, "text/plain", f"not ready: {reason}\n".encode() if reason else b"ready\n")
            case "/version":
                self._answer(HTTPStatus.OK, "application/json", orjson.dumps(dict(self.server.health.versions)))
            case _:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    do_HEAD = do_GET  # noqa: N815 -- the name that http.server calls

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a line per scrape is noise."""
