"""One attempt at receivers on loopback that verify, refuse, redirect, hang, answer without end, or are not there."""

import asyncio
import base64
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streams.kafka.embedded import free_port
from streams.kafka.security import TlsFileError
from streams.webhook.post import posting
from streams.webhook.signing import Signer
from tests.brokers.certificates import Authority, Pair
from tests.examples import is_quick
from tests.webhook.made import alert, in_loop, settings
from tests.webhook.test_signing import expected

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()

AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for the authorities of the system, if they are set."""

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=is_quick())
def no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no authorities of the system for receivers without TLS: more than a hundred take 20 ms."""
    for name in AUTHORITIES:
        monkeypatch.setenv(name, os.devnull)


@asynccontextmanager
async def receiver(answer: Answer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        yield f"http://127.0.0.1:{server.port}/alerts"


async def attempt(url: str, **changes: Any) -> str:
    async with posting(settings(url=url, **changes), Signer([KEY])) as poster:
        return await poster.post(alert(7))


@in_loop
async def test_a_receiver_can_verify_what_it_gets() -> None:
    requests = []

    async def answer(request: web.Request) -> web.Response:
        requests.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.Response(status=204)

    began_s = int(time.time())
    async with receiver(answer) as url:
        assert await attempt(url) == "ACCEPTED"
    ((method, path, headers, body),) = requests
    sent = alert(7)
    assert (method, path, body) == ("POST", "/alerts", sent.body)
    assert headers["webhook-id"] == sent.alert_id
    at_s = int(headers["webhook-timestamp"])
    assert began_s <= at_s <= int(time.time())
    assert headers["webhook-signature"] == expected(SECRET, sent.alert_id, at_s, body)
    names = {name.lower() for name in headers}
    assert names == {
        *("host", "accept", "accept-encoding", "content-type", "content-length", "user-agent"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    }, "nothing but the alert, its signature and what HTTP needs"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (200, "ACCEPTED"),
        (299, "ACCEPTED"),
        (300, "REDIRECTED"),
        (304, "REDIRECTED"),
        (399, "REDIRECTED"),
        (400, "REFUSED"),
        (410, "REFUSED"),
        (429, "REFUSED"),
        (500, "REFUSED"),
        (599, "REFUSED"),
    ],
)
@in_loop
async def test_only_a_status_of_2xx_is_a_delivery(status: int, result: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with receiver(answer) as url:
        assert await attempt(url) == result


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@in_loop
async def test_a_redirect_is_not_followed(status: int) -> None:
    paths = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with receiver(answer) as url:
        assert await attempt(url) == "REDIRECTED"
    assert paths == ["/alerts"]


@in_loop
async def test_a_receiver_that_does_not_answer_is_left_after_the_time_limit() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        asked.set()
        await release.wait()
        return web.Response()

    async with receiver(answer) as url:
        assert await attempt(url, timeout_s=0.3) == "TIMED_OUT"
        assert asked.is_set()
        release.set()


@in_loop
async def test_the_body_of_an_answer_is_not_read() -> None:
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        endless = web.StreamResponse()
        await endless.prepare(request)
        await endless.write(b"x" * 1_000)
        await release.wait()
        return endless

    async with receiver(answer) as url:
        assert await attempt(url, timeout_s=30.0) == "ACCEPTED"
        release.set()


@in_loop
async def test_a_receiver_that_is_not_there_or_closes_is_unreachable() -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert await attempt(f"http://127.0.0.1:{free_port()}/") == "UNREACHABLE"
    async with receiver(hang_up) as url:
        assert await attempt(url) == "UNREACHABLE"


def tls_of(pair: Pair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@in_loop
async def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
    authority, arrived, port = Authority(tmp_path), [], free_port()

    async def answer(request: web.Request) -> web.Response:
        arrived.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_post("/alerts", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls_of(authority.issue("receiver"))).start()
        url = f"https://localhost:{port}/alerts"
        assert await attempt(url) == "UNREACHABLE", "the system does not know this authority"
        assert await attempt(url, ca_file=str(authority.file)) == "ACCEPTED"
    finally:
        await runner.cleanup()
    assert arrived == ["/alerts"]


@in_loop
async def test_a_wrong_file_of_authorities_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name, cause in (("none.pem", "No such file or directory"), ("empty.pem", "holds no certificate in PEM form")):
        with pytest.raises(TlsFileError, match=rf"webhook\.ca_file .*{name}: {cause}"):
            await attempt("https://localhost/", ca_file=str(tmp_path / name))


@in_loop
async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with receiver(answer) as url:
        assert await attempt(url) == "ACCEPTED"


@in_loop
async def test_a_cookie_is_not_sent_back() -> None:
    cookies = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        response = web.Response()
        response.set_cookie("session", "1")
        return response

    async with receiver(answer) as address:
        url = address.replace("127.0.0.1", "localhost")  # aiohttp keeps no cookies of addresses
        async with posting(settings(url=url), Signer([KEY])) as poster:
            assert [await poster.post(alert(number)) for number in range(2)] == ["ACCEPTED", "ACCEPTED"]
    assert cookies == [None, None]
