"""Fraud reports of the contract (`label.v1`) as reports on an event that months are counted by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scoring.contract.authorization import Network
from scoring.contract.codes import ChannelCode, NetworkCode
from scoring.contract.label import FraudReport
from scoring.decode.columns import ms_of
from scoring.merchants.months.calendar import day_of
from scoring.merchants.months.claims import UNKNOWN, Report, Says
from scoring.merchants.months.columns import Origin
from scoring.reference.report_codes import ReportCode, report_codes
from scoring.reference.table import DatedTable

_NETWORK_OF: Final[Mapping[str, Network]] = MappingProxyType({"TC40": "visa", "FLD": "mastercard"})
_BY_LABEL: Final[Mapping[str, Says]] = MappingProxyType(
    {
        "FRAUD": Says.STANDS,
        "MERCHANT_FRAUD": Says.STANDS,
        "FIRST_PARTY": Says.TAKEN_BACK,
        "LEGIT": Says.TAKEN_BACK,
    }
)


_NETWORKS: Final[Mapping[int, Network]] = MappingProxyType(
    {
        NetworkCode.VISA: "visa",
        NetworkCode.MASTERCARD: "mastercard",
        NetworkCode.JCB: "jcb",
        NetworkCode.AMEX: "amex",
        NetworkCode.DINERS: "diners",
        NetworkCode.DISCOVER: "discover",
        NetworkCode.UNIONPAY: "unionpay",
        NetworkCode.OTHER: "other",
    }
)


def network_of(code: int) -> Network | None:
    """Return the network of a code, None for UNKNOWN."""
    return _NETWORKS.get(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Hold what is known of the payment that a report speaks of; amount and time are -1 where they are not.

    `account`: the key of the member's account, 0 where none that is older than 30 days paid with a card on file.
    """

    network: Network | None = None
    channel: ChannelCode = ChannelCode.UNKNOWN
    amount_jpy: int = UNKNOWN
    event_ms: int = UNKNOWN
    account: int = 0


NOTHING_KNOWN: Final = Payment()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRead:
    """Hold what a label says.

    `reports` is empty where it says nothing that counts (`is_unread`). `is_channel_unknown`: neither its code nor the
    payment tells whether the card was present, so the schemes' columns without the card do not count it.
    """

    reports: tuple[Report, ...] = ()
    is_unread: bool = False
    is_channel_unknown: bool = False


def read_label(
    label: FraudReport, event: int, merchant: int, codes: DatedTable[ReportCode], day: date, payment: Payment
) -> LabelRead:
    """Read a label. `event` and `merchant` are its keys, `day` is that of its receipt in Tokyo.

    A label LEGIT or FIRST_PARTY takes back what its source said before. A chargeback that is no fraud by its label, or
    of which nobody says, still is a dispute. A fraud report of the schemes that is suspected only, or of which the
    label says nothing, is not counted.
    """
    network = payment.network or _NETWORK_OF.get(label.source)
    code = None if network is None else _code(codes, label, network, day)
    told = _told(label, code)
    channel = _without_card(code, payment)
    reports = tuple(
        Report(
            event=event,
            merchant=merchant,
            origin=origin,
            says=says,
            received_ms=ms_of(label.received_ts),
            network=NetworkCode.UNKNOWN if network is None else NetworkCode[network.upper()],
            cnp=bool(channel),
            amount_jpy=payment.amount_jpy if label.amount_jpy is None else label.amount_jpy,
            event_ms=payment.event_ms,
            acquirer_id=label.acquirer_id.encode(),
            merchant_id=label.merchant_id.encode(),
        )
        for origin, says in told
    )
    return LabelRead(reports=reports, is_unread=not told, is_channel_unknown=bool(told) and channel is None)


def reports_of(labels: Sequence[FraudReport], keys: NDArray[np.uint64], taken: NDArray[np.bool_]) -> Iterator[Report]:
    """Read the labels that are `taken`, bool[n]; `keys` uint64[n, 2] are those of their events and merchants.

    Of their payments nothing is known: a label without an amount counts as a fraud without one.
    """
    codes = report_codes()
    for label, (event, merchant), is_taken in zip(labels, keys.tolist(), taken.tolist(), strict=True):
        if is_taken:
            day = day_of(ms_of(label.received_ts))
            yield from read_label(label, event, merchant, codes, day, NOTHING_KNOWN).reports


def _code(codes: DatedTable[ReportCode], label: FraudReport, network: Network, day: date) -> ReportCode | None:
    """Find a code's row: its own, or that of the part before its point."""
    if label.code is None:
        return None
    whole = codes.find((label.source, network, label.code), day)
    return whole or codes.find((label.source, network, label.code.partition(".")[0]), day)


def _told(label: FraudReport, code: ReportCode | None) -> tuple[tuple[Origin, Says], ...]:
    says = _BY_LABEL.get(label.label)
    if label.source == "CHARGEBACK":
        return _disputed(label.label, says, code)
    if says is None or (says is Says.STANDS and code is not None and code.kind == "SUSPECTED"):
        return ()
    return ((Origin.NETWORK if label.source in _NETWORK_OF else Origin.OTHER, says),)


def _disputed(word: str, says: Says | None, code: ReportCode | None) -> tuple[tuple[Origin, Says], ...]:
    if says is Says.STANDS:
        return ((Origin.FRAUD_DISPUTE, Says.STANDS),)
    if word == "LEGIT":
        return ((Origin.FRAUD_DISPUTE, Says.TAKEN_BACK), (Origin.OTHER_DISPUTE, Says.TAKEN_BACK))
    if word == "FIRST_PARTY":
        return ((Origin.FRAUD_DISPUTE, Says.TAKEN_BACK), (Origin.OTHER_DISPUTE, Says.STANDS))
    is_fraud = code is not None and code.kind == "FRAUD"
    return ((Origin.FRAUD_DISPUTE if is_fraud else Origin.OTHER_DISPUTE, Says.STANDS),)


def _without_card(code: ReportCode | None, payment: Payment) -> bool | None:
    """Say whether the card was not present; the payment itself knows best. None: nobody told."""
    if payment.channel in (ChannelCode.ECOM, ChannelCode.MOTO):
        return True
    if payment.channel == ChannelCode.CARD_PRESENT:
        return False
    return None if code is None or code.card_present is None else not code.card_present
