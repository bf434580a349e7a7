"""Each rule of consistency is broken in its cases and in no others, on every network that it concerns."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pytest

from scoring.threeds.settings import ThreeDsSettings
from tests.events import event, token
from tests.threeds.judged import EVERY, Json, broken, judge
from tests.threeds.rules_oracle import Oracle

COMMON: Final = ("visa", "jcb", "amex", "diners", "discover", "unionpay")
NETWORKS: Final = (*COMMON, "mastercard")
AT: Final = "2026-05-01T03:00:00.000Z"
UUID: Final = "f7aa5dab-4d36-43c1-8d0b-930065f908e8"
FITTING: Final = {"Y": ("05", "02"), "A": ("06", "01"), "N": ("07", "00"), "U": ("07", "00"), "R": ("07", "00")}
FITTING_: Final = FITTING | {"I": ("07", "06"), "C": ("07", "00"), "D": ("07", "00"), "S": ("07", "00")}


def sound(network: str, letter: str = "Y") -> Json:
    """Give the 3-D Secure section of a payment that breaks no rule except those of its transStatus."""
    tds = {
        "performed": True,
        "version": "2.3.1",
        "trans_status": letter,
        "eci": FITTING_[letter][network == "mastercard"],
        "ds_trans_id": UUID,
        "device_channel": "02",
        "auth_ts": "2026-05-01T02:59:40Z",
        "purchase_amount": 12_800,
        "purchase_currency": "JPY",
        "purchase_exponent": 0,
        "cavv_wellformed": True,
    }
    if letter in "NUR":
        tds["trans_status_reason"] = "11"
    return tds | ({"cavv_hmac": token("cavv")} if letter in "YA" else {})


class Case(NamedTuple):
    """A change of a sound payment: of its 3-D Secure section, and of others. `fires`: whether it breaks the rule."""

    rule: str
    fires: bool
    tds: Json
    other: Mapping[str, Any] = MappingProxyType({})
    letter: str = "Y"
    networks: tuple[str, ...] = NETWORKS


MC: Final = ("mastercard",)
VISA: Final = ("visa",)
MIT: Final = {"txn": {"initiator": "MIT"}}
NO_CAVV: Final = {"cavv_hmac": None, "cavv_wellformed": None}
SHOP: Final = {"txn": {"channel": "card_present"}}
UNTOLD: Final = {"performed": None, "version": None, "trans_status": None, "eci": None} | NO_CAVV

CASES: Final = (
    Case("TDS01", True, NO_CAVV),
    Case("TDS01", True, NO_CAVV, letter="A"),
    Case("TDS01", True, NO_CAVV | {"eci": "07"}, networks=MC),
    Case("TDS01", True, NO_CAVV | {"trans_status": None}),
    Case("TDS01", False, {}),
    Case("TDS01", False, NO_CAVV, {"checks": {"cavv": "2"}}),
    Case("TDS01", False, NO_CAVV, letter="N"),
    Case("TDS02", True, {"eci": "02"}, networks=COMMON),
    Case("TDS02", True, {"eci": "05"}, networks=MC),
    Case("TDS02", True, {"eci": "99"}),
    Case("TDS02", True, {"eci": "ZZ"}),
    Case("TDS02", True, {"eci": "01"}, networks=VISA),
    Case("TDS02", True, {"eci_response": "99"}),
    Case("TDS02", False, {"eci_response": "99"}, {"outcome": {"phase": "PRE_AUTH"}}),
    Case("TDS02", False, {"eci_response": ""}),
    Case("TDS02", False, {"eci": "01"}, {"txn": {"channel": "moto"}}, networks=VISA),
    Case("TDS02", False, {"eci": "04"}, {"txn": {"channel": "moto"}}, networks=VISA),
    Case("TDS02", False, {"eci": "02"}, {"txn": {"recurring": True}}, networks=VISA),
    Case("TDS02", False, {"eci": "03"}, {"credential": {"stored": True}}, networks=VISA),
    Case("TDS02", False, {"eci": ""}),
    Case("TDS02", False, {"eci": "  "}),
    Case("TDS02", False, {"eci": None}),
    Case("TDS02", False, {"eci": "5 "}, networks=COMMON),
    Case("TDS02", False, {"eci": "005"}, networks=COMMON),
    Case("TDS02", False, {"eci": "ZZ"}, networks=("other",)),
    Case("TDS03", True, {"eci": "06"}, networks=COMMON),
    Case("TDS03", True, {"eci": "07"}, networks=COMMON),
    Case("TDS03", True, {"eci": "00"}, networks=MC),
    Case("TDS03", True, {"eci": "04"}, networks=MC),
    Case("TDS03", True, {"eci": "06"}, networks=MC),
    Case("TDS03", True, {"eci": "04"}, letter="A", networks=MC),
    Case("TDS03", True, {"eci": "06"}, letter="A", networks=MC),
    Case("TDS03", True, {"eci": "07"}, letter="A", networks=MC),
    Case("TDS03", True, {"eci": "05"}, letter="I", networks=COMMON),
    Case("TDS03", True, {"eci": "06"}, letter="I", networks=COMMON),
    Case("TDS03", True, {"eci": "04", "trans_status_reason": "22"}, letter="U", networks=MC),
    Case("TDS03", False, {"eci": "04", "trans_status_reason": "80"}, letter="U", networks=MC),
    Case("TDS03", False, {"eci": "04", "trans_status_reason": None}, letter="U", networks=MC),
    Case("TDS03", False, {"eci": "06"}, letter="N", networks=MC),
    Case("TDS03", False, {"eci": "07"}, networks=MC),
    Case("TDS03", True, {"performed": False}),
    Case("TDS03", True, UNTOLD | {"performed": False, "cavv_hmac": "c"}),
    Case("TDS03", True, UNTOLD | {"performed": False, "eci": "05"}, networks=COMMON),
    Case("TDS03", False, UNTOLD | {"performed": False}),
    Case(
        "TDS03",
        False,
        UNTOLD | {"performed": False, "cavv_hmac": "c"},
        {"txn": {"wallet": "x", "wallet_kind": "device_token"}},
    ),
    Case("TDS03", False, UNTOLD | {"performed": False, "cavv_hmac": "c"}, {"txn": {"wallet": "google_pay"}}),
    Case(
        "TDS03",
        True,
        UNTOLD | {"performed": False, "cavv_hmac": "c"},
        {"txn": {"wallet": "google_pay", "wallet_kind": "card_number"}},
    ),
    *(Case("TDS03", False, {}, letter=letter) for letter in "YANURICDS"),
    *(Case("TDS04", True, {}, letter=letter) for letter in "NR"),
    *(Case("TDS04", False, {}, letter=letter) for letter in "YAUICDS"),
    Case("TDS04", False, {}, MIT, letter="R"),
    Case("TDS04", False, {}, {"txn": {"type": "refund"}}, letter="R"),
    Case("TDS04", False, {}, {"txn": {"channel": "moto"}}, letter="R"),
    Case("TDS04", False, {"eci": "04"}, letter="N", networks=MC),
    Case("TDS04", False, {"eci": "06"}, letter="N", networks=MC),
    Case("TDS04", True, {"eci": "06"}, letter="N", networks=COMMON),
    *(Case("TDS05", True, {}, letter=letter) for letter in "CDS"),
    *(Case("TDS05", False, {}, letter=letter) for letter in "YANURI"),
    Case("TDS06", True, {"cavv_wellformed": False}),
    Case("TDS06", False, {"cavv_wellformed": True}),
    Case("TDS06", False, {"cavv_wellformed": None}),
    *(Case("TDS07", True, {}, {"checks": {"cavv": code}}, networks=("visa", "amex")) for code in "1479"),
    *(Case("TDS07", False, {}, {"checks": {"cavv": code}}, networks=("visa", "amex")) for code in "0238ABCDIU6"),
    Case(
        "TDS07", False, {}, {"checks": {"cavv": "1"}}, networks=("mastercard", "jcb", "diners", "discover", "unionpay")
    ),
    Case("TDS11", True, {"ds_trans_id": "00000000-0000-0000-0000-000000000000"}),
    Case("TDS11", True, {"ds_trans_id": "986182012345671"}),
    Case("TDS11", True, {"ds_trans_id": UUID.replace("-", "")}),
    Case("TDS11", False, {"ds_trans_id": UUID.upper()}),
    Case("TDS11", False, {"ds_trans_id": None}),
    Case("TDS11", False, {"ds_trans_id": ""}),
    Case("TDS13", True, {"purchase_currency": "USD"}),
    Case("TDS13", True, {"purchase_currency": "840"}),
    Case("TDS13", False, {"purchase_currency": "392"}),
    Case("TDS13", False, {"purchase_currency": None}),
    Case("TDS13", False, {"purchase_currency": "XXX"}),
    Case("TDS14", True, {"purchase_amount": 12_799}),
    Case("TDS14", True, {"purchase_amount": 0}),
    Case("TDS14", True, {"purchase_amount": 12_799, "purchase_currency": None}),
    Case("TDS14", True, {"purchase_amount": 1_279_999, "purchase_exponent": 2}),
    Case("TDS14", False, {"purchase_amount": 1_280_000, "purchase_exponent": 2}),
    Case("TDS14", False, {"purchase_amount": 12_799, "purchase_currency": "USD"}),
    Case("TDS14", False, {"purchase_amount": 12_799, "message_category": "02"}),
    Case("TDS14", True, {"purchase_amount": 12_799, "message_category": "01"}),
    Case("TDS14", False, {"purchase_amount": 12_800}),
    Case("TDS14", False, {"purchase_amount": None}),
    Case("TDS15", True, {"auth_ts": "2026-05-01T03:00:00.001Z"}),
    Case("TDS15", True, {"auth_ts": "2026-01-31T02:59:59.999Z"}),
    Case("TDS15", False, {"auth_ts": "2026-01-31T03:00:00.000Z"}),
    Case("TDS15", False, {"auth_ts": AT}),
    Case("TDS15", False, {"auth_ts": None}),
    *(Case("TDS16", True, {"version": version}) for version in ("1.0.2", "1.0", "2.0.0", "2.0", "2.1.0", "2.1")),
    *(Case("TDS16", False, {"version": version}) for version in ("2.2.0", "2.2", "2.3.1", "2", "1", "x", "", None)),
    Case("TDS16", False, {"version": "2.1.0", "auth_ts": "2024-09-24T14:59:59.999Z"}, networks=VISA),
    Case("TDS16", True, {"version": "2.1.0", "auth_ts": "2024-09-24T15:00:00Z"}, networks=VISA),
    Case("TDS16", False, {"version": "2.1.0", "auth_ts": "2024-09-23T14:59:59.999Z"}, networks=NETWORKS[1:]),
    Case("TDS16", True, {"version": "2.1.0", "auth_ts": "2024-09-23T15:00:00Z"}, networks=NETWORKS[1:]),
    Case("TDS16", False, {"version": "2.1.0", "auth_ts": None}, {"event_ts": "2024-09-23T00:00:00Z"}),
    Case("TDS16", True, {"version": "2.1.0", "auth_ts": None}, {"event_ts": "2024-09-26T00:00:00Z"}),
    Case("TDS17", True, {"version": "2.2.0"}, letter="S"),
    Case("TDS17", False, {"version": "2.3.1"}, letter="S"),
    *(Case("TDS17", True, {"version": "2.1.0"}, letter=letter) for letter in "DI"),
    *(Case("TDS17", False, {"version": "2.2"}, letter=letter) for letter in "DI"),
    *(Case("TDS17", True, {"version": "2.2.0", "trans_status_reason": f"{n}"}, letter="N") for n in range(27, 31)),
    *(Case("TDS17", False, {"version": "2.3.1", "trans_status_reason": f"{n}"}, letter="N") for n in range(27, 31)),
    Case("TDS17", False, {"version": "2.2.0", "trans_status_reason": "26"}, letter="N"),
    *(Case("TDS17", True, {"version": "2.3.1", "trans_status_reason": n}, letter="N") for n in ("31", "79")),
    Case("TDS17", False, {"version": "2.2.0", "trans_status_reason": "80"}, letter="N"),
    *(Case("TDS17", True, {"version": "2.2.0", "challenge_ind": n}) for n in ("10", "14", ["10"])),
    Case("TDS17", False, {"version": "2.2.0", "challenge_ind": "09"}),
    Case("TDS17", False, {"version": "2.3.1", "challenge_ind": "10"}),
    Case("TDS17", True, {"version": "2.1.0", "auth_type": "04"}),
    Case("TDS17", False, {"version": "2.2.0", "auth_type": "04"}),
    Case("TDS17", True, {"version": "2.2.0", "auth_method": "12"}),
    Case("TDS17", True, {"version": "2.2.0", "requestor_auth_ind": "07"}),
    Case("TDS17", True, {"version": "2.2.0", "three_ri_ind": "06"}),
    Case("TDS17", True, {"version": "2.2.0", "challenge_exemption": "05"}),
    Case("TDS17", True, {"version": "2.1.0", "trust_list": "Y"}),
    Case("TDS17", False, {"version": "2.2.0", "trust_list": "Y"}),
    *(Case("TDS17", False, {"version": version}, letter="S") for version in (None, "", "2", "x")),
    Case("TDS18", True, {"device_channel": "03"}),
    Case("TDS18", True, {"device_channel": "02"}, MIT),
    Case("TDS18", True, {"device_channel": "1"}, MIT),
    Case("TDS18", False, {"device_channel": "03"}, MIT),
    Case("TDS18", False, {"device_channel": "01"}),
    Case("TDS18", False, {"device_channel": None}, MIT),
    Case("TDS18", False, {"device_channel": "04"}, MIT),
    *(Case("TDS19", True, {"trans_status_reason": None}, letter=letter) for letter in "NUR"),
    *(Case("TDS19", True, {"trans_status_reason": text}, letter="N") for text in ("", " ", "x")),
    *(Case("TDS19", False, {"trans_status_reason": text}, letter="N") for text in ("01", "1", "80", "31")),
    *(Case("TDS19", False, {"trans_status_reason": None}, letter=letter) for letter in "YAICDS"),
    Case("TDS22", True, {}, SHOP),
    Case("TDS22", True, {}, {"pos": {"entry_mode": "051"}}),
    *(Case("TDS22", True, {}, {"pos": {"entry_mode": mode}}) for mode in ("02", "07", "79", "80", "90", "91")),
    Case("TDS22", True, UNTOLD | {"eci": "07"}, {"pos": {"entry_mode": "05"}}, networks=COMMON),
    Case("TDS22", True, UNTOLD | {"performed": True}, {"pos": {"entry_mode": "05"}}),
    Case("TDS22", True, UNTOLD, {"txn": {"channel": "card_present"}, "pos": {"entry_mode": "81"}}),
    Case("TDS22", True, UNTOLD, {"txn": {"channel": "card_present"}, "pos": {"entry_mode": "09"}}),
    Case("TDS22", False, UNTOLD, {"txn": {"channel": "card_present"}, "pos": {"entry_mode": "05"}}),
    Case("TDS22", False, UNTOLD | {"performed": False}, SHOP),
    Case("TDS22", False, UNTOLD | {"eci": "00"}, {"pos": {"entry_mode": "05"}}, networks=MC),
    *(Case("TDS22", False, {}, {"pos": {"entry_mode": mode}}) for mode in ("81", "09", "10", "01", "00", "")),
)
NEVER: Final = ("TDS08", "TDS09", "TDS10", "TDS12", "TDS21", "TDS23")
"""Rules that need other payments, or the feed of results: `replays` and `results` hold their cases."""


def made_of(case: Case, network: str, n: int) -> Json:
    other: dict[str, Any] = dict(case.other)
    tds = {name: value for name, value in (sound(network, case.letter) | case.tds).items() if value is not None}
    return event(event_id=f"e-{n}", card={"network": network}, tds=tds, **other)


def test_each_rule_breaks_on_its_cases_and_on_no_other() -> None:
    tried = [(case, network) for case in CASES for network in case.networks]
    events = [made_of(case, network, n) for n, (case, network) in enumerate(tried)]
    for (case, network), made, section in zip(tried, events, judge(events), strict=True):
        assert (case.rule in broken(section)) == case.fires, (case, network)
        assert broken(section) == Oracle(made).rules, made


def test_every_rule_that_is_active_has_cases_of_both_kinds_on_all_networks_but_those_named() -> None:
    active = {f"TDS{n:02d}" for n in range(1, 24)} - set(NEVER)
    for fires in (True, False):
        covered = {rule: set[str]() for rule in active - {"TDS20"}}
        for case in CASES:
            if case.fires == fires:
                covered[case.rule] |= set(case.networks)
        few = {"TDS07": {"visa", "amex"}} if fires else {}
        for rule, networks in covered.items():
            assert networks >= few.get(rule, set(NETWORKS)), (rule, fires)


@pytest.mark.parametrize("network", [*NETWORKS, "other"])
def test_a_sound_payment_breaks_no_rule(network: str) -> None:
    (section,) = judge([event(card={"network": network}, tds=sound(network) if network != "other" else sound("visa"))])
    assert "broken_rules" not in section


def due(**changes: Any) -> tuple[Json, Json]:
    record: Json = {
        "acquirer_id": "acq-1",
        "merchant_id": "m-1",
        "tds": {"mode": "EVERY_PAYMENT"},
        "fraud_status": changes.pop("fraud_status", None),
    }
    return event(**{"tds": {"performed": False}} | changes), record


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, "MEDIUM"),
        ({"fraud_status": "ACTUALISED"}, "HIGH"),
        *(({"fraud_status": status}, "MEDIUM") for status in ("NORMAL", "WATCH", "WARNING", "MONITORED")),
        ({"tds": {"performed": False, "exempt_reason": "because"}}, "MEDIUM"),
        ({"tds": {"performed": False, "exempt_reason": "79"}}, "MEDIUM"),
        ({"tds": {"eci": "07"}}, "MEDIUM"),
        ({"tds": {"performed": False, "exempt_reason": "low_value"}}, None),
        ({"tds": {"performed": True}}, None),
        ({"tds": None}, None),
        ({"txn": {"type": "refund"}}, None),
        ({"txn": {"type": "reversal"}}, None),
        ({"txn": {"type": "account_verification"}}, None),
        ({"txn": {"wallet": "google_pay"}}, None),
        ({"txn": {"wallet": "google_pay", "wallet_kind": "card_number"}}, "MEDIUM"),
        ({"txn": {"initiator": "MIT"}}, None),
    ],
)
def test_a_payment_without_3d_secure_that_was_due_breaks_a_rule(changes: Json, severity: str | None) -> None:
    made, record = due(**changes)
    (section,) = judge([made], [record])
    assert broken(section).get("TDS20") == severity
    assert broken(section) == Oracle(made, record).rules


def test_a_missing_cryptogram_breaks_no_rule_if_the_acquirer_never_sends_it() -> None:
    tds = sound("visa") | NO_CAVV
    made = [event(event_id=f"e-{n}", acquirer={"id": f"acq-{n}"}, tds={**tds}) for n in range(3)]
    for each in made:
        each["tds"] = {name: value for name, value in tds.items() if value is not None}
    assert [broken(section) for section in judge(made, settings=ThreeDsSettings())] == [{}, {}, {}]
    some = ThreeDsSettings(cavv_hmac_from=("acq-1",))
    assert [broken(section) for section in judge(made, settings=some)] == [{}, {"TDS01": "HIGH"}, {}]
    assert all(broken(section) == {"TDS01": "HIGH"} for section in judge(made, settings=EVERY))


@pytest.mark.parametrize(("minor", "fires"), [(1_100, False), (1_101, True)])
def test_an_amount_may_be_above_the_authenticated_one_by_the_tolerance(minor: int, fires: bool) -> None:
    made = event(amount={"minor": minor}, tds=sound("visa") | {"purchase_amount": 1_000})
    (section,) = judge([made], settings=ThreeDsSettings(amount_tolerance=0.1))
    assert ("TDS14" in broken(section)) == fires


def test_three_decimals_and_none_compare_by_value() -> None:
    kwd = {"minor": 12_345, "currency": "KWD", "exponent": 3}
    tds = sound("visa") | {"purchase_currency": "414", "purchase_exponent": 3}
    events = [
        event(event_id="e-1", amount=kwd, tds=tds | {"purchase_amount": 12_345}),
        event(event_id="e-2", amount=kwd, tds=tds | {"purchase_amount": 12_344}),
    ]
    assert [broken(section) for section in judge(events)] == [{}, {"TDS14": "MEDIUM"}]
