"""Settings of 3-D Secure that differ between acquirers."""

from typing import Annotated

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId

EVERY_ACQUIRER = "*"


class ThreeDsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`amount_tolerance`: share by which an amount may be above the authenticated one (TDS14).

    `cavv_hmac_from`: ids of the acquirers that send `tds.cavv_hmac` for every cryptogram, or EVERY_ACQUIRER. For other
    acquirers TDS01 is unknown: a missing value proves nothing.

    `result_grace_s`: seconds after an authentication until its result must be on `threeds-results` (TDS12).
    """

    amount_tolerance: Annotated[float, Meta(ge=0, le=10)] = 0.0
    cavv_hmac_from: Annotated[tuple[AcquirerId, ...], Meta(max_length=1000)] = ()
    result_grace_s: Annotated[int, Meta(ge=1, le=86_400)] = 900

    def __post_init__(self) -> None:
        if len(set(self.cavv_hmac_from)) != len(self.cavv_hmac_from):
            raise ValueError("cavv_hmac_from names an acquirer twice; name each once")
        if EVERY_ACQUIRER in self.cavv_hmac_from and len(self.cavv_hmac_from) > 1:
            raise ValueError(f'cavv_hmac_from has "{EVERY_ACQUIRER}", which is every acquirer; remove it or the others')
