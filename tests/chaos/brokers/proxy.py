"""A proxy on loopback before a broker: it sees every request and can delay it, lose it or lose its answer.

It reads only what all versions of Kafka's protocol share: a message is its size and its bytes; a request begins with
its kind, version and correlation id, an answer with the correlation id. A topic is found by its name in the bytes of a
request, without quotes around it: the names in a marker's record have quotes.
"""

import asyncio
import re
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum, IntEnum, auto

READY_S = 10.0
BUFFER_BYTES = 1 << 22
WAITING_MAX = 1_000
"""Requests of one connection that were received and not yet passed on; beyond this the client waits."""

ANSWER_S = 5.0
"""For the broker to answer a request that was passed on late, for a client that is gone."""

TURNS = 8
"""Turns of the event loop: more than asyncio needs between accepting a connection and handing it over."""

SIZE = struct.Struct(">i")
REQUEST = struct.Struct(">hhi")
"""Kind, version, correlation id."""

CLIENT = struct.Struct(">h")
"""The length of the client id, which comes next."""


class Api(IntEnum):
    """Kinds of request that scenarios wait for."""

    PRODUCE = 0
    FETCH = 1
    OFFSET_COMMIT = 8
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


class Fault(Enum):
    """The fate of a request."""

    NONE = auto()
    HANG = auto()  # it is dropped, and so is everything later on its connection: it is never answered
    CUT = auto()  # its connection is closed before the broker sees it
    LOSE_ANSWER = auto()  # the broker handles it; its connection is closed in place of the answer
    DELAY = auto()  # passed on after `held_s`; later requests of its connection not before that
    HOLD = auto()  # kept, with later ones of its connection, until the rule is released; its client may be gone
    HOLD_ANSWER = auto()  # the broker handles it; the answer, and all later ones, are kept until the release


class Rule:
    """The fate of the next `times` requests of a kind (None: of all), until the rule is lifted. The first `skip` pass.

    A request matches if it is of one of `apis` (any if empty), names one of `topics` (if there are any), contains the
    bytes `having` and comes from `client`, the first part of a client id before a slash. `asked` is called when a
    matching request has come, before it is forwarded; `answered` when the broker has answered and before anyone
    receives it. Both are called in the proxy's thread, so what they do happens before anything moves on. Held requests
    are released `held_s` seconds after the first, or by `Proxy.release`; then the rule matches nothing more.
    """

    def __init__(
        self,
        apis: Api | tuple[Api, ...] = (),
        topics: tuple[str, ...] = (),
        *,
        having: bytes = b"",
        client: str = "",
        fault: Fault = Fault.NONE,
        times: int | None = 1,
        skip: int = 0,
        held_s: float | None = None,
        asked: Callable[[], object] = lambda: None,
        answered: Callable[[], object] = lambda: None,
    ) -> None:
        self.apis = (apis,) if isinstance(apis, Api) else apis
        self.fault = fault
        self.held_s = held_s
        self.asked = asked
        self.answered = answered
        self.applied = threading.Event()  # a request has come
        self.done = threading.Event()  # the broker has answered one
        self.held = 0  # messages, each of which has a connection behind it
        self.released = asyncio.Event()  # to be set in the proxy's loop
        self._topics = tuple(map(naming, topics))
        self._having = having
        self._client = client.encode()
        self._left = times
        self._skip = skip

    def takes(self, api: int, request: bytes) -> bool:
        """Tell whether this request matches the rule, and count it."""
        if self._left == 0 or self.released.is_set() or not self._concerns(api, request):
            return False
        if self._skip:
            self._skip -= 1
            return False
        if self._left is not None:
            self._left -= 1
        return True

    def _concerns(self, api: int, request: bytes) -> bool:
        return (
            (not self.apis or api in self.apis)
            and (not self._topics or any(topic.search(request) for topic in self._topics))
            and self._having in request
            and (not self._client or client_of(request).partition(b"/")[0] == self._client)
        )


def naming(topic: str) -> re.Pattern[bytes]:
    """Compile a search for requests that name a topic."""
    return re.compile(rb'(?<!")' + re.escape(topic.encode()))


def client_of(request: bytes) -> bytes:
    """Read the client id of a request."""
    at = SIZE.size + REQUEST.size
    (length,) = CLIENT.unpack_from(request, at)
    return request[at + CLIENT.size : at + CLIENT.size + max(0, length)]


class Proxy:
    """Relay from `port` to `inner_port` until closed, in a thread of its own."""

    def __init__(self, port: int, inner_port: int) -> None:
        self.port = port
        self.seen: Counter[tuple[int, str]] = Counter()  # requests by kind and by the topics of `watch`
        self._inner_port = inner_port
        self._rules: tuple[Rule, ...] = ()
        self._watched: tuple[tuple[str, re.Pattern[bytes]], ...] = ()
        self._lock = threading.Lock()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{port}")
        self._thread.start()
        try:
            self.open()
        except BaseException:
            self.close()
            raise

    def add(self, rule: Rule) -> Rule:
        """Apply a rule from now on; the first rule that matches a request decides."""
        with self._lock:
            self._rules = (*self._rules, rule)
        return rule

    def lift(self, rule: Rule) -> None:
        """Lift a rule."""
        with self._lock:
            self._rules = tuple(other for other in self._rules if other is not rule)

    def release(self, *rules: Rule) -> None:
        """Pass on what rules hold. They match nothing more."""
        for rule in rules:
            self._loop.call_soon_threadsafe(rule.released.set)

    def watch(self, *topics: str) -> None:
        """Count the requests that name these topics from now on; reset other counts."""
        self.seen.clear()
        self._watched = tuple((topic, naming(topic)) for topic in topics)

    def open(self) -> None:
        """Accept connections."""
        self._call(self._open())

    def shut(self) -> None:
        """Refuse connections and close the open ones, like a broker that is gone."""
        self._call(self._shut())

    def close(self) -> None:
        """Shut and end the thread."""
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(READY_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _call(self, work: "asyncio._CoroutineLike[None]") -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(READY_S)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=BUFFER_BYTES)

    async def _shut(self) -> None:
        """Close the server once all accepted connections have come to `_accept`: asyncio would lose them."""
        if self._server is not None:
            for listening in self._server.sockets:
                self._loop.remove_reader(listening.fileno())
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self._server.close()
            self._server = None
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        connection.add_done_callback(lambda _: writer.transport.abort())  # also if it was cancelled before it began

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one connection both ways until one side, or a rule, ends it."""
        writers = [writer]
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                inner = await asyncio.open_connection("127.0.0.1", self._inner_port, limit=BUFFER_BYTES)
                writers.append(inner[1])
                await _Connection(self, (reader, writer), inner).relay()
        finally:
            for end in writers:
                end.transport.abort()  # all before the first await, which may be cancelled
            for end in writers:
                with suppress(ConnectionError):
                    await end.wait_closed()

    def rule_for(self, api: int, request: bytes) -> Rule | None:
        """Return the rule that matches a request, if there is one."""
        for name, topic in self._watched:
            if topic.search(request):
                self.seen[api, name] += 1
        with self._lock:
            return next((rule for rule in self._rules if rule.takes(api, request)), None)


class Proxies:
    """Several proxies as one, for rules about every request of a kind: they do not count over all proxies."""

    def __init__(self, parts: Iterable[Proxy]) -> None:
        self.parts = tuple(parts)

    @property
    def seen(self) -> Counter[tuple[int, str]]:
        """Sum the counts of all proxies."""
        return sum((part.seen for part in self.parts), Counter())

    def add(self, rule: Rule) -> Rule:
        """Apply a rule from now on."""
        for part in self.parts:
            part.add(rule)
        return rule

    def lift(self, rule: Rule) -> None:
        """Apply a rule no longer."""
        for part in self.parts:
            part.lift(rule)

    def watch(self, *topics: str) -> None:
        """Count the requests that name these topics from now on; reset other counts."""
        for part in self.parts:
            part.watch(*topics)

    def close(self) -> None:
        """Close all of them."""
        for part in self.parts:
            part.close()


AnyProxy = Proxy | Proxies
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    """The two directions of one connection, and the rules of requests that are not yet answered."""

    def __init__(self, proxy: Proxy, outer: Streams, inner: Streams) -> None:
        self._proxy = proxy
        self._outer = outer
        self._inner = inner
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING_MAX)  # None: the client is gone
        self._open: dict[int, Rule | None] = {}  # by correlation id
        self._all_answered = asyncio.Event()
        self._is_late = False  # something was held: the broker gets it, also if the client is gone

    async def relay(self) -> None:
        """Relay until one side, or a rule, ends it."""
        receiving = asyncio.ensure_future(self._receive())
        ways = [asyncio.ensure_future(way) for way in (self._requests(), self._answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (receiving, *ways):
                task.cancel()
            await asyncio.gather(receiving, *ways, return_exceptions=True)

    async def _receive(self) -> None:
        """Read from the client, also while an earlier request of it is held."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await self._waiting.put(await _message(self._outer[0]))
        await self._waiting.put(None)

    async def _requests(self) -> None:
        """Relay requests until the end, or until a rule closes the connection or drops a request."""
        while (request := await self._waiting.get()) is not None:
            api, _, correlation = REQUEST.unpack_from(request, SIZE.size)
            rule = self._proxy.rule_for(api, request)
            if rule is not None:
                rule.asked()
                rule.applied.set()
                if rule.fault is Fault.CUT:
                    return
                if rule.fault is Fault.HANG:
                    while await self._waiting.get() is not None:
                        pass
                    return
                if rule.fault is Fault.DELAY:
                    await asyncio.sleep(rule.held_s or 0.0)
                if rule.fault is Fault.HOLD:
                    self._is_late = True
                    await self._hold(rule)
            self._open[correlation] = rule
            self._all_answered.clear()
            self._inner[1].write(request)
            await self._inner[1].drain()
        if self._is_late and self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_answered.wait(), ANSWER_S)

    async def _answers(self) -> None:
        """Relay answers until the end, or until one is to be lost. Answers for a client that is gone are dropped."""
        while True:
            answer = await _message(self._inner[0])
            rule = self._open.pop(SIZE.unpack_from(answer, SIZE.size)[0], None)
            if rule is not None:
                rule.answered()
                rule.done.set()
                if rule.fault is Fault.LOSE_ANSWER:
                    return
                if rule.fault is Fault.HOLD_ANSWER:
                    await self._hold(rule)
            if not self._open:
                self._all_answered.set()
            with suppress(ConnectionError):
                self._outer[1].write(answer)
                await self._outer[1].drain()

    async def _hold(self, rule: Rule) -> None:
        rule.held += 1
        if rule.held_s is not None and rule.held == 1:
            asyncio.get_running_loop().call_later(rule.held_s, rule.released.set)
        await rule.released.wait()


async def _message(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(SIZE.size)
    return size + await reader.readexactly(SIZE.unpack(size)[0])
