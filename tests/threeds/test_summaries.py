"""The `tds` section of a decision writes every part of a verdict by its name."""

import itertools
import json
from collections.abc import Sequence

import numpy as np

from scoring import threeds
from scoring.contract.codes import EciClass, ExpectationReason, Flow, LiabilityReason, ThreeDsStatus
from scoring.decide.threeds import SUMMARIES_MAX, ThreeDsEncoder, encode_summary
from scoring.decode.columns import Col
from scoring.merchants.store import MerchantStore
from scoring.reference.threeds import reference
from scoring.threeds.settings import ThreeDsSettings
from tests.examples import sample

SHIFT = {"AUTHENTICATED", "ATTEMPTED", "RECURRING_AUTHENTICATED"}
OPEN = {
    "NOTHING_TOLD",
    "CLAIM_WITHOUT_PROOF",
    "CARD_PRESENT",
    "CRYPTOGRAM_NOT_VALIDATED",
    "CRYPTOGRAM_MALFORMED",
    "IMPOSSIBLE_ECI",
}
REQUIRED = {"EVERY_PAYMENT", "CARD_NOT_STORED", "REGISTRATION_UNPROVEN", "FIRST_OF_SERIES", "MANDATE"}
UNKNOWN = {"CHANNEL_UNKNOWN", "MERCHANT_UNKNOWN", "NO_MANDATE", "STORED_UNKNOWN", "WALLET_UNKNOWN"}


def code_of(status: int, eci: int, response: int, liability: int, expected: int, flow: int) -> int:
    return ((((status * 10 + eci) * 10 + response) * 32 + liability) * 32 + expected) * 8 + flow


def test_every_part_of_a_verdict_is_written_by_its_name() -> None:
    for status, eci, flow in itertools.product(ThreeDsStatus, EciClass, Flow):
        text = json.loads(encode_summary(code_of(status, eci, 9 - eci, 0, 0, flow)))
        assert (text["status"], text["eci"], text["flow"]) == (status.name, eci.name, flow.name)
        assert text.get("eci_response", "UNKNOWN") == EciClass(9 - eci).name
    for liability, expected in itertools.product(LiabilityReason, ExpectationReason):
        text = json.loads(encode_summary(code_of(2, 1, 0, liability, expected, 2)))
        assert (text["liability_reason"], text["expected_reason"]) == (liability.name, expected.name)
        shift = "SHIFT" if liability.name in SHIFT else "UNKNOWN" if liability.name in OPEN else "NO_SHIFT"
        due = "REQUIRED" if expected.name in REQUIRED else "UNKNOWN" if expected.name in UNKNOWN else "NOT_REQUIRED"
        assert (text["liability"], text["expected"]) == (shift, due)
        assert "eci_response" not in text


def test_more_kinds_of_verdicts_than_are_kept_are_still_written() -> None:
    encoder = ThreeDsEncoder(reference(), ThreeDsSettings())
    places = list(itertools.product(range(9), range(10), range(1), range(18), range(21), range(1)))
    tried = sample(places, step=4)
    for batch in _batches(tried, 500):
        verdicts = np.zeros((len(batch), threeds.VERDICT_COLUMNS), dtype=np.int64)
        verdicts[:, threeds.CODE] = [code_of(*place) for place in batch]
        ints = np.zeros((len(batch), len(Col)), dtype=np.int64)
        rows, names = np.zeros(len(batch), dtype=np.int64), [(b"", b"", b"", b"")] * len(batch)
        texts = encoder.encode(ints, names, verdicts, MerchantStore().table, rows)
        assert texts == [encode_summary(code_of(*place)) for place in batch]
    assert len(tried) > 2 * SUMMARIES_MAX


def _batches(places: Sequence[tuple[int, ...]], size: int) -> list[Sequence[tuple[int, ...]]]:
    return [places[start : start + size] for start in range(0, len(places), size)]
