"""What of 3-D Secure differs from one acquirer to the next."""

from dataclasses import dataclass

EVERY_ACQUIRER = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreeDsSettings:
    """`amount_tolerance`: by which share an amount may be above what was authenticated (TDS14), 0 or more.

    `cavv_hmac_from`: ids of the acquirers that send `tds.cavv_hmac` wherever there was a cryptogram, or
    EVERY_ACQUIRER. At others a missing one says nothing: TDS01 is unknown there.
    """

    amount_tolerance: float = 0.0
    cavv_hmac_from: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        assert 0.0 <= self.amount_tolerance <= 10.0, "a share of the authenticated amount"

    def sends_cryptograms(self, acquirer_id: str) -> bool:
        """Tell whether a missing cryptogram of an acquirer's event is missing indeed."""
        return EVERY_ACQUIRER in self.cavv_hmac_from or acquirer_id in self.cavv_hmac_from
