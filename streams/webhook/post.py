"""Post one alert to the receiver: one attempt, with a time limit, no redirect and no reading of the answer."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final, Literal

import aiohttp

from streams.kafka.security import TlsFileError
from streams.webhook.alerts import WaitingAlert
from streams.webhook.settings import WebhookSettings
from streams.webhook.signing import Signer

Result = Literal["ACCEPTED", "REFUSED", "REDIRECTED", "TIMED_OUT", "UNREACHABLE"]
"""ACCEPTED: any 2xx. REDIRECTED: a 3xx, which is not followed: a signed alert goes to the configured address only."""

USER_AGENT: Final = "sekisho-webhook"


class Poster:
    """Post alerts over a pool of connections."""

    def __init__(self, session: aiohttp.ClientSession, url: str, signer: Signer) -> None:
        self._session = session
        self._url = url
        self._signer = signer

    async def post(self, alert: WaitingAlert) -> Result:
        """Make one attempt and return its result. The body of the answer is not read."""
        headers = {"content-type": "application/json"}
        headers |= self._signer.headers(alert.alert_id, int(time.time()), alert.body)
        try:
            async with self._session.post(self._url, data=alert.body, headers=headers, allow_redirects=False) as answer:
                return _result_of(answer.status)
        except TimeoutError:
            return "TIMED_OUT"
        except (aiohttp.ClientError, OSError):
            return "UNREACHABLE"


def _result_of(status: int) -> Result:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return "ACCEPTED"
    return "REDIRECTED" if status < HTTPStatus.BAD_REQUEST else "REFUSED"


@asynccontextmanager
async def posting(settings: WebhookSettings, signer: Signer) -> AsyncIterator[Poster]:
    """Open the pool: at most `slots` connections, certificates checked, no proxy, no cookies.

    Raises:
        TlsFileError: `ca_file` is missing, or holds no certificate.
    """
    assert settings.url is not None
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=settings.slots, ssl=_tls(settings.ca_file)),
        timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
        headers={"user-agent": USER_AGENT},
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
    ) as session:
        yield Poster(session, settings.url, signer)


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """Build a context that checks host names and requires TLS 1.2 or newer (PCI DSS 4.0.1, 4.2.1)."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # SSLError is one
        cause = "holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise TlsFileError(f"webhook.ca_file {ca_file}: {cause}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
