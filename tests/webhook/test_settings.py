"""The address of a receiver is HTTPS or loopback; limits fit each other; no message shows the address."""

import msgspec
import pytest

from streams.config.load import settings_from
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.webhook.settings import WebhookSettings
from tests.webhook.made import settings

GOOD = [
    "https://receiver.example/alerts",
    "https://receiver.example:8443/a?b=c",
    "http://127.0.0.1:8080/alerts",
    "http://127.9.9.9/",
    "http://[::1]:8080/",
    "http://localhost:8080/",
]
BAD = [
    ("http://receiver.example/token", "must begin with https://"),
    ("http://10.0.0.1/token", "must begin with https://"),
    ("http://localhost.example/token", "must begin with https://"),
    ("http://127.0.0.1.example/token", "must begin with https://"),
    ("ftp://127.0.0.1/token", "must begin with https://"),
    ("https://user:token@receiver.example/", "holds a login"),
    ("https://receiver.example/#token", "has a fragment"),
    ("https:///token", "is not a URL"),
    ("https://receiver.example:99999/token", "is not a URL"),
    ("https://receiver.example:0/token", "is not a URL"),
    ("https://[::1/token", "is not a URL"),
    ("receiver.example/token", "is not a URL"),
]


@pytest.mark.parametrize("url", GOOD)
def test_https_and_loopback_are_accepted(url: str) -> None:
    assert settings(url=url).url == url


@pytest.mark.parametrize(("url", "fault"), BAD)
def test_other_addresses_are_refused_without_being_shown(url: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=r"^f\.yaml: \$\.webhook: webhook\.url: " + fault) as caught:
        settings_from({"webhook": {"url": url, "secrets": [{"env": "S"}]}}, origin="f.yaml")
    assert "token" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"secrets": ()}, "webhook.secrets"),
        ({"slots": 4, "slots_per_acquirer": 5}, "webhook.slots_per_acquirer"),
        ({"waiting_max": 10, "waiting_max_per_acquirer": 11}, "webhook.waiting_max_per_acquirer"),
        ({"backoff_first_s": 2.0, "backoff_max_s": 1.0}, "webhook.backoff_first_s"),
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        settings(**changes)


def test_a_secret_by_value_and_a_fifth_secret_are_refused() -> None:
    for secrets in (["whsec_AAAA"], [{"env": "S"}] * 5):
        with pytest.raises(ConfigError, match="webhook") as caught:
            settings_from({"webhook": {"url": GOOD[0], "secrets": secrets}}, origin="f.yaml")
        assert "AAAA" not in str(caught.value)


def test_a_deployment_has_no_webhook_unless_it_names_a_receiver() -> None:
    assert Settings().webhook == WebhookSettings()
    assert WebhookSettings().receiver == "off"
    assert settings(url="https://receiver.example:8443/token").receiver == "receiver.example:8443"
    assert msgspec.to_builtins(WebhookSettings())["url"] is None
