"""Tables of the contract for kernels: every key, its type and bounds, and the column of its value.

Types and bounds come from the records themselves (`scoring.contract.authorization`). Only the meaning of each field is
written here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec import inspect
from numpy.typing import NDArray

from scoring.contract.authorization import Authorization
from scoring.contract.threeds_codes import UNKNOWN_EXEMPTION, UNREADABLE_ECI, WALLET
from scoring.decode.columns import Col
from scoring.decode.read.codes import STRICT, Vocabulary

TEXT: Final = 0
WHOLE: Final = 1
FLAG: Final = 2
TIME: Final = 3
OBJECT: Final = 4

NOTHING: Final = 0  # forms: how a text is read
CODE: Final = 1  # a word of a vocabulary
PREFIX: Final = 2  # its first two characters are a word of a vocabulary
GIVEN: Final = 3  # 1 unless it is empty
DIGITS: Final = 4  # digits, with a mark of 1 if it has other characters
CATEGORY: Final = 5  # four digits; -1 for other texts
IDENTIFIER: Final = 6  # IdForm

KIND: Final = 0  # columns of `TABLE`
CHILD: Final = 1  # node of an object
LEAST: Final = 2  # characters of a text, or value of a whole number
MOST: Final = 3
NULLABLE: Final = 4
REQUIRED: Final = 5
FORM: Final = 6
COLUMN: Final = 7  # of the row, -1 for none
VOCABULARY: Final = 8
DEFAULT: Final = 9  # for a word that the vocabulary lacks
SPAN: Final = 10  # of `Span`, -1 for none
_TABLE_COLUMNS: Final = 11

DEPTH: Final = 4
"""Levels of objects that the contract has, and room to spare."""


class Scratch(IntEnum):
    """Columns of a row after those of `Col`: values that are needed until the row is finished."""

    JPY = len(Col)  # -1 unknown
    MONEY = len(Col) + 1  # currency's number by 8, and its exponent; -1 unknown
    NORMALISED = len(Col) + 2  # OutcomeClass, 0 unknown
    APPROVED = len(Col) + 3  # tri-state
    BIN_ODD = len(Col) + 4
    LAST4_ODD = len(Col) + 5


ROOM: Final = len(Col) + len(Scratch)
"""Columns of a row while it is made."""


class Span(IntEnum):
    """Texts that are kept as they are: first the names of the event and its entities, in their order."""

    EVENT_ID = 0
    ACQUIRER = 1
    CARD = 2
    MERCHANT = 3
    BIN = 4
    DEVICE = 5
    NET = 6
    ACCOUNT = 7
    ADDRESS = 8
    RESPONSE_CODE = 9
    CAVV = 10
    DS_TRANS_ID = 11
    ORDER = 12
    EMAIL = 13
    PREFIX = 14


SPANS: Final = len(Span)


class Meaning(NamedTuple):
    """The column and form of a field."""

    column: int = -1
    form: int = NOTHING
    vocabulary: Vocabulary = Vocabulary.NONE
    default: int = 0
    span: int = -1


def _code(column: int, vocabulary: Vocabulary, default: int = 0) -> Meaning:
    return Meaning(column, CODE, vocabulary, default)


_MEANINGS: Final[dict[str, Meaning]] = {
    "schema_version": _code(-1, Vocabulary.SCHEMA, STRICT),
    "event_id": Meaning(span=Span.EVENT_ID),
    "event_ts": Meaning(Col.EVENT_MS),
    "acquirer.id": Meaning(span=Span.ACQUIRER),
    "merchant.id": Meaning(span=Span.MERCHANT),
    "merchant.mcc": Meaning(Col.MCC, CATEGORY),
    "merchant.country": _code(Col.MERCHANT_COUNTRY, Vocabulary.COUNTRY),
    "card.pan_hmac": Meaning(span=Span.CARD),
    "card.network": _code(Col.NETWORK, Vocabulary.NETWORK, STRICT),
    "card.bin": Meaning(Scratch.BIN_ODD, DIGITS, span=Span.BIN),
    "card.last4": Meaning(Scratch.LAST4_ODD, DIGITS),
    "card.issuer_country": _code(Col.ISSUER_COUNTRY, Vocabulary.COUNTRY),
    "card.funding": _code(Col.FUNDING, Vocabulary.FUNDING, STRICT),
    "txn.type": _code(Col.TXN_TYPE, Vocabulary.TXN_TYPE, STRICT),
    "txn.channel": _code(Col.CHANNEL, Vocabulary.CHANNEL, STRICT),
    "txn.initiator": _code(Col.INITIATOR, Vocabulary.INITIATOR, STRICT),
    "txn.recurring": Meaning(Col.RECURRING),
    "txn.order_ref_hmac": Meaning(span=Span.ORDER),
    "txn.wallet": _code(Col.WALLET, Vocabulary.WALLET, WALLET),
    "txn.wallet_kind": _code(Col.WALLET_KIND, Vocabulary.WALLET_KIND, STRICT),
    "amount.minor": Meaning(Col.AMOUNT_MINOR),
    "amount.currency": _code(Scratch.MONEY, Vocabulary.CURRENCY, -1),
    "amount.exponent": Meaning(Col.EXPONENT),
    "amount.jpy": Meaning(Scratch.JPY),
    "outcome.phase": _code(Col.PHASE, Vocabulary.PHASE, STRICT),
    "outcome.approved": Meaning(Scratch.APPROVED),
    "outcome.response_code": Meaning(span=Span.RESPONSE_CODE),
    "outcome.normalised": _code(Scratch.NORMALISED, Vocabulary.OUTCOME, STRICT),
    "pos.entry_mode": Meaning(Col.ENTRY_MODE, PREFIX, Vocabulary.ENTRY_MODE, -1),
    "checks.avs": _code(Col.AVS, Vocabulary.AVS),
    "checks.cvv2": _code(Col.CVV2, Vocabulary.CVV2),
    "checks.cavv": _code(Col.CAVV_RESULT, Vocabulary.CAVV),
    "tds.performed": Meaning(Col.TDS_PERFORMED),
    "tds.version": _code(Col.TDS_VERSION, Vocabulary.TDS_VERSION),
    "tds.trans_status": _code(Col.TRANS_STATUS, Vocabulary.TRANS_STATUS),
    "tds.trans_status_reason": _code(Col.TRANS_STATUS_REASON, Vocabulary.REASON, -1),
    "tds.eci": _code(Col.ECI, Vocabulary.ECI, UNREADABLE_ECI),
    "tds.cavv_hmac": Meaning(Col.HAS_CAVV, GIVEN, span=Span.CAVV),
    "tds.ds_trans_id": Meaning(Col.DS_TRANS_ID, IDENTIFIER, span=Span.DS_TRANS_ID),
    "tds.auth_type": _code(Col.AUTH_TYPE, Vocabulary.AUTH_TYPE, -1),
    "tds.auth_method": _code(Col.AUTH_METHOD, Vocabulary.AUTH_METHOD, -1),
    "tds.challenge_ind": _code(Col.CHALLENGE_IND, Vocabulary.CHALLENGE_IND, -1),
    "tds.challenge_cancel": _code(Col.CHALLENGE_CANCEL, Vocabulary.CHALLENGE_CANCEL, -1),
    "tds.device_channel": _code(Col.DEVICE_CHANNEL, Vocabulary.DEVICE_CHANNEL, -1),
    "tds.exempt_reason": _code(Col.EXEMPT, Vocabulary.EXEMPTION, UNKNOWN_EXEMPTION),
    "tds.trust_list": _code(Col.TRUST_LIST, Vocabulary.TRUST_LIST),
    "tds.auth_ts": Meaning(Col.AUTH_MS),
    "tds.purchase_amount": Meaning(Col.PURCHASE_AMOUNT),
    "tds.purchase_currency": _code(Col.PURCHASE_CURRENCY, Vocabulary.CURRENCY_NUMBER),
    "tds.purchase_exponent": Meaning(Col.PURCHASE_EXPONENT),
    "tds.eci_response": _code(Col.ECI_RESPONSE, Vocabulary.ECI, UNREADABLE_ECI),
    "tds.cavv_wellformed": Meaning(Col.CAVV_WELLFORMED),
    "tds.message_category": _code(Col.MESSAGE_CATEGORY, Vocabulary.MESSAGE_CATEGORY, -1),
    "tds.requestor_auth_ind": _code(Col.REQUESTOR_AUTH_IND, Vocabulary.REQUESTOR_AUTH_IND, -1),
    "tds.three_ri_ind": _code(Col.THREE_RI_IND, Vocabulary.THREE_RI_IND, -1),
    "tds.challenge_exemption": _code(Col.CHALLENGE_EXEMPTION, Vocabulary.CHALLENGE_EXEMPTION, -1),
    "tds.trust_list_source": _code(Col.TRUST_LIST_SOURCE, Vocabulary.TRUST_LIST_SOURCE, -1),
    "tds.results_status": _code(Col.RESULTS_STATUS, Vocabulary.RESULTS_STATUS, -1),
    "device.fp_hmac": Meaning(span=Span.DEVICE),
    "net.ip_hmac": Meaning(span=Span.NET),
    "net.ip_prefix24_hmac": Meaning(span=Span.PREFIX),
    "net.ip_country": _code(Col.IP_COUNTRY, Vocabulary.COUNTRY),
    "net.proxy": Meaning(Col.PROXY),
    "shopper.account_hmac": Meaning(span=Span.ACCOUNT),
    "shopper.email_hmac": Meaning(span=Span.EMAIL),
    "shopper.account_age_ind": _code(Col.ACCOUNT_AGE, Vocabulary.ACCOUNT_AGE, -1),
    "shopper.account_change_ind": _code(Col.ACCOUNT_CHANGE, Vocabulary.ACCOUNT_CHANGE, -1),
    "shopper.password_change_ind": _code(Col.PASSWORD_CHANGE, Vocabulary.PASSWORD_CHANGE, -1),
    "shopper.suspicious_activity": _code(Col.SUSPICIOUS, Vocabulary.SUSPICIOUS, -1),
    "ship.addr_hmac": Meaning(span=Span.ADDRESS),
    "ship.country": _code(Col.SHIP_COUNTRY, Vocabulary.COUNTRY),
    "ship.is_forwarder": Meaning(Col.FORWARDER),
    "ship.usage_ind": _code(Col.ADDRESS_USAGE, Vocabulary.ADDRESS_USAGE, -1),
    "credential.stored": Meaning(Col.STORED),
    "credential.registered_at": Meaning(Col.REGISTERED_MS),
    "credential.registration_tds_ref": Meaning(Col.HAS_REGISTRATION_TDS, GIVEN),
}

_ABSENT: Final = (
    Col.RECURRING,
    Col.STORED,
    Col.WALLET,
    Col.ENTRY_MODE,
    Col.TDS_PERFORMED,
    Col.TRANS_STATUS_REASON,
    Col.ECI,
    Col.AUTH_TYPE,
    Col.AUTH_METHOD,
    Col.CHALLENGE_IND,
    Col.CHALLENGE_CANCEL,
    Col.DEVICE_CHANNEL,
    Col.AUTH_MS,
    Col.PURCHASE_AMOUNT,
    Col.PROXY,
    Col.ACCOUNT_AGE,
    Col.FORWARDER,
    Col.REGISTERED_MS,
    Col.PURCHASE_EXPONENT,
    Col.ECI_RESPONSE,
    Col.CAVV_WELLFORMED,
    Col.MESSAGE_CATEGORY,
    Col.REQUESTOR_AUTH_IND,
    Col.THREE_RI_IND,
    Col.CHALLENGE_EXEMPTION,
    Col.TRUST_LIST_SOURCE,
    Col.RESULTS_STATUS,
    Col.ACCOUNT_CHANGE,
    Col.PASSWORD_CHANGE,
    Col.SUSPICIOUS,
    Col.ADDRESS_USAGE,
    Scratch.JPY,
    Scratch.MONEY,
    Scratch.APPROVED,
)
"""Columns that are -1 where the event has no value; all others are 0."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the contract: `path` from the root, `node` the object it stands in."""

    path: tuple[str, ...]
    node: int
    kind: int
    child: int
    least: int
    most: int
    nullable: bool
    required: bool


def _walk(struct: inspect.StructType, path: tuple[str, ...], nodes: list[int]) -> Iterator[Field]:
    node = len(nodes)
    nodes.append(sum(field.required for field in struct.fields))
    for field in struct.fields:
        types = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
        here, nullable = (*path, field.encode_name), any(isinstance(kind, inspect.NoneType) for kind in types)
        kind, least, most = _bounds(types[0])
        child = len(nodes) if kind == OBJECT else -1
        yield Field(here, node, kind, child, least, most, nullable, field.required)
        if isinstance(types[0], inspect.StructType):
            yield from _walk(types[0], here, nodes)


def _bounds(kind: inspect.Type) -> tuple[int, int, int]:
    match kind:
        case inspect.StructType():
            return OBJECT, 0, 0
        case inspect.StrType(min_length=least, max_length=most) if most is not None:
            return TEXT, least or 0, most
        case inspect.LiteralType():
            return TEXT, 0, 64  # the vocabulary decides
        case inspect.IntType(ge=least, le=most) if least is not None and most is not None:
            return WHOLE, least, most
        case inspect.BoolType():
            return FLAG, 0, 0
        case inspect.DateTimeType(tz=True):
            return TIME, 0, 0
    raise AssertionError(f"the kernels do not know {kind}")


def _fields() -> tuple[tuple[Field, ...], NDArray[np.int64]]:
    root = msgspec.inspect.type_info(Authorization)
    assert isinstance(root, inspect.StructType)
    nodes: list[int] = []
    return tuple(_walk(root, (), nodes)), np.array(nodes, dtype=np.int64)


FIELDS, REQUIRED_OF = _fields()
"""Every field of the contract; and int64[nodes], the number of required fields of an object."""


def _table() -> NDArray[np.int64]:
    known = {".".join(field.path) for field in FIELDS}
    assert known >= set(_MEANINGS), set(_MEANINGS) - known
    table = np.empty((len(FIELDS), _TABLE_COLUMNS), dtype=np.int64)
    for row, field in zip(table, FIELDS, strict=True):
        means = _MEANINGS.get(".".join(field.path), Meaning())
        row[[KIND, CHILD, LEAST, MOST]] = field.kind, field.child, field.least, field.most
        row[[NULLABLE, REQUIRED]] = field.nullable, field.required
        row[[FORM, COLUMN, VOCABULARY, DEFAULT, SPAN]] = (
            means.form,
            means.column,
            means.vocabulary,
            means.default,
            means.span,
        )
    return table


def _blank() -> NDArray[np.int64]:
    row = np.zeros(ROOM, dtype=np.int64)
    row[list(_ABSENT)] = -1
    return row


TABLE: Final = _table()
"""int64[fields, 11]."""
BLANK: Final = _blank()
"""int64[ROOM]: the row of an event without values."""

KEYS_FROM: Final = 64
"""Space of the keys of node 0 in the lexicon; each next node has the next one. Vocabularies have the spaces before."""


class Slate(NamedTuple):
    """Input of the kernels, and their output for the current record.

    `data` uint8[...]. `row` int64[ROOM]. `spans` int64[SPANS, 2], -1 absent. `seen` int64[fields]: twice the number of
    the last record that had the field, plus 1 if the survey saw it. `notes`: of unknown keys, see `oddities`.
    """

    data: NDArray[np.uint8]
    row: NDArray[np.int64]
    spans: NDArray[np.int64]
    seen: NDArray[np.int64]
    notes: NDArray[np.int64]
