"""Settings of the webhook, as a frozen record."""

from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta, Struct

from streams.kafka.settings import Name, Seconds, Secret
from streams.telemetry.settings import HttpSettings

SECRETS_MAX: Final = 4

Slots = Annotated[int, Meta(ge=1, le=256)]
Waiting = Annotated[int, Meta(ge=1, le=1_000_000)]


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `sekisho webhook`. Without `url` there is no webhook. Workers do not read this section.

    `secrets` are of the form `whsec_` and base64, as Standard Webhooks has them. Each signs, so that a receiver may
    know the old or the new one during a rotation.
    """

    url: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    secrets: Annotated[tuple[Secret, ...], Meta(max_length=SECRETS_MAX)] = ()
    ca_file: str | None = None  # None: the system's certificate authorities
    group: Name = "sekisho-webhook"
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    slots: Slots = 8
    slots_per_acquirer: Slots = 4
    waiting_max: Waiting = 50_000
    waiting_max_per_acquirer: Waiting = 10_000
    attempts_max: Annotated[int, Meta(ge=1, le=1000)] = 20
    backoff_first_s: Seconds = 1.0
    backoff_max_s: Seconds = 300.0
    age_max_s: Annotated[float, Meta(gt=0, le=30 * 86_400)] = 21_600.0
    http: HttpSettings = HttpSettings(port=9465)

    def __post_init__(self) -> None:
        if self.url is not None and (fault := _fault_of(self.url)):
            raise ValueError(f"webhook.url: {fault}")
        if self.url is not None and not self.secrets:
            raise ValueError("webhook.secrets: name at least one secret, or a receiver cannot know who sent an alert")
        if self.slots_per_acquirer > self.slots:
            raise ValueError("webhook.slots_per_acquirer must not exceed webhook.slots")
        if self.waiting_max_per_acquirer > self.waiting_max:
            raise ValueError("webhook.waiting_max_per_acquirer must not exceed webhook.waiting_max")
        if self.backoff_first_s > self.backoff_max_s:
            raise ValueError("webhook.backoff_first_s must not exceed webhook.backoff_max_s")

    @property
    def receiver(self) -> str:
        """Host and port of the receiver, for messages. A path may hold a token, so it is never shown."""
        return "off" if self.url is None else urlsplit(self.url).netloc


def _fault_of(url: str) -> str | None:
    """Return the fault of a URL and the way out, or None. The text never contains the URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL: write https://host/path"
    if not parts.hostname or port == 0 or any(character.isspace() for character in url):
        return "is not a URL: write https://host/path"
    if "@" in parts.netloc:
        return "holds a login: delete it, alerts are signed with webhook.secrets"
    if parts.fragment:
        return "has a fragment (#...), which is never sent: delete it"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts)):
        return None
    return "must begin with https://; http:// is allowed for 127.0.0.1, [::1] and localhost only"


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
