"""Record why connections failed, by address. aiokafka logs each failure and raises `Unable to bootstrap` without it.

`watch_connections` replaces aiokafka's connections by those of this module, which also record their errors. A
successful connection removes the record of its address. Tests pin the source of aiokafka that this relies on.
"""

import asyncio
from typing import Any, Final, NamedTuple

import aiokafka.client
from aiokafka.conn import AIOKafkaConnection, CloseReason

ADDRESSES_MAX: Final = 64
CLOSE_S: Final = 1.0

FIRST_REQUEST: Final = 2
"""Number of requests up to the first one after ApiVersions, without a login between them."""


class Failure(NamedTuple):
    """A failed connection. `requests`: how many were sent on it. `is_new`: it failed before it was established."""

    host: str
    port: int
    error: BaseException
    protocol: str
    mechanism: str | None
    username: str | None
    timeout_s: float
    requests: int
    is_new: bool

    @property
    def address(self) -> str:
        """The address as `host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def is_first_request(self) -> bool:
        """Whether the connection failed at its first request."""
        return not self.is_new and self.requests <= FIRST_REQUEST


_failures: dict[tuple[str, int], Failure] = {}
_closing: dict["asyncio.Future[None]", asyncio.WriteTransport] = {}


def failures() -> list[Failure]:
    """Return the last failure of each address that cannot be reached now."""
    return list(_failures.values())


def watch_connections() -> None:
    """Record the failures of all connections made from now on. A second call changes nothing."""
    aiokafka.client.create_conn = _create_conn


async def let_close() -> None:
    """Wait at most CLOSE_S for the closing handshake of TLS connections, for which aiokafka does not wait.

    Then abort the connections whose peer does not answer. Otherwise the loop would end and leave their sockets open.
    """
    loop = asyncio.get_running_loop()
    closing = {future: transport for future, transport in _closing.items() if future.get_loop() is loop}
    if closing:
        _, left = await asyncio.wait(closing, timeout=CLOSE_S)
        for future in left:
            closing[future].abort()
        if left:
            await asyncio.wait(left, timeout=CLOSE_S)
    _closing.clear()


async def _create_conn(host: str, port: int, **options: Any) -> "_Connection":
    """Make a connection. Overrides `aiokafka.conn.create_conn`, which does the same with its own class."""
    connection = _Connection(host, port, **options)
    await connection.connect()
    return connection


class _Connection(AIOKafkaConnection):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's connection, which also records why it failed."""

    _stands = False

    async def connect(self) -> Any:
        """Connect, request ApiVersions and log in. Extends the original."""
        try:
            streams = await super().connect()
        except Exception as error:
            self._note(error)
            raise
        self._stands = True
        _failures.pop((self.host, self.port), None)
        return streams

    def close(self, reason: CloseReason | None = None, exc: BaseException | None = None) -> Any:
        """Record the error that broke an established connection. Extends the original."""
        if self._stands and reason == CloseReason.CONNECTION_TIMEOUT:
            self._note(TimeoutError())  # one request timed out; aiokafka closes without an error
        elif self._stands and exc is not None:
            self._note(exc)
        writer = self._writer
        gone = super().close(reason, exc)
        if writer is not None and not gone.done():
            _closing[gone] = writer.transport
            gone.add_done_callback(lambda future: _closing.pop(future, None))
        return gone

    def _note(self, error: BaseException) -> None:
        if len(_failures) >= ADDRESSES_MAX:
            _failures.clear()
        _failures[self.host, self.port] = Failure(
            host=self.host,
            port=self.port,
            error=error,
            protocol=self._security_protocol,
            mechanism=self._sasl_mechanism if self._security_protocol.startswith("SASL") else None,
            username=self._sasl_plain_username,
            timeout_s=self._request_timeout,
            requests=self._correlation_id,
            is_new=not self._stands,
        )
