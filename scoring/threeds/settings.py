"""What of 3-D Secure differs from one acquirer to the next."""

from typing import Annotated

from msgspec import Meta, Struct

from scoring.contract.types import AcquirerId

EVERY_ACQUIRER = "*"


class ThreeDsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`amount_tolerance`: by which share an amount may be above what was authenticated (TDS14).

    `cavv_hmac_from`: ids of the acquirers that send `tds.cavv_hmac` wherever there was a cryptogram, or
    EVERY_ACQUIRER. At others a missing one says nothing: TDS01 is unknown there.
    """

    amount_tolerance: Annotated[float, Meta(ge=0, le=10)] = 0.0
    cavv_hmac_from: Annotated[tuple[AcquirerId, ...], Meta(max_length=1000)] = ()

    def __post_init__(self) -> None:
        if len(set(self.cavv_hmac_from)) != len(self.cavv_hmac_from):
            raise ValueError("cavv_hmac_from names an acquirer twice; name each once")
        if EVERY_ACQUIRER in self.cavv_hmac_from and len(self.cavv_hmac_from) > 1:
            raise ValueError(f'cavv_hmac_from has "{EVERY_ACQUIRER}", which is every acquirer; remove the others or it')
