"""Shares of genuine traffic that break a rule: small shares, by shops and providers that are set up wrongly.

No share is zero: otherwise a model would learn that only fraud breaks the rule. Rules that a genuine payment cannot
break have no lapse: the directory servers refuse a retired message version (TDS16). Rules that no feature shows have
none either: those over several payments (TDS08 to TDS10, TDS21), and those over the results of 3-D Secure (TDS12,
TDS23).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from models.simulator.events.rows import Rows
from models.simulator.world import World
from models.simulator.world.draw import Floats, Mask

RETIRED_2_1_MS: Final = 1_727_136_000_000
"""2024-09-24T00:00Z: from then on no network accepts EMV 3DS 2.1.0."""

SHARE_2_1: Final = 0.11
"""Share of authentications by 2.1.0 before that."""


class Lapse(NamedTuple):
    """A lapse: the mean `share` of the genuine events named by `of` that break a rule, and the cause."""

    share: float
    of: str
    why: str


LAPSES: Final[Mapping[str, Lapse]] = MappingProxyType(
    {
        "TDS01": Lapse(0.0010, "verdicts Y or A", "a provider's mapping drops the cryptogram"),
        "TDS02": Lapse(
            0.0006, "verdicts Y", "a shop sends the ECI of another network: 05 for Mastercard, 00 for others"
        ),
        "TDS03": Lapse(
            0.0014, "verdicts Y", "TDS02, or a shop sends one ECI whatever the verdict: 07, or 00 for Mastercard"
        ),
        "TDS04": Lapse(0.0030, "authentications", "a shop submits after N or R; providers bar that, so few can"),
        "TDS05": Lapse(0.0012, "authentications", "a shop submits before the result of the challenge is there"),
        "TDS06": Lapse(0.0006, "verdicts Y or A", "a provider hashes the cryptogram in a wrong encoding"),
        "TDS07": Lapse(0.0015, "checked cryptograms", "a provider passes the cryptogram on in a wrong encoding"),
        "TDS11": Lapse(0.0008, "authentications", "a provider writes dsTransID without its hyphens"),
        "TDS13": Lapse(0.0006, "authentications", "a shop shows prices in another currency than it charges"),
        "TDS14": Lapse(0.0010, "authentications", "postage or an extra is added after the authentication"),
        "TDS15": Lapse(
            0.0006, "authentications", "a provider writes Tokyo time as UTC; a pre-order is charged when it ships"
        ),
        "TDS17": Lapse(0.0006, "authentications", "a provider writes 2.2.0 whatever the version was"),
        "TDS18": Lapse(0.0006, "authentications", "a provider marks the first payment of a series as 3RI"),
        "TDS19": Lapse(0.0100, "verdicts N, U or R", "a provider's mapping drops transStatusReason"),
        "TDS20": Lapse(
            0.0070, "e-commerce purchases", "small shops have no 3-D Secure yet, providers pass on no reason"
        ),
        "TDS22": Lapse(0.0006, "authentications", "a shop sends the entry mode of its terminal for online orders"),
        "CVV2": Lapse(
            0.0004, "approvals with a code", "an issuer approves over a mistyped code: the shop is to decide"
        ),
    }
)
"""Lapses by rule of the domain (TDS01 to TDS22; CVV2: approved although the code did not match). Tests check genuine
traffic against them. TDS20 follows from the share of shops without 3-D Secure and from UNSAID; the others are drawn
here. An ECI of another network contradicts transStatus too, so TDS03 includes every TDS02."""

ODD_CRYPTOGRAM, ODD_ID, ODD_CURRENCY, ODD_VALUE = 1, 2, 4, 8
"""Bits of what is odd about an authentication: TDS06, TDS11, TDS13, TDS17."""

LATE_CHARGES: Final = 0.3
"""Share of TDS15 with an authentication more than 90 days old; the others are dated after their payment."""

UNSAID: Final = 0.10
"""Share of payments without 3-D Secure where it was due and the provider does not pass on the reason."""

_SLOPPY, _OTHERS = 5.0, 0.92
"""Weights of shops that are set up wrongly, one in fifty, and of all others: the mean is 1."""


def lapsed(world: World, rng: np.random.Generator, rows: Rows, rule: str) -> Mask:
    """Draw which rows break a rule, more of them at shops that are set up wrongly: bool[n]."""
    return chance_of(world, rng, rows, LAPSES[rule].share)


def chance_of(world: World, rng: np.random.Generator, rows: Rows, share: float) -> Mask:
    """Draw a mean `share` of the rows: bool[n]."""
    weight: Floats = np.where(world.merchants.sloppy_tds[rows["merchant"]], _SLOPPY, _OTHERS)
    drawn: Mask = rng.random(rows.size) < share * weight
    return drawn
