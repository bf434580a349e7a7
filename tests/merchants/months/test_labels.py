"""A label of the contract becomes reports on its event: by its word, its source and its code."""

from datetime import UTC, date, datetime
from itertools import product
from typing import Any, get_args

import pytest

from scoring.contract.codes import ChannelCode, NetworkCode
from scoring.contract.label import FraudReport, Label, Source
from scoring.merchants.months import calendar
from scoring.merchants.months.columns import MonthCol
from scoring.merchants.months.labels import NOTHING_KNOWN, LabelRead, Payment, read_label
from scoring.merchants.months.store import MerchantMonths, MonthLimits
from scoring.reference.report_codes import ReportCode
from scoring.reference.table import shipped_table

CODES = shipped_table("report_codes", ReportCode)
DAY = date(2026, 11, 27)
RECEIVED = datetime(2026, 11, 27, 3, 4, 5, 678_000, tzinfo=UTC)

_REPORTS = """
TC40 visa FRAUD any 0 1 2 3 5 B C D              | UNV
TC40 visa FRAUD present 4 9                      | UNV
TC40 visa FRAUD absent 6                         | UNV
FLD mastercard FRAUD any 00 01 02 03 05 51 55 56 | D29
FLD mastercard FRAUD present 04                  | D29
FLD mastercard FRAUD absent 06                   | D29
FLD mastercard FIRST_PARTY any 57                | D29
FLD mastercard SUSPECTED any 08 10 54            | D30
CHARGEBACK visa FRAUD present 10.1 10.2 10.3     | D28
CHARGEBACK visa FRAUD absent 10.4                | D28
CHARGEBACK visa FRAUD any 10.5                   | D28
CHARGEBACK visa OTHER any 11 12 13               | D28
CHARGEBACK mastercard FRAUD any 4837 4863 4840 4849 | D28 D31
CHARGEBACK mastercard FRAUD present 4870 4871    | D28 D31
CHARGEBACK jcb FRAUD any 546 534                 | W43
CHARGEBACK jcb FRAUD present 548 526 527         | W43
CHARGEBACK amex FRAUD absent F29                 | D27
CHARGEBACK amex FRAUD any FR2 4540 193           | D27
CHARGEBACK amex OTHER any 127 177                | D27
CHARGEBACK discover FRAUD absent UA02            | UNV
CHARGEBACK discover FRAUD absent 7030            | D32
CHARGEBACK discover FRAUD present 7010           | D32
CHARGEBACK diners FRAUD absent UA02              | UNV
CHARGEBACK diners FRAUD absent 7030              | D32
CHARGEBACK diners FRAUD present 7010             | D32
"""
REPORTS = {
    (report, network, code): (kind, {"any": None, "present": True, "absent": False}[card], line.split("|")[1].strip())
    for line in _REPORTS.split("\n")[1:-1]
    for report, network, kind, card, *codes in [line.split("|")[0].split()]
    for code in codes
}


def label(**fields: Any) -> FraudReport:
    plain = {
        "label_id": "l1",
        "event_id": "e1",
        "acquirer_id": "a",
        "merchant_id": "m",
        "pan_hmac": "p",
        "label": "FRAUD",
        "source": "TC40",
        "received_ts": RECEIVED,
    }
    return FraudReport(**(plain | fields))


def told(found: FraudReport, payment: Payment = NOTHING_KNOWN) -> list[str]:
    read = read_label(found, 7, 8, CODES, DAY, payment)
    assert read.is_unread == (not read.reports)
    return [f"{report.origin.name} {report.says.name}" for report in read.reports]


def oracle(word: str, source: str, kind: str | None) -> list[str]:
    """What the label record's own rules, and those of the schemes, say."""
    if source == "CHARGEBACK":
        return {
            "FRAUD": ["FRAUD_DISPUTE STANDS"],
            "MERCHANT_FRAUD": ["FRAUD_DISPUTE STANDS"],
            "LEGIT": ["FRAUD_DISPUTE TAKEN_BACK", "OTHER_DISPUTE TAKEN_BACK"],
            "FIRST_PARTY": ["FRAUD_DISPUTE TAKEN_BACK", "OTHER_DISPUTE STANDS"],
            "UNKNOWN": ["FRAUD_DISPUTE STANDS" if kind == "FRAUD" else "OTHER_DISPUTE STANDS"],
        }[word]
    origin = "NETWORK" if source in {"TC40", "FLD"} else "OTHER"
    if word == "UNKNOWN" or (word in {"FRAUD", "MERCHANT_FRAUD"} and kind == "SUSPECTED"):
        return []
    return [f"{origin} {'TAKEN_BACK' if word in {'LEGIT', 'FIRST_PARTY'} else 'STANDS'}"]


@pytest.mark.parametrize("source", get_args(Source))
def test_a_label_says_what_its_word_source_and_code_say(source: str) -> None:
    codes = {(network, code): kind for (of, network, code), (kind, _, _) in REPORTS.items() if of == source}
    known = [(network, code, kind) for (network, code), kind in codes.items()]
    for word, (network, code, kind) in product(get_args(Label), [*known, ("visa", "Z9", None), ("visa", None, None)]):
        found = told(label(label=word, source=source, code=code), Payment(network=network))
        assert found == oracle(word, source, kind), (word, source, code)


def test_a_code_below_another_is_found_by_the_part_before_its_point() -> None:
    unsaid = {"label": "UNKNOWN", "source": "CHARGEBACK"}
    visa = Payment(network="visa")
    assert told(label(**unsaid, code="13.1"), visa) == ["OTHER_DISPUTE STANDS"]
    assert told(label(**unsaid, code="10.4"), visa) == ["FRAUD_DISPUTE STANDS"]
    assert told(label(**unsaid, code="10.9"), visa) == ["OTHER_DISPUTE STANDS"]
    assert told(label(**unsaid, code="10.4"), Payment(network="jcb")) == ["OTHER_DISPUTE STANDS"]
    assert told(label(**unsaid, code="10.4")) == ["OTHER_DISPUTE STANDS"]  # of no network
    assert told(label(**unsaid, code="546.9"), Payment(network="jcb")) == ["FRAUD_DISPUTE STANDS"]


def test_keys_times_and_amounts_go_with_a_report_and_the_payment_fills_what_it_lacks() -> None:
    payment = Payment(network="jcb", channel=ChannelCode.ECOM, amount_jpy=900, event_ms=55)
    for given, amount in ((700, 700), (0, 0), (None, 900)):
        (report,) = read_label(label(amount_jpy=given), 7, 8, CODES, DAY, payment).reports
        assert (report.event, report.merchant, report.amount_jpy, report.event_ms) == (7, 8, amount, 55)
        assert report.received_ms == int(RECEIVED.timestamp() * 1000)
        assert report.network is NetworkCode.JCB
    (report,) = read_label(label(), 7, 8, CODES, DAY, NOTHING_KNOWN).reports
    assert (report.amount_jpy, report.event_ms, report.network) == (-1, -1, NetworkCode.VISA)


@pytest.mark.parametrize(("source", "network"), [("TC40", "VISA"), ("FLD", "MASTERCARD"), ("ISSUER", "UNKNOWN")])
def test_a_report_of_a_scheme_names_its_network(source: str, network: str) -> None:
    (report,) = read_label(label(source=source), 7, 8, CODES, DAY, NOTHING_KNOWN).reports
    assert report.network.name == network


@pytest.mark.parametrize(
    ("channel", "code", "cnp", "is_unknown"),
    [
        ("ECOM", "4", True, False),
        ("MOTO", None, True, False),
        ("CARD_PRESENT", "6", False, False),
        ("UNKNOWN", "6", True, False),
        ("UNKNOWN", "4", False, False),
        ("OTHER", "1", False, True),
        ("UNKNOWN", None, False, True),
        ("UNKNOWN", "Z", False, True),
    ],
)
def test_whether_the_card_was_present_is_told_by_the_payment_then_by_the_code_and_never_guessed(
    channel: str, code: str | None, cnp: bool, is_unknown: bool
) -> None:
    read = read_label(label(code=code), 7, 8, CODES, DAY, Payment(channel=ChannelCode[channel]))
    assert (read.reports[0].cnp, read.is_channel_unknown) == (cnp, is_unknown)
    assert (LabelRead().is_unread, LabelRead().is_channel_unknown) == (False, False)
    unread = read_label(label(label="UNKNOWN"), 7, 8, CODES, DAY, NOTHING_KNOWN)
    assert (unread.is_unread, unread.is_channel_unknown) == (True, False)


def test_a_dispute_that_is_relabelled_stays_one_dispute() -> None:
    store, number = MerchantMonths(MonthLimits()), calendar.month_of_day(DAY)
    payment = Payment(network="visa", channel=ChannelCode.ECOM)
    for word in ("FRAUD", "FIRST_PARTY", "UNKNOWN", "LEGIT"):
        said = label(source="CHARGEBACK", label=word, amount_jpy=5)
        store.take_reports(0, read_label(said, 7, 8, CODES, DAY, payment).reports)
        figures = store.figures(8, number)
        assert (figures[MonthCol.VISA_DISPUTE_N], figures[MonthCol.VISA_ITEMS_JPY]) == (1, 5)
        assert figures[MonthCol.FRAUD_N] == (word == "FRAUD")
