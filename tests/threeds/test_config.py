"""The settings of 3-D Secure reach the rules. Invalid settings are refused, with the way out."""

import pytest
import yaml

from scoring.threeds.settings import ThreeDsSettings
from streams.config.load import settings_from
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.config.wiring import engine_settings
from tests.events import event
from tests.threeds.judged import broken, judge


def test_the_engine_has_a_feed_of_results_where_its_topic_has_a_name() -> None:
    assert not engine_settings(Settings()).has_results
    named = read("topics: {names: {threeds_results: tds}}\nthreeds: {result_grace_s: 60}")
    assert engine_settings(named).has_results
    assert engine_settings(named).threeds.result_grace_s == 60


def read(text: str) -> Settings:
    return settings_from(yaml.safe_load(text), origin="t.yaml")


def test_tolerance_and_acquirers_reach_the_core() -> None:
    made = read("threeds: {amount_tolerance: 0.25, cavv_hmac_from: [acq-1, acq-2]}")
    wanted = ThreeDsSettings(amount_tolerance=0.25, cavv_hmac_from=("acq-1", "acq-2"))
    assert engine_settings(made).threeds == wanted
    assert engine_settings(Settings()).threeds == ThreeDsSettings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("threeds: {amount_tolerance: -0.1}", "$.threeds.amount_tolerance"),
        ("threeds: {amount_tolerence: 0.1}", "amount_tolerance"),
        ("threeds: {cavv_hmac_from: [acq-1, acq-1]}", "names an acquirer twice; name each once"),
        ('threeds: {cavv_hmac_from: ["*", acq-1]}', "remove it or the others"),
        ("threeds: {cavv_hmac_from: acq-1}", "$.threeds.cavv_hmac_from"),
    ],
)
def test_invalid_settings_are_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("known", "acquirer", "sends"),
    [((), "acq-1", False), (("acq-1",), "acq-1", True), (("acq-1",), "acq-2", False), (("*",), "acq-2", True)],
)
def test_a_missing_cryptogram_counts_only_where_it_would_be_sent(
    known: tuple[str, ...], acquirer: str, sends: bool
) -> None:
    claimed = event(acquirer={"id": acquirer}, tds={"trans_status": "Y", "eci": "05"})
    (section,) = judge([claimed], settings=ThreeDsSettings(cavv_hmac_from=known))
    assert ("TDS01" in broken(section)) == sends
