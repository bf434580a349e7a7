"""The proxy between a client and an echo that speaks just as much of Kafka's protocol as the proxy knows."""

import gc
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest

from tests.chaos.brokers.ports import steady_ports
from tests.chaos.brokers.proxy import CLIENT, REQUEST, SIZE, Api, Fault, Proxy, Rule

TIMEOUT_S = 5.0
RESET = struct.pack("ii", 1, 0)
"""For SO_LINGER: a connection that is closed is reset."""


def message(api: int, correlation: int, body: bytes) -> bytes:
    return SIZE.pack(REQUEST.size + len(body)) + REQUEST.pack(api, 0, correlation) + body


def receive(link: socket.socket) -> bytes:
    """Read one message; b"" at the end of the connection."""
    size = _exactly(link, SIZE.size)
    return _exactly(link, SIZE.unpack(size)[0]) if len(size) == SIZE.size else b""


def _exactly(link: socket.socket, count: int) -> bytes:
    read = b""
    while len(read) < count and (more := link.recv(count - len(read))):
        read += more
    return read


class Echo(threading.Thread):
    """A server that answers every request with its correlation id and its body, and keeps what it was asked."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.got: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", port))

    def run(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join(TIMEOUT_S)

    def _answer(self, link: socket.socket) -> None:
        with link:
            while request := receive(link):
                self.got.append(request[REQUEST.size :])
                correlation = REQUEST.unpack_from(request)[2]
                body = request[REQUEST.size :]
                link.sendall(SIZE.pack(SIZE.size + len(body)) + SIZE.pack(correlation) + body)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo(steady_ports(1)[0])
    server.start()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with closing(Proxy(steady_ports(1)[0], echo._socket.getsockname()[1])) as relay:
        yield relay


@pytest.fixture
def link(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as client:
        yield client


def ask(link: socket.socket, api: int, body: bytes, correlation: int = 7) -> bytes:
    """Ask and return the body of the answer; b"" when the connection ends instead."""
    link.sendall(message(api, correlation, body))
    answer = receive(link)
    assert not answer or SIZE.unpack_from(answer)[0] == correlation
    return answer[SIZE.size :]


def test_without_rules_all_requests_pass_and_watched_ones_are_counted(proxy: Proxy, link: socket.socket) -> None:
    proxy.watch("rows")
    large = b"x" * 3_000_000
    assert [ask(link, Api.PRODUCE, body) for body in (b"to rows", large, b"to others")] == [
        b"to rows",
        large,
        b"to others",
    ]
    assert proxy.seen == {(Api.PRODUCE, "rows"): 1}


def test_a_rule_takes_its_kind_and_topic_as_often_as_it_says(proxy: Proxy, link: socket.socket) -> None:
    calls: list[str] = []
    rule = Rule(Api.PRODUCE, ("rows",), times=2, asked=lambda: calls.append("?"), answered=lambda: calls.append("!"))
    proxy.add(rule)
    ask(link, Api.FETCH, b"rows")
    ask(link, Api.PRODUCE, b"others")
    assert not rule.applied.is_set()
    for _ in range(3):
        assert ask(link, Api.PRODUCE, b"rows") == b"rows"
    assert calls == ["?", "!", "?", "!"]


def test_a_record_that_contains_the_name_of_a_topic_is_not_for_it(proxy: Proxy, link: socket.socket) -> None:
    proxy.watch("rows")
    proxy.add(Rule(Api.PRODUCE, ("rows",), fault=Fault.CUT))
    marker = b'to others {"topic_ids":{"rows":"AAAA"}}'
    assert ask(link, Api.PRODUCE, marker) == marker
    assert proxy.seen == {}


def test_a_rule_can_let_some_pass_first(proxy: Proxy, link: socket.socket) -> None:
    proxy.add(Rule(Api.PRODUCE, ("rows",), fault=Fault.CUT, skip=2))
    assert [ask(link, Api.PRODUCE, b"rows") for _ in range(3)] == [b"rows", b"rows", b""]


def test_a_lifted_rule_takes_nothing(proxy: Proxy, link: socket.socket) -> None:
    rule = proxy.add(Rule(Api.PRODUCE, fault=Fault.CUT, times=None))
    proxy.lift(rule)
    assert ask(link, Api.PRODUCE, b"rows") == b"rows"
    assert not rule.applied.is_set()


def test_a_cut_request_never_reaches_the_broker(proxy: Proxy, echo: Echo, link: socket.socket) -> None:
    proxy.add(Rule(Api.PRODUCE, fault=Fault.CUT))
    assert ask(link, Api.PRODUCE, b"rows") == b""
    assert echo.got == []


def test_a_lost_answer_is_to_a_request_that_was_done(proxy: Proxy, echo: Echo, link: socket.socket) -> None:
    heard: list[list[bytes]] = []
    proxy.add(Rule(Api.PRODUCE, fault=Fault.LOSE_ANSWER, answered=lambda: heard.append(list(echo.got))))
    assert ask(link, Api.PRODUCE, b"rows") == b""
    assert echo.got == [b"rows"]
    assert heard == [[b"rows"]], "the broker is done when the rule hears of it"


def test_a_request_that_hangs_silences_its_connection_and_no_other(
    proxy: Proxy, echo: Echo, link: socket.socket
) -> None:
    rule = proxy.add(Rule(Api.PRODUCE, fault=Fault.HANG))
    link.sendall(message(Api.PRODUCE, 1, b"rows"))
    assert rule.applied.wait(TIMEOUT_S)
    link.sendall(message(Api.FETCH, 2, b"more"))
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as other:
        assert ask(other, Api.PRODUCE, b"others") == b"others"
    assert echo.got == [b"others"]
    link.settimeout(0.1)
    with pytest.raises(TimeoutError):
        link.recv(1)


def await_got(echo: Echo, *bodies: bytes) -> None:
    """Wait until the broker has been asked exactly this."""
    deadline = time.monotonic() + TIMEOUT_S
    while echo.got != list(bodies):
        assert time.monotonic() < deadline, f"got {echo.got}, expected {bodies}"
        time.sleep(0.01)


@pytest.mark.parametrize("ending", ["closed", "reset"])
def test_a_held_request_reaches_the_broker_after_its_client_is_gone(
    proxy: Proxy, echo: Echo, link: socket.socket, ending: str
) -> None:
    rule = proxy.add(Rule(Api.PRODUCE, fault=Fault.HOLD))
    link.sendall(message(Api.PRODUCE, 1, b"late") + message(Api.PRODUCE, 2, b"behind it"))
    assert rule.applied.wait(TIMEOUT_S)
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as other:
        assert ask(other, Api.PRODUCE, b"of the next owner") == b"of the next owner"
        if ending == "reset":
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        link.close()
        assert ask(other, Api.PRODUCE, b"more of it") == b"more of it"
    assert echo.got == [b"of the next owner", b"more of it"]
    proxy.release(rule)
    await_got(echo, b"of the next owner", b"more of it", b"late", b"behind it")
    assert rule.done.wait(TIMEOUT_S), "the scenario hears that the broker has done it"
    assert rule.held == 1


def test_a_held_request_is_answered_when_its_client_has_waited(proxy: Proxy, echo: Echo, link: socket.socket) -> None:
    proxy.add(Rule(Api.PRODUCE, fault=Fault.HOLD, held_s=0.1))
    assert [ask(link, Api.PRODUCE, body) for body in (b"late", b"on time")] == [b"late", b"on time"]
    assert echo.got == [b"late", b"on time"]


def test_a_delayed_request_comes_later_and_in_order(proxy: Proxy, echo: Echo, link: socket.socket) -> None:
    proxy.add(Rule(Api.PRODUCE, fault=Fault.DELAY, held_s=0.1, times=None))
    begun = time.monotonic()
    link.sendall(message(Api.PRODUCE, 1, b"slow") + message(Api.FETCH, 2, b"behind it") + message(Api.PRODUCE, 3, b"x"))
    await_got(echo, b"slow", b"behind it", b"x")
    assert time.monotonic() - begun > 0.2


def test_a_rule_holds_all_it_takes_until_it_is_released_and_then_takes_nothing(
    proxy: Proxy, echo: Echo, link: socket.socket
) -> None:
    rule = proxy.add(Rule(Api.PRODUCE, fault=Fault.HOLD, times=None))
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as again:
        for number, end in enumerate((link, again)):
            end.sendall(message(Api.PRODUCE, number, b"late"))
        while rule.held < 2:
            time.sleep(0.01)
        assert echo.got == []
        proxy.release(rule)
        assert [receive(end)[-4:] for end in (link, again)] == [b"late", b"late"]
        assert ask(link, Api.PRODUCE, b"on time") == b"on time"
    assert rule.held == 2


def test_a_held_answer_is_to_a_request_that_was_done(proxy: Proxy, echo: Echo, link: socket.socket) -> None:
    rule = proxy.add(Rule(Api.SYNC_GROUP, fault=Fault.HOLD_ANSWER))
    link.sendall(message(Api.SYNC_GROUP, 1, b"sync") + message(Api.HEARTBEAT, 2, b"beat"))
    await_got(echo, b"sync", b"beat")
    link.settimeout(0.1)
    with pytest.raises(TimeoutError):
        link.recv(1)
    proxy.release(rule)
    link.settimeout(TIMEOUT_S)
    assert [receive(link)[-4:] for _ in range(2)] == [b"sync", b"beat"]


def test_a_rule_tells_clients_and_contents_apart(proxy: Proxy, link: socket.socket) -> None:
    def of(client: bytes, body: bytes) -> bytes:
        return CLIENT.pack(len(client)) + client + body

    rule = Rule((Api.PRODUCE, Api.FETCH), ("rows",), having=b"marker", client="a-1", fault=Fault.CUT)
    proxy.add(rule)
    for passing in (of(b"a-10/sekisho", b"rows marker"), of(b"a-1/sekisho", b"rows"), of(b"b/a-1", b"rows marker")):
        assert ask(link, Api.PRODUCE, passing) == passing
    assert ask(link, Api.PRODUCE, of(b"a-1/sekisho", b"rows marker")) == b""


def test_a_proxy_that_is_shut_refuses_and_drops_and_can_be_opened_again(proxy: Proxy, link: socket.socket) -> None:
    assert ask(link, Api.FETCH, b"rows") == b"rows"
    proxy.shut()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S)
    with pytest.raises(ConnectionError):
        assert ask(link, Api.FETCH, b"rows") or not ask(link, Api.FETCH, b"rows")
    proxy.open()
    with socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S) as again:
        assert ask(again, Api.FETCH, b"rows") == b"rows"


def test_connections_that_come_in_the_moment_of_being_shut_are_dropped_and_not_forgotten(proxy: Proxy) -> None:
    """asyncio leaves a socket open that it has accepted when its server is closed in the same turn."""
    proxy._loop.call_soon_threadsafe(time.sleep, 0.2)
    with ExitStack() as links:
        late = [links.enter_context(socket.create_connection(("127.0.0.1", proxy.port), TIMEOUT_S)) for _ in range(4)]
        proxy.shut()
        for link in late:
            with suppress(ConnectionError):
                assert link.recv(1) == b""
        gc.collect()  # what was forgotten complains, and pytest hears it
