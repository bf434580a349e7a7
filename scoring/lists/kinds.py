"""What an entry of a list can name, and where an event has it."""

from typing import Final, Literal, NamedTuple, get_args

from scoring.contract.codes import Band
from scoring.contract.merchant import ListKind
from scoring.decode.columns import Col

Action = Literal["review", "step_up", "block"]
Mode = Literal["off", "shadow", "on"]

KINDS: Final[tuple[str, ...]] = get_args(ListKind)
BAND_OF: Final = {"review": int(Band.REVIEW), "step_up": int(Band.STEP_UP), "block": int(Band.BLOCK)}

LISTS_MAX: Final = 1_000
"""Most lists of a policy. Their numbers fit into the 16 bits that an entry has for them."""

VALUE_MAX: Final = 128
"""Most bytes of a value, as of a token of the contract."""


class Place(NamedTuple):
    """Where an event has the value of a kind: its path in the contract, and its hash.

    `entity`: position of the entity whose key the decoder makes, or -1; then `column` has the hash of the value alone.
    `en`, `ja`: the word for people. `shorter`: lengths of prefixes that name the event too.
    """

    path: str
    entity: int
    column: int
    en: str
    ja: str
    shorter: tuple[int, ...] = ()

    @property
    def tag(self) -> int:
        """The number that the keys of its values contain: that of the entity, where there is one."""
        return self.entity + 1 if self.entity >= 0 else _TAG + self.column


_TAG: Final = 64
"""Before the columns of values that are no entities."""

PLACES: Final[dict[str, Place]] = {
    "card": Place("card.pan_hmac", 0, -1, "card", "カード"),
    "device": Place("device.fp_hmac", 4, -1, "device", "端末"),
    "email": Place("shopper.email_hmac", -1, Col.EMAIL_KEY, "e-mail address", "メールアドレス"),
    "bin": Place(
        "card.bin", 3, -1, "BIN", "BIN", shorter=(6, 7)
    ),  # ISO/IEC 7812-1 has six digits, and eight since 2017
    "ip": Place("net.ip_hmac", 5, -1, "network address", "IPアドレス"),
    "ip_network": Place("net.ip_prefix24_hmac", -1, Col.PREFIX_KEY, "network", "ネットワーク"),
    "account": Place("shopper.account_hmac", 6, -1, "account", "会員アカウント"),
    "address": Place("ship.addr_hmac", 7, -1, "delivery address", "配送先住所"),
    "merchant": Place("merchant.id", 1, -1, "merchant", "加盟店"),
}
"""By kind, in the order of `KINDS`."""
