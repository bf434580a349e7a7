"""Closed code lists, as small integers for the kernels and as the strings of events.

Sources: ISO 8583:1987 (DE 22, DE 39), ISO 3166-1, EMV 3-D Secure 2.x, the result codes of address and security-code
checks as payment service providers publish them, the Security Checklist of Japan's Credit Card Security Guidelines.
"""

from enum import IntEnum
from typing import Final, get_args

from scoring.contract.authorization import (
    Channel,
    Funding,
    Initiator,
    Network,
    NormalisedOutcome,
    Phase,
    TxnType,
    WalletKind,
)
from scoring.contract.merchant import FraudStatus, ItemCode, ThreeDsMode


class OutcomeClass(IntEnum):
    """Class of an issuer's answer, for velocity. Response codes differ between switches, classes do not."""

    UNKNOWN = 0
    APPROVED = 1
    BAD_PAN = 2
    BAD_CRED = 3
    FUNDS = 4
    FRAUD = 5
    HARD = 6
    POLICY = 7
    TECH = 8
    GENERIC = 9
    STEP_UP = 10
    STOP = 11


class ResultState(IntEnum):
    """What the feed of results says of a claim of 3-D Secure. UNKNOWN: no feed, or nothing to find the result by."""

    UNKNOWN = 0
    MATCHED = 1
    PENDING = 2
    MISSING = 3


class NetworkCode(IntEnum):
    """Card networks: position in the contract's list, from 1."""

    UNKNOWN = 0
    VISA = 1
    MASTERCARD = 2
    JCB = 3
    AMEX = 4
    DINERS = 5
    DISCOVER = 6
    UNIONPAY = 7
    OTHER = 8


class FundingCode(IntEnum):
    """Funding of a card."""

    UNKNOWN = 0
    CREDIT = 1
    DEBIT = 2
    PREPAID = 3


class TxnTypeCode(IntEnum):
    """Type of an authorization: position in the contract's list, from 1."""

    UNKNOWN = 0
    PURCHASE = 1
    CASH = 2
    ACCOUNT_VERIFICATION = 3
    REFUND = 4
    REVERSAL = 5


class ChannelCode(IntEnum):
    """Channel of a payment: position in the contract's list, from 1."""

    UNKNOWN = 0
    ECOM = 1
    MOTO = 2
    CARD_PRESENT = 3
    OTHER = 4


class InitiatorCode(IntEnum):
    """Initiator of a payment: position in the contract's list, from 1."""

    UNKNOWN = 0
    CIT = 1
    MIT = 2


class PhaseCode(IntEnum):
    """Whether an event was published before or after the issuer's answer."""

    UNKNOWN = 0
    PRE_AUTH = 1
    POST_AUTH = 2


class TdsModeCode(IntEnum):
    """The EMV 3-D Secure mode of a merchant: position in the contract's list, from 0; -1 is unknown."""

    EVERY_PAYMENT = 0
    CARD_REGISTRATION = 1
    RECURRING_INITIAL = 2
    RISK_BASED = 3
    NONE = 4


class FraudStatusCode(IntEnum):
    """A merchant's fraud status at its acquirer: position in the contract's list, from 0; -1 is unknown."""

    NORMAL = 0
    WATCH = 1
    WARNING = 2
    ACTUALISED = 3
    MONITORED = 4


class ItemState(IntEnum):
    """State of a checklist item; -1 is unknown."""

    IN_PLACE = 0  # also an alternative, which is a legal answer
    GAP = 1
    NOT_APPLICABLE = 2


def _assert_in_order(codes: type[IntEnum], words: object, *, unknown: str | None = None) -> None:
    """Fail at import if codes are not the words of the contract's list in its order."""
    listed = [word.upper() for word in get_args(words) if word != unknown]
    named = [code.name for code in codes if code.name != "UNKNOWN"]
    assert named == listed, f"{codes.__name__}: {named} are not the contract's {listed}"
    assert [int(code) for code in codes] == list(range(len(codes))), f"{codes.__name__}: codes with gaps"


_assert_in_order(NetworkCode, Network)
_assert_in_order(FundingCode, Funding, unknown="unknown")
_assert_in_order(TxnTypeCode, TxnType)
_assert_in_order(ChannelCode, Channel)
_assert_in_order(InitiatorCode, Initiator)
_assert_in_order(PhaseCode, Phase)
_assert_in_order(TdsModeCode, ThreeDsMode, unknown="UNKNOWN")
_assert_in_order(FraudStatusCode, FraudStatus)
_assert_in_order(OutcomeClass, NormalisedOutcome, unknown="UNKNOWN")


class Kind(IntEnum):
    """Effect of an event on profiles: an attempt counts, a reversal subtracts spend, a refund is counted separately."""

    ATTEMPT = 0
    REVERSAL = 1
    REFUND = 2


class OutcomeResult(IntEnum):
    """Result of an outcome that came as a record of its own."""

    COUNTED = 0  # added to the attempt with its id
    UNTIMED = 1  # its time is not trusted: no profile changed
    UNMATCHED = 2  # no attempt with this id is in the card's row: it counts as attempt and as outcome
    REPEAT = 3  # the outcome of this attempt is already known
    UNKNOWN = 4  # it does not say how the issuer answered: no profile changed


class ThreeDsStatus(IntEnum):
    """The verdict of EMV 3-D Secure over one authorization, normalised over networks and channels."""

    UNKNOWN = 0  # nothing was sent, or nothing readable
    ABSENT = 1  # the event says that no authentication took place
    AUTHENTICATED = 2  # transStatus Y
    ATTEMPTED = 3  # A
    NOT_AUTHENTICATED = 4  # N
    UNAVAILABLE = 5  # U
    REJECTED = 6  # R
    INFORMATIONAL = 7  # I
    INCOMPLETE = 8  # C, D or S, sent as if it were final


class EciClass(IntEnum):
    """What an ECI claims, by network."""

    UNKNOWN = 0
    AUTHENTICATED = 1
    ATTEMPTED = 2
    NONE = 3
    DATA_ONLY = 4
    EXEMPT = 5
    RECURRING = 6  # Mastercard 07: recurring, initially authenticated
    MOTO = 7  # Visa 01, 04
    STORED = 8  # Visa 02, 03: recurring, instalment
    IMPOSSIBLE = 9  # a value this network does not define


class Liability(IntEnum):
    """Who bears the loss of a fraudulent authorization, as far as the event shows."""

    UNKNOWN = 0
    SHIFT = 1
    NO_SHIFT = 2


class Expectation(IntEnum):
    """Whether 3-D Secure was due on this payment at this merchant."""

    UNKNOWN = 0
    REQUIRED = 1
    NOT_REQUIRED = 2


class LiabilityReason(IntEnum):
    """The condition of the table of liability shift that decided; each has one `Liability`."""

    NOTHING_TOLD = 0  # unknown
    CLAIM_WITHOUT_PROOF = 1  # the ECI claims more than transStatus or the cryptogram proves
    CARD_PRESENT = 2  # a shift exists only for card-not-present payments
    CRYPTOGRAM_NOT_VALIDATED = 3
    CRYPTOGRAM_MALFORMED = 4
    IMPOSSIBLE_ECI = 5
    AUTHENTICATED = 6  # shift
    ATTEMPTED = 7
    RECURRING_AUTHENTICATED = 8
    EXEMPT = 9  # no shift
    MAIL_ORDER = 10
    MIT_WITHOUT_AUTHENTICATION = 11
    CRYPTOGRAM_RESULT = 12  # failed, invalid, bad data, or for information only
    NOT_AUTHENTICATED = 13  # transStatus N, U or R
    INCOMPLETE = 14  # C, D or S
    NOT_PERFORMED = 15
    EXCLUDED_MERCHANT = 16
    ECI_WITHOUT_SHIFT = 17


def liability_of(reason: LiabilityReason) -> Liability:
    """Give the liability of a reason."""
    if reason >= LiabilityReason.EXEMPT:
        return Liability.NO_SHIFT
    return Liability.SHIFT if reason >= LiabilityReason.AUTHENTICATED else Liability.UNKNOWN


class ExpectationReason(IntEnum):
    """Why 3-D Secure was due, was not due, or why it is unknown; each has one `Expectation`."""

    CHANNEL_UNKNOWN = 0  # unknown
    MERCHANT_UNKNOWN = 1  # the merchant's 3-D Secure mode is unknown
    NO_MANDATE = 2  # the merchant has no 3-D Secure, and no mandate is in force for it
    STORED_UNKNOWN = 3  # unknown whether the card is stored, or whether the payment is one of a series
    WALLET_UNKNOWN = 4  # due if the wallet brought a card number, not if it brought a device token
    NO_PURCHASE = 5  # not required: refund, reversal
    MERCHANT_INITIATED = 6
    DEBIT_PREPAID = 7
    MAIL_ORDER = 8
    CARD_PRESENT = 9
    EXEMPT = 10
    DEVICE_TOKEN = 11
    STORED_BEFORE_MANDATE = 12
    REGISTERED = 13  # authenticated when the card was stored
    LATER_OF_SERIES = 14
    RISK_BASED = 15
    EVERY_PAYMENT = 16  # required
    CARD_NOT_STORED = 17  # the merchant authenticates at registration, and this card is not stored
    REGISTRATION_UNPROVEN = 18  # stored since the mandate, and no authentication of its registration is named
    FIRST_OF_SERIES = 19  # or a single payment
    MANDATE = 20  # the merchant has no 3-D Secure, and a mandate requires it


def expectation_of(reason: ExpectationReason) -> Expectation:
    """Give the expectation of a reason."""
    if reason >= ExpectationReason.EVERY_PAYMENT:
        return Expectation.REQUIRED
    return Expectation.NOT_REQUIRED if reason >= ExpectationReason.NO_PURCHASE else Expectation.UNKNOWN


class Flow(IntEnum):
    """The flow of an authentication."""

    UNKNOWN = 0
    NONE = 1  # no authentication took place
    FRICTIONLESS = 2  # Y or A without a challenge
    CHALLENGE = 3
    DECOUPLED = 4
    DATA_ONLY = 5


class WalletCode(IntEnum):
    """What a wallet sent: position in the contract's list, from 1."""

    UNKNOWN = 0
    DEVICE_TOKEN = 1
    CARD_NUMBER = 2


_assert_in_order(WalletCode, WalletKind)


class IdForm(IntEnum):
    """Form of an id that should be a UUID."""

    ABSENT = 0
    UUID = 1
    NIL = 2  # all zeros
    OTHER = 3


class Band(IntEnum):
    """Severity of a decision, in rising order."""

    ALLOW = 0
    REVIEW = 1
    STEP_UP = 2
    BLOCK = 3


class Clock(IntEnum):
    """An event's time compared with its record's time and with its card's latest event; from LATE on it moves no
    window.
    """

    ON_TIME = 0
    OUT_OF_ORDER = 1  # trusted, and earlier than the latest event of its card: it counts in its own window
    LATE = 2  # too far behind its record's time
    EARLY = 3  # too far ahead of its record's time


CHECKLIST_ITEMS: Final[tuple[ItemCode, ...]] = get_args(ItemCode)
"""The six items of the Security Checklist: administration access, exposed directories, web application
weaknesses, malware, validity-check attacks (credit master), illegal login."""

ENTRY_MODES: Final = (*range(1, 11), 79, 80, 81, 82, 90, 91, 92, 95)
"""First two digits of DE 22 at Visa and Mastercard. 00 is missing: it means unknown."""

CVV2_RESULTS: Final = "MNPSUY"
"""Match, no match, not processed, should be on the card, issuer without it; Y is the match of American Express."""

AVS_RESULTS: Final = "ABCDEFGIKLMNOPRSTUWXYZ"
"""Results of address checks of all networks together."""

_COUNTRIES: Final = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
XK
"""
COUNTRIES: Final = frozenset(_COUNTRIES.split())
"""ISO 3166-1 alpha-2, and XK: Kosovo has no code, and card networks use this one.

Sources write XX, ZZ, T1 or EU for an address of unknown country; here such a code reads as unknown, not as foreign.
"""
