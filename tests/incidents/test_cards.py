"""The number of cards is near the number of different keys, however often each comes."""

import random

import pytest

from scoring.incidents.cards import REGISTERS, add, estimate


@pytest.mark.parametrize("cards", [0, 1, 2, 5, 20, 100, 1_000, 2_560, 5_000, 50_000])
def test_the_estimate_is_within_a_tenth_and_near_exact_for_few(cards: int) -> None:
    draw, registers = random.Random(cards), bytearray(REGISTERS)  # noqa: S311 -- seeded
    keys = [draw.getrandbits(64) for _ in range(cards)]
    for key in keys + keys[: cards // 3]:
        add(registers, key)
    assert abs(estimate(registers) - cards) <= max(cards // 10, cards > 4)


def test_the_rank_is_of_the_bits_that_do_not_choose_the_register() -> None:
    registers = bytearray(REGISTERS)
    add(registers, 7)
    assert registers[7] == 55, "no bit is set above the register's"
    add(registers, 1 << 63 | 7)
    assert registers[7] == 55
    add(registers, 1 << 63 | 8)
    assert registers[8] == 1
    add(registers, 1 << 61 | 8)
    assert registers[8] == 3
    assert sum(registers) == 58
