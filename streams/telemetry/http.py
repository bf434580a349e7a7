"""The health and metrics endpoints. They have their own thread and loop, so that no scrape waits for a batch.

| path       | answers                                                                     |
|------------|-----------------------------------------------------------------------------|
| `/metrics` | all metrics, Prometheus text format                                         |
| `/livez`   | 200 while the process runs: the watchdog ends a stalled process             |
| `/readyz`  | 200 when events flow, else 503 with the reason                              |
| `/version` | versions of code, model, features and policy, as JSON                       |

A connection is for one request. It is closed `REQUEST_S` after it was opened, and when the client sends more than
`REQUEST_BYTES_MAX`. At `CLIENTS_MAX` connections a new one replaces the oldest.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from streams.telemetry.settings import HttpSettings

log = logging.getLogger(__name__)

REQUEST_S: Final = 5.0
"""Time limit of a connection. An answer takes milliseconds."""

REQUEST_BYTES_MAX: Final = 16_384
"""Request line, headers and body; a scrape of Prometheus has about 300 bytes."""

CLIENTS_MAX: Final = 64

RENDER_SPACING_S: Final = 0.1
"""Least time between two renderings. One takes 2 to 5 ms of the interpreter; frequent requests share one."""

BACKLOG: Final = 128


class Health(Protocol):
    """State that the endpoints show."""

    @property
    def not_ready_because(self) -> str:
        """Why no events flow; empty when they do."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions by part: code, model, features, policy."""

    def exposition(self) -> bytes:
        """Render the metrics."""


class HttpError(Exception):
    """Raised when the port cannot be bound. The text gives the address and the cause."""


class HttpEndpoints:
    """Serve until closed. After construction the port is bound and the thread runs."""

    def __init__(self, settings: HttpSettings, health: Health) -> None:
        try:
            self._socket = _listen(settings.host, settings.port)
        except OSError as error:
            raise HttpError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from None
        self.port: int = self._socket.getsockname()[1]
        """The port in use, also if the setting is 0."""
        self._endpoints = _Endpoints(health)
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sekisho-http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and free the port."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        silent = logging.Logger("clients", level=logging.CRITICAL + 1)  # faults of clients are not logged
        handlers = web.Server(self._endpoints.answer, logger=silent, access_log=None, lingering_time=0)
        clients: dict[_Client, None] = {}  # oldest first
        server = await self._loop.create_server(
            lambda: _Client(handlers(), clients), sock=self._socket, backlog=BACKLOG
        )
        await self._stopped.wait()
        server.close()
        for client in list(clients):
            client.drop()
        await server.wait_closed()


class _Client(asyncio.Protocol):
    """Limit the time and bytes of a connection, and the number of connections. aiohttp's handler does the rest."""

    def __init__(self, handler: asyncio.Protocol, clients: "dict[_Client, None]") -> None:
        self._handler = handler
        self._clients = clients
        self._received = 0
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def drop(self) -> None:
        """Close at once, without sending the rest."""
        self._clients.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if len(self._clients) >= CLIENTS_MAX:
            next(iter(self._clients)).drop()
        self._clients[self] = None
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(REQUEST_S, self.drop)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > REQUEST_BYTES_MAX:
            self.drop()
        else:
            self._handler.data_received(data)

    def eof_received(self) -> bool:
        self._handler.eof_received()
        return self._received > 0  # if it sent a request, keep the connection for the answer

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()
        self._handler.connection_lost(exc)


class _Endpoints:
    """Answer the four paths."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._rendering: asyncio.Task[bytes] | None = None
        self._rendered_s = -RENDER_SPACING_S

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one request, and close the connection."""
        try:
            response = await self._answer(request)
        except Exception:
            log.exception("http_request_failed")
            response = _text(HTTPStatus.INTERNAL_SERVER_ERROR, "failed: see the log")
        response.headers["Server"] = "sekisho"
        response.force_close()
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        if request.method not in {"GET", "HEAD"}:
            refusal = _text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
            refusal.headers["Allow"] = "GET, HEAD"
            return refusal
        match request.path:
            case "/metrics":
                body = await self._exposition()
                return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})
            case "/livez":
                return _text(HTTPStatus.OK, "alive")
            case "/readyz":
                reason = self._health.not_ready_because
                return _text(HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK, _readiness(reason))
            case "/version":
                return web.Response(body=orjson.dumps(dict(self._health.versions)), content_type="application/json")
        return _text(HTTPStatus.NOT_FOUND, "not found")

    async def _exposition(self) -> bytes:
        """Render the metrics. One rendering answers all requests that arrived before it."""
        if self._rendering is None or self._rendering.done():
            self._rendering = asyncio.create_task(self._render())
        return await asyncio.shield(self._rendering)

    async def _render(self) -> bytes:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._rendered_s + RENDER_SPACING_S - loop.time()))
        try:
            return self._health.exposition()
        finally:
            self._rendered_s = loop.time()


def _readiness(reason: str) -> str:
    return f"not ready: {reason}" if reason else "ready"


def _text(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")


def _listen(host: str, port: int) -> socket.socket:
    """Bind and listen. Connections made before the thread runs are answered by it."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
