"""The variables of rules: fields of the payment, every model input, the score, 3-D Secure, and the merchant."""

from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, get_args

from scoring.contract import authorization as contract
from scoring.contract import codes
from scoring.contract.currencies import CURRENCIES
from scoring.contract.merchant import FraudStatus
from scoring.contract.threeds_codes import TRANS_STATUSES
from scoring.decode import Col
from scoring.decode.columns import COUNTRIES
from scoring.features.all import FEATURES
from scoring.merchants.store import TDS_MODES, MerchantCol
from scoring.reference.threeds import reference
from scoring.threeds import columns as verdict

Kind = Literal["bool", "int", "double", "string", "list"]

KNOWN: Final = "known."
"""`known.` before the name of a variable is a variable too: whether that one has a value."""


class Source(IntEnum):
    """Where the values of a variable are: a matrix of the batch, or a column of its own."""

    FEATURES = 0
    EVENT = 1
    VERDICT = 2
    MERCHANT = 3
    MERCHANT_ROW = 4
    SCORE = 5
    STANDING = 6


class Variable(NamedTuple):
    """One variable. An int below `least` is unknown. `words`: code to word of a string, bit to word of a list.

    A code without a word is unknown. A bool is 1 or 0; another code is unknown.
    """

    name: str
    kind: Kind
    source: Source
    column: int
    doc: str
    least: int = 0
    words: Mapping[int, str] = MappingProxyType({})


@cache
def variables() -> Mapping[str, Variable]:
    """Return every variable by name."""
    listed = [*_payment(), *_tds(), *_merchant(), *_score(), *_features()]
    found = {each.name: each for each in listed}
    assert len(found) == len(listed), "two variables of one name"
    return MappingProxyType(found)


def _named(listed: Iterable[str], first: int) -> dict[int, str]:
    return {code: word for code, word in enumerate(listed, start=first) if word.lower() != "unknown"}


def _members(of: type[IntEnum]) -> dict[int, str]:
    return {int(code): code.name for code in of if code.name != "UNKNOWN"}


def _letters(letters: str) -> dict[int, str]:
    return {ord(letter): letter for letter in letters}


def _payment() -> Iterable[Variable]:
    countries = {code: name for name, code in COUNTRIES.items() if name.isupper()}
    text: list[tuple[str, Col, Mapping[int, str], str]] = [
        ("currency", Col.CURRENCY, {number: name for name, (number, _) in CURRENCIES.items()}, "currency, ISO 4217"),
        ("mcc", Col.MCC, {code: f"{code:04d}" for code in range(10_000)}, "merchant category, four digits"),
        ("merchant_country", Col.MERCHANT_COUNTRY, countries, "country of the merchant, ISO 3166-1 alpha-2"),
        ("issuer_country", Col.ISSUER_COUNTRY, countries, "country of the issuer"),
        ("ip_country", Col.IP_COUNTRY, countries, "country of the network address"),
        ("ship_country", Col.SHIP_COUNTRY, countries, "country of the delivery address"),
        ("network", Col.NETWORK, _named(get_args(contract.Network), 1), "card network"),
        ("funding", Col.FUNDING, _named(get_args(contract.Funding), 1), "funding of the card"),
        ("txn_type", Col.TXN_TYPE, _named(get_args(contract.TxnType), 1), "type of the transaction"),
        ("channel", Col.CHANNEL, _named(get_args(contract.Channel), 1), "channel"),
        ("initiator", Col.INITIATOR, _named(get_args(contract.Initiator), 1), "who initiated it"),
        ("wallet_kind", Col.WALLET_KIND, _named(get_args(contract.WalletKind), 1), "what a wallet sent"),
        ("entry_mode", Col.ENTRY_MODE, {mode: f"{mode:02d}" for mode in codes.ENTRY_MODES}, "DE 22, first two digits"),
        ("cvv2_result", Col.CVV2, _letters(codes.CVV2_RESULTS), "result of the check of the security code"),
        ("avs_result", Col.AVS, _letters(codes.AVS_RESULTS), "result of the check of the address"),
    ]
    yield Variable("payment.amount_jpy", "int", Source.EVENT, Col.AMOUNT_JPY, "amount in whole yen")
    for name, column, words, doc in text:
        yield Variable(f"payment.{name}", "string", Source.EVENT, column, doc, words=words)
    for name, column, doc in (
        ("recurring", Col.RECURRING, "one payment of a series"),
        ("card_stored", Col.STORED, "with a stored card"),
        ("proxy", Col.PROXY, "the network address is a proxy"),
        ("forwarder", Col.FORWARDER, "delivery to a forwarder"),
    ):
        yield Variable(f"payment.{name}", "bool", Source.EVENT, column, doc)


def _tds() -> Iterable[Variable]:
    for name, column, of, doc in (
        ("status", verdict.STATUS, codes.ThreeDsStatus, "status of 3-D Secure, as in the decision"),
        ("eci", verdict.ECI, codes.EciClass, "claim of the ECI of the request"),
        ("eci_response", verdict.ECI_RESPONSE, codes.EciClass, "claim of the ECI of the response"),
        ("liability", verdict.LIABILITY, codes.Liability, "liability shift"),
        ("liability_reason", verdict.LIABILITY_REASON, codes.LiabilityReason, "what decided about liability"),
        ("expected", verdict.EXPECTED, codes.Expectation, "whether 3-D Secure was due"),
        ("expected_reason", verdict.EXPECTED_REASON, codes.ExpectationReason, "what decided whether it was due"),
        ("flow", verdict.FLOW, codes.Flow, "flow of the authentication"),
        ("result", verdict.RESULT, codes.ResultState, "what the feed of results said"),
    ):
        yield Variable(f"tds.{name}", "string", Source.VERDICT, column, doc, words=_members(of))
    letters = _letters(TRANS_STATUSES)
    yield Variable("tds.trans_status", "string", Source.EVENT, Col.TRANS_STATUS, "transStatus as sent", words=letters)
    yield Variable("tds.performed", "bool", Source.EVENT, Col.TDS_PERFORMED, "the event says it was performed")
    rules = {int(rule.id.removeprefix("TDS")): rule.id for rule in reference().rules}
    yield Variable(
        "tds.broken_rules", "list", Source.VERDICT, verdict.RULES, "rules that the event breaks", words=rules
    )


def _merchant() -> Iterable[Variable]:
    yield Variable("merchant.known", "bool", Source.MERCHANT_ROW, 0, "its record is known")
    statuses = _named(get_args(FraudStatus), 0)
    modes = dict(enumerate(TDS_MODES))
    yield Variable("merchant.tds_mode", "string", Source.MERCHANT, MerchantCol.TDS_MODE, "its mode", words=modes)
    for name, source, doc in (
        ("fraud_status", Source.MERCHANT, "where its acquirer says that it stands by fraud"),
        ("standing", Source.STANDING, "where it stands by the fraud that was reported here"),
    ):
        column = MerchantCol.FRAUD_STATUS if source == Source.MERCHANT else 0
        yield Variable(f"merchant.{name}", "string", source, column, doc, words=statuses)
    yield Variable(
        "merchant.self_declared", "bool", Source.MERCHANT, MerchantCol.SELF_DECLARED, "it declared its checklist itself"
    )
    for position, item in enumerate(codes.CHECKLIST_ITEMS):
        column = MerchantCol.ITEM_FIRST + position
        words = _members(codes.ItemState)
        yield Variable(f"merchant.items.{item}", "string", Source.MERCHANT, column, "checklist item", words=words)


def _score() -> Iterable[Variable]:
    yield Variable("score", "int", Source.SCORE, 0, "score of the model, 0 to 999")


def _features() -> Iterable[Variable]:
    for column, feature in enumerate(FEATURES):
        yield Variable(feature.name, "double", Source.FEATURES, column, f"{feature.doc} ({feature.unit})")
