"""Response codes of events: their class on the day of the event, and the count of codes that are in no list."""

from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.authorization import Network
from scoring.contract.codes import OutcomeClass
from scoring.decode import Col, DecodeLimits, decode, decode_outcomes
from scoring.reference.response_codes import ResponseCode, answers_of
from scoring.reference.table import table_from
from tests.events import event, outcome_of
from tests.reference.test_response_codes import CODES, SWITCHES

LIMITS = DecodeLimits()
NETWORKS = get_args(Network)


def of(code: str | None, network: str = "visa", **changes: Any) -> bytes:
    outcome = {"phase": "POST_AUTH", "approved": None, "response_code": code} | changes.pop("outcome", {})
    return orjson.dumps(event(card={"network": network}, outcome=outcome, **changes))


def listed(network: str, code: str) -> str:
    lists = (SWITCHES.get(network, "ISO"), "ISO", "DOMESTIC")
    return next((CODES[name, code][0] for name in lists if (name, code) in CODES), "UNKNOWN")


def classes(values: list[bytes], limits: DecodeLimits = LIMITS) -> list[str]:
    decoded = decode(values, limits)
    assert decoded.rejects == []
    return [OutcomeClass(code).name for code in decoded.ints[:, Col.OUTCOME].tolist()]


@pytest.mark.parametrize("network", NETWORKS)
def test_an_event_has_the_class_of_its_code(network: str) -> None:
    letters = "0123456789ACGNPRZ"
    codes = [a + b for a in letters for b in letters] + sorted({code for _, code in CODES}) + ["G99", "ZZZ"]
    values = [of(code, network) for code in codes]
    assert classes(values) == [listed(network, code) for code in codes]
    unlisted = sum(listed(network, code) == "UNKNOWN" for code in codes)
    assert unlisted > 100
    assert decode(values, LIMITS).unlisted == {network: unlisted}


@pytest.mark.parametrize("code", ["", " ", "  ", "\t", None])
def test_a_missing_or_blank_code_has_no_class_and_is_not_counted(code: str | None) -> None:
    assert classes([of(code)]) == ["UNKNOWN"]
    assert decode([of(code)], LIMITS).unlisted == {}


@pytest.mark.parametrize(
    "code", ["0", "5", "000", "0000", "05 ", " 05", "n7", "g65", "\u0665\u0661", "00000000", "@1", "1:"]
)
def test_a_text_that_resembles_a_code_has_no_class(code: str) -> None:
    assert classes([of(code)]) == ["UNKNOWN"]
    assert decode([of(code)], LIMITS).unlisted == {"visa": 1}


def test_the_class_of_the_event_comes_first_and_the_flag_of_approval_last() -> None:
    told = of("ZZ", outcome={"normalised": "STOP"})
    approved, declined = (of("ZZ", outcome={"approved": flag}) for flag in (True, False))
    assert classes([told, approved, declined]) == ["STOP", "APPROVED", "GENERIC"]
    assert decode([told], LIMITS).unlisted == {}
    assert decode([approved, declined], LIMITS).unlisted == {"visa": 2}
    assert classes([of("51", outcome={"approved": True})]) == ["FUNDS"]


def test_before_the_issuers_answer_a_missing_code_is_not_counted() -> None:
    asked = of("ZZ", outcome={"phase": "PRE_AUTH"})
    assert decode([asked], LIMITS).unlisted == {}


def test_outcomes_and_events_that_msgspec_reads_are_counted_too() -> None:
    spelt = of("Z1", "jcb", merchant={"id": "m/1"}).replace(b"m/1", b"m\\/1")
    decoded = decode([spelt, of("00"), b"{", spelt, of("Z2")], LIMITS)
    assert decoded.spelt == {0, 2}
    assert decoded.unlisted == {"visa": 1, "jcb": 2}
    told = [outcome_of(of(code, network)) for code, network in (("Z1", "jcb"), ("00", "jcb"), ("Z2", "amex"))]
    assert decode_outcomes(told, LIMITS).unlisted == {"jcb": 1, "amex": 1}
    assert decode([of("Z1"), b"{"], LIMITS).unlisted == {"visa": 1}


def test_codes_of_refused_events_are_not_counted() -> None:
    assert decode([of("Z1", amount={"exponent": 2})], LIMITS).unlisted == {}


ROWS = [
    {"switch": "ISO", "codes": ["83"], "outcome": "FRAUD", "effective_from": "2020-01-01", "source": ["DES"]},
    {"switch": "VISA", "codes": ["83"], "outcome": "HARD", "effective_from": "2026-05-02", "source": ["DES"]},
    {
        **{"switch": "JCB", "codes": ["83"], "outcome": "STOP", "source": ["DES"]},
        **{"effective_from": "2026-04-30", "effective_to": "2026-05-01"},
    },
]
CHANGING = DecodeLimits(answers=answers_of(table_from({"title": "Codes", "rows": ROWS}, ResponseCode, "codes.yaml")))
TIMES = {  # classes at Visa, JCB and American Express
    "2019-12-31T14:59:59.999Z": ("UNKNOWN", "UNKNOWN", "UNKNOWN"),
    "2019-12-31T15:00:00.000Z": ("FRAUD", "FRAUD", "FRAUD"),
    "2026-04-29T14:59:59.999Z": ("FRAUD", "FRAUD", "FRAUD"),
    "2026-04-29T15:00:00.000Z": ("FRAUD", "STOP", "FRAUD"),
    "2026-05-01T14:59:59.999Z": ("FRAUD", "STOP", "FRAUD"),
    "2026-05-01T23:59:59.999+09:00": ("FRAUD", "STOP", "FRAUD"),
    "2026-05-02T00:00:00.000+09:00": ("HARD", "FRAUD", "FRAUD"),
    "2026-05-01T15:00:00.000Z": ("HARD", "FRAUD", "FRAUD"),
}


@given(st.permutations([(time, place) for time in TIMES for place in range(3)]))
def test_one_batch_may_hold_events_of_days_on_both_sides_of_a_change(order: list[tuple[str, int]]) -> None:
    values = [of("83", ("visa", "jcb", "amex")[place], event_ts=time) for time, place in order]
    expected = [TIMES[time][place] for time, place in order]
    assert classes(values, CHANGING) == expected
    assert decode(values, CHANGING).unlisted == {"visa": 1, "jcb": 1, "amex": 1}
