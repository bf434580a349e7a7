"""The dated tables of EMV 3-D Secure: `threeds_*.yaml`, read once, with the columns of each."""

from functools import cache
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeVar

from msgspec import Meta, Struct

from scoring.contract.types import Mcc, ShortText
from scoring.reference.table import DatedRow, DatedTable, TableError, shipped_table

R = TypeVar("R", bound=DatedRow)

Network = Literal["visa", "mastercard", "jcb", "amex", "diners", "discover", "unionpay", "other"]
Networks = Annotated[tuple[Network, ...], Meta(min_length=1, max_length=8)]
Version = Annotated[str, Meta(pattern=r"^[1-3]\.[0-9]\.[0-9]\Z")]
TwoDigits = Annotated[str, Meta(pattern=r"^[0-9]{2}\Z")]
Letters = Annotated[str, Meta(pattern=r"^[A-Z]{1,12}\Z")]
Alpha2 = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
Severity = Literal["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"]
EciClaim = Literal["AUTHENTICATED", "ATTEMPTED", "NONE", "DATA_ONLY", "EXEMPT", "RECURRING", "MOTO", "STORED"]
ReasonGroup = Literal["FRAUD", "CARD_DATA", "FRICTION", "DEVICE", "TECH", "CONFIDENCE", "OTHER", "RESERVED"]
CavvMeaning = Literal[
    "PASSED_AUTHENTICATED",
    "PASSED_ATTEMPT",
    "FAILED",
    "BAD_DATA",
    "INFORMATION_ONLY",
    "INVALID",
    "NOT_VALIDATED",
]
StatusMeaning = Literal[
    "AUTHENTICATED",
    "ATTEMPTED",
    "NOT_AUTHENTICATED",
    "UNAVAILABLE",
    "REJECTED",
    "INFORMATIONAL",
    "INCOMPLETE",
]
Field = Literal[
    "trans_status",
    "trans_status_reason",
    "authentication_type",
    "authentication_method",
    "challenge_indicator",
    "challenge_cancel",
    "device_channel",
    "message_category",
    "requestor_authentication_indicator",
    "three_ri_indicator",
    "account_age",
    "account_change",
    "password_change",
    "suspicious_activity",
    "address_usage",
    "challenge_exemption",
    "trust_list_status",
    "trust_list_source",
    "results_status",
]


class Eci(DatedRow, frozen=True, kw_only=True):
    """`threeds_eci.yaml`: an ECI of networks, what it claims, and each transStatus that agrees with it."""

    KEY = ("networks", "eci")

    networks: Networks
    eci: Annotated[str, Meta(pattern=r"^([0-9]{2}|N[02])\Z")]
    claims: EciClaim
    statuses: Letters
    with_reason: TwoDigits | None = None
    ecommerce: bool = False
    by_right: bool = False


class CavvResult(DatedRow, frozen=True, kw_only=True):
    """`threeds_cavv.yaml`: results of the cryptogram's check."""

    KEY = ("networks", "results")

    networks: Networks
    results: Annotated[tuple[Annotated[str, Meta(pattern=r"^[0-9A-Z]\Z")], ...], Meta(max_length=36)]
    means: CavvMeaning


class Value(DatedRow, frozen=True, kw_only=True):
    """`threeds_values.yaml`: codes of a field, and the message version from which they are legal; None: in none."""

    KEY = ("field", "values")

    field: Field
    values: Annotated[tuple[Annotated[str, Meta(pattern=r"^([0-9]{2}|[A-Z])\Z")], ...], Meta(max_length=100)]
    since: Version | None = None
    means: StatusMeaning | None = None
    group: ReasonGroup | None = None
    abandoned: bool = False
    by_payment: bool = False

    def __post_init__(self) -> None:
        if (self.means is not None) != (self.field == "trans_status"):
            raise ValueError("write means in rows of trans_status, and in no other")
        if (self.group is not None) != (self.field == "trans_status_reason"):
            raise ValueError("write group in rows of trans_status_reason, and in no other")
        if self.abandoned and self.field != "challenge_cancel":
            raise ValueError("write abandoned in rows of challenge_cancel, and in no other")
        if self.by_payment and self.field != "three_ri_indicator":
            raise ValueError("write by_payment in rows of three_ri_indicator, and in no other")
        if (self.since is None) != (self.group == "RESERVED"):
            raise ValueError("write since: the message version from which the codes are legal (none for RESERVED)")


class Exemption(DatedRow, frozen=True, kw_only=True):
    """`threeds_exemptions.yaml`: words of `exempt_reason` for one kind of exemption."""

    KEY = ("words",)

    words: Annotated[tuple[Annotated[str, Meta(max_length=24)], ...], Meta(max_length=16)]
    kind: Annotated[str, Meta(pattern=r"^[A-Z0-9_]{1,32}\Z")]
    exempts: bool


class Mandate(DatedRow, frozen=True, kw_only=True):
    """`threeds_mandates.yaml`: since when 3-D Secure is due, or a stored card must name that of its registration."""

    KEY = ("duty", "country")

    duty: Literal["PAYMENT", "STORED_CARD_PROOF"]
    country: Alpha2 | None = None

    def __post_init__(self) -> None:
        _refuse_end(self)
        if (self.country is None) != (self.duty == "STORED_CARD_PROOF"):
            raise ValueError("write country in rows of PAYMENT, and in no other")


class Wallet(DatedRow, frozen=True, kw_only=True):
    """`threeds_wallets.yaml`: what a wallet brings where the event does not say it."""

    KEY = ("wallet",)

    wallet: Annotated[str, Meta(min_length=1, max_length=24)]
    kind: Literal["device_token", "card_number"]


class RetiredVersion(DatedRow, frozen=True, kw_only=True):
    """`threeds_versions.yaml`: message versions, by their first numbers, that networks refuse from the first day on."""

    KEY = ("networks", "versions")

    networks: Networks
    versions: Annotated[tuple[Annotated[str, Meta(pattern=r"^[1-3](\.[0-9]){0,2}\Z")], ...], Meta(max_length=8)]

    def __post_init__(self) -> None:
        _refuse_end(self)


class Age(DatedRow, frozen=True, kw_only=True):
    """`threeds_ages.yaml`: how old an authentication may be."""

    KEY = ("networks",)

    networks: Networks
    days: Annotated[int, Meta(ge=1, le=3650)]


class ExcludedMerchant(DatedRow, frozen=True, kw_only=True):
    """`threeds_excluded.yaml`: merchants whose payments never shift where merchant and issuer are of one country."""

    KEY = ("networks", "country", "categories")

    networks: Networks
    country: Alpha2
    categories: Annotated[tuple[Mcc, ...], Meta(max_length=100)]


class EntryMode(DatedRow, frozen=True, kw_only=True):
    """`threeds_entry_modes.yaml`: what POS entry modes say of the card."""

    KEY = ("modes",)

    modes: Annotated[tuple[TwoDigits, ...], Meta(max_length=100)]
    card: Literal["PRESENT", "NOT_PRESENT"]


LIMITS_OF: Final = {
    "TDS11": ("ids", "within_s"),
    "TDS21": ("payments_min", "base_days", "factor", "sigmas"),
    "TDS23": ("failures", "within_s"),
}
"""Limits that a row of `threeds_rules.yaml` has, by rule."""


class Rule(DatedRow, frozen=True, kw_only=True):
    """`threeds_rules.yaml`: a rule of consistency."""

    KEY = ("id",)

    id: Annotated[str, Meta(pattern=r"^TDS(0[1-9]|1[0-9]|2[0-3])\Z")]
    code: Annotated[str, Meta(pattern=r"^[A-Z_]{1,40}\Z")]
    severity: Severity
    raised: Severity | None = None
    lowered: Severity | None = None
    active: bool
    partly: ShortText | None = None
    evidence: Annotated[tuple[ShortText, ...], Meta(max_length=12)] = ()
    failures: Annotated[int, Meta(ge=1, le=8)] | None = None
    within_s: Annotated[int, Meta(ge=1, le=86_400)] | None = None
    payments_min: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    base_days: Annotated[int, Meta(ge=1, le=7)] | None = None
    factor: Annotated[float, Meta(ge=1, le=1_000)] | None = None
    sigmas: Annotated[float, Meta(ge=0, le=1_000)] | None = None
    ids: Annotated[int, Meta(ge=2, le=8)] | None = None

    def __post_init__(self) -> None:
        for name in sorted({name for names in LIMITS_OF.values() for name in names}):
            rules = [rule for rule, names in LIMITS_OF.items() if name in names]
            if (getattr(self, name) is None) == (self.id in rules):
                raise ValueError(f"write {name} in rows of {' and '.join(rules)}, and in no other")


def _refuse_end(row: DatedRow) -> None:
    if row.effective_to is not None:
        raise ValueError("a row of this table has no effective_to")


RECORDS: Final = {
    "eci": Eci,
    "cavv": CavvResult,
    "values": Value,
    "exemptions": Exemption,
    "mandates": Mandate,
    "wallets": Wallet,
    "versions": RetiredVersion,
    "ages": Age,
    "excluded": ExcludedMerchant,
    "entry_modes": EntryMode,
    "rules": Rule,
}
"""The columns of each file, by its name without `threeds_` and `.yaml`."""


class ThreeDsReference(Struct, frozen=True, kw_only=True):
    """All dated tables of EMV 3-D Secure."""

    eci: DatedTable[Eci]
    cavv: DatedTable[CavvResult]
    values: DatedTable[Value]
    exemptions: DatedTable[Exemption]
    mandates: DatedTable[Mandate]
    wallets: DatedTable[Wallet]
    versions: DatedTable[RetiredVersion]
    ages: DatedTable[Age]
    excluded: DatedTable[ExcludedMerchant]
    entry_modes: DatedTable[EntryMode]
    rules: DatedTable[Rule]

    def __post_init__(self) -> None:
        """Refuse tables that contradict each other.

        Raises:
            TableError: they do.
        """
        statuses = {value for row in self.values if row.field == "trans_status" for value in row.values}
        for eci in self.eci:
            if unknown := sorted(set(eci.statuses) - statuses):
                raise TableError(
                    f"threeds_eci.yaml: eci {eci.eci}: transStatus {unknown[0]} is no value of threeds_values.yaml;"
                    " add it there or remove it here"
                )
        if missing := sorted({f"TDS{n:02d}" for n in range(1, 24)} - {rule.id for rule in self.rules}):
            raise TableError(f"threeds_rules.yaml: {missing[0]} has no row; write one, `active: false` if unused")
        for rule in self.rules:
            if any(rule.code == other.code and rule.id != other.id for other in self.rules):
                raise TableError(f"threeds_rules.yaml: {rule.id}: code {rule.code} is that of another rule")
        if not any(row.duty == "STORED_CARD_PROOF" for row in self.mandates):
            raise TableError("threeds_mandates.yaml: no row of STORED_CARD_PROOF; write one")

    @property
    def identity(self) -> str:
        """12 hexadecimal digits that change with the content of any table."""
        told = (getattr(self, name).identity for name in RECORDS)
        return sha256("".join(told).encode()).hexdigest()[:12]


@cache
def reference() -> ThreeDsReference:
    """Give the tables inside the package, read once."""

    def table(name: str, record: type[R]) -> DatedTable[R]:
        return shipped_table(f"threeds_{name}", record)

    return ThreeDsReference(
        eci=table("eci", Eci),
        cavv=table("cavv", CavvResult),
        values=table("values", Value),
        exemptions=table("exemptions", Exemption),
        mandates=table("mandates", Mandate),
        wallets=table("wallets", Wallet),
        versions=table("versions", RetiredVersion),
        ages=table("ages", Age),
        excluded=table("excluded", ExcludedMerchant),
        entry_modes=table("entry_modes", EntryMode),
        rules=table("rules", Rule),
    )
