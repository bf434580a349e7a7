"""An input of the model is declared once: name, unit, family and text beside its arithmetic."""

from enum import IntEnum
from math import isnan

import numpy as np
import pytest

from scoring import jit
from scoring.contract import codes
from scoring.contract.authorization import Channel, Network
from scoring.decode.columns import Col
from scoring.features import amount, merchant
from scoring.features.all import FEATURES
from scoring.features.arithmetic import Inputs, Payment, days_since, differs, flag, known
from scoring.features.payment import PAYMENT_FEATURES
from scoring.merchants.store import MERCHANT_COLUMNS, UNKNOWN
from scoring.profile.entities import Entity


def payment(**event: int) -> Payment:
    row = np.zeros(len(Col), dtype=np.int64)
    for name, value in event.items():
        row[Col[name]] = value
    keys = np.zeros(len(Entity), dtype=np.uint64)
    return Payment(row, keys, np.full(MERCHANT_COLUMNS, UNKNOWN), np.zeros(5, dtype=np.int16))


def test_an_input_has_the_name_and_text_of_its_function_and_the_place_of_its_declaration() -> None:
    inputs = Inputs()

    @inputs.add("JPY", "amount")
    def second_thought(p: Payment) -> float:
        """Whole yen."""
        return float(p.event[0])

    @inputs.add("code", "goods", categorical=True)
    def first_guess(p: Payment) -> float:
        """A code."""
        return float(p.event[1])

    said = [(f.name, f.unit, f.family, f.doc, f.categorical) for f in inputs.made]
    assert said == [
        ("second_thought", "JPY", "amount", "Whole yen.", False),
        ("first_guess", "code", "goods", "A code.", True),
    ]
    assert inputs.made[next(iter(inputs.made))] is second_thought


def test_an_input_without_a_text_or_declared_twice_is_refused() -> None:
    inputs = Inputs()

    def silent(p: Payment) -> float:
        return float(p.event[0])

    with pytest.raises(AssertionError, match="silent says nothing"):
        inputs.add("code", "goods")(silent)
    silent.__doc__ = "Spoken."
    inputs.add("code", "goods")(silent)
    with pytest.raises(AssertionError, match="silent is declared twice"):
        inputs.add("h", "time")(silent)


def test_names_are_unique_and_every_input_is_explained() -> None:
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)
    for feature in PAYMENT_FEATURES:
        assert feature.doc.endswith(".")
        assert feature.unit
        assert feature.name == feature.name.lower()


def test_the_arithmetic_of_one_input_can_be_called_alone() -> None:
    assert amount.hour_jst(payment(EVENT_MS=16 * 3_600_000)) == 1.0
    assert isnan(merchant.chk_self_declared(payment()))
    assert (known(0), flag(True), differs(1, 1), differs(1, 2)) == (0.0, 1.0, 0.0, 1.0)
    assert isnan(known(-1))
    assert isnan(differs(0, 1))
    assert isnan(differs(1, 0))
    assert days_since(0, 43_200_000) == 0.5
    assert isnan(days_since(-1, 0))


def test_codes_must_be_the_words_of_the_contract_in_its_order() -> None:
    class Swapped(IntEnum):
        UNKNOWN = 0
        MOTO = 1
        ECOM = 2
        CARD_PRESENT = 3
        OTHER = 4

    class Gapped(IntEnum):
        UNKNOWN = 0
        ECOM = 1
        MOTO = 3
        CARD_PRESENT = 4
        OTHER = 5

    codes._assert_in_order(codes.ChannelCode, Channel)
    for made, words, fault in ((Swapped, Channel, "Swapped"), (Gapped, Channel, "gaps"), (Swapped, Network, "Swapped")):
        with pytest.raises(AssertionError, match=fault):
            codes._assert_in_order(made, words)


def test_kernels_see_codes_as_plain_ints() -> None:
    plain = jit.plain(codes.ThreeDsStatus)
    assert [getattr(plain, code.name) for code in codes.ThreeDsStatus] == list(range(len(codes.ThreeDsStatus)))
    assert type(plain.REJECTED) is int


@pytest.mark.parametrize("change", ["constant", "column"])
def test_constants_of_an_inlined_input_are_part_of_the_revision(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    before = jit.revision("scoring.features")
    if change == "constant":
        monkeypatch.setattr(amount, "_YEN", 840)
    else:
        monkeypatch.setattr(amount, "_COL", amount._COL._replace(MCC=9))  # type: ignore[attr-defined]
    assert jit.revision("scoring.features") != before
