"""Files of lists: what is read, what is refused and by which words, in any cut into chunks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.lists import KINDS, ListFileError, ListReader, ListTable
from scoring.lists.reading import CHUNK_ROWS
from tests.events import token
from tests.lists.oracle import RUNS, seconds

HEAD = "value,effective_to\n"
HEAD3 = "value,effective_to,effective_from\n"
END = "2027-01-01T00:00:00+09:00"


def card_number() -> str:
    """Make a number of Visa that passes Luhn's check."""
    body = "4" + "".join(str(digit % 10) for digit in range(3, 17))
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def read(text: str | bytes, kind: str = "card", chunk: int = 1 << 20) -> ListTable:
    table = ListTable()
    reader = ListReader(table, 0, kind, "acq-1")
    data = text if isinstance(text, bytes) else text.encode()
    for start in range(0, len(data), chunk):
        reader.feed(data[start : start + chunk])
    reader.feed(b"", is_last=True)
    assert reader.entries == len(table)
    return table


def rows_of(table: ListTable) -> set[tuple[int, int, int]]:
    slots = table._slots
    kept = slots.keys != 0
    return set(zip(slots.keys[kept].tolist(), slots.since[kept].tolist(), slots.until[kept].tolist(), strict=True))


def fault(text: str | bytes, kind: str = "card") -> str:
    with pytest.raises(ListFileError) as caught:
        read(text, kind)
    return str(caught.value)


def test_lines_may_end_in_crlf_or_without_an_end_and_begin_with_a_byte_order_mark() -> None:
    plain = rows_of(read(f"{HEAD}{token('a')},{END}\n{token('b')},{END}\n"))
    assert len(plain) == 2
    for text in (
        f"{HEAD}{token('a')},{END}\n{token('b')},{END}",
        f"\ufeff{HEAD}{token('a')},{END}\n{token('b')},{END}\n",
        f"{HEAD}{token('a')},{END}\n{token('b')},{END}\n".replace("\n", "\r\n"),
        f"{HEAD3}{token('a')},{END}\n{token('b')},{END},\n",
    ):
        assert rows_of(read(text)) == plain


def test_times_have_an_offset_and_their_fractions_are_dropped() -> None:
    table = read(f"{HEAD3}a,2027-01-01T09:00:00.999+09:00,2026-12-31T23:00:00.5Z\n")
    ((_, since, until),) = rows_of(table)
    assert (since, until) == (seconds("2026-12-31T23:00:00+00:00"), seconds("2027-01-01T00:00:00+00:00"))


@settings(max_examples=RUNS, deadline=None)
@given(st.integers(1, 200), st.integers(0, 20))
def test_the_cut_into_chunks_changes_nothing(chunk: int, rows: int) -> None:
    text = HEAD + "".join(f"{token(str(row))},{END}\n" for row in range(rows))
    assert rows_of(read(text, chunk=chunk)) == rows_of(read(text))


def test_a_chunk_may_hold_more_lines_than_one_call_reads() -> None:
    rows = CHUNK_ROWS * 2 + 3
    assert len(read(HEAD + "".join(f"v{row},{END}\n" for row in range(rows)))) == rows
    assert fault(HEAD + "".join(f"v{row},{END}\n" for row in range(rows)) + "x,soon").startswith(f"line {rows + 2}: ")


def test_a_file_with_its_header_alone_is_an_empty_list() -> None:
    assert len(read(HEAD)) == len(read(HEAD.rstrip())) == 0


@pytest.mark.parametrize("head", ["", "value\n", "pan,effective_to\n", "value;effective_to\n", f"{token('a')},{END}\n"])
def test_a_file_without_its_header_is_refused(head: str) -> None:
    assert fault(head + f"{token('b')},{END}\n").startswith("line 1: is not the header: write value,effective_to or ")


FAULTS = [
    ("", "effective_to: is missing"),
    (",", "effective_to: is missing"),
    (",2027-01-01", "effective_to: is no time"),
    (",2027-01-01 00:00:00+09:00", "effective_to: is no time"),
    (",2027-01-01T00:00:00", "effective_to: is no time"),
    (",2027-13-01T00:00:00Z", "effective_to: is no time"),
    (",1969-01-01T00:00:00Z", "effective_to: is no time"),
    (",2101-01-01T00:00:00Z", "effective_to: must be after effective_from"),
    (f",{END},2027-01-01T00:00:00+09:00", "effective_to: must be after effective_from"),
    (f",{END},soon", "effective_from: is no time"),
    (f",{END},,", "value: the line has more columns"),
]


@pytest.mark.parametrize(("rest", "said"), FAULTS)
def test_an_entry_without_a_good_end_is_refused_by_line_and_column(rest: str, said: str) -> None:
    secret = token("secret")
    text = fault(f"{HEAD3}{token('a')},{END}\n{secret}{rest}\n")
    assert text.startswith(f"line 3: {said}")
    assert secret not in text
    assert rest not in text or len(rest) < 2


def test_a_third_column_needs_its_header() -> None:
    assert fault(f"{HEAD}a,{END},2026-01-01T00:00:00Z\n").startswith("line 2: value: the line has more columns")


VALUE_FAULTS = [
    ("card", "", "is blank"),
    ("card", "a b", "has a blank"),
    ("card", " a", "has a blank"),
    ("card", '"a"', "has a blank"),
    ("card", "a\t", "has a blank"),
    ("card", "a\x7f", "has a blank"),
    ("card", "a" * 129, "has more than 128 bytes"),
    ("card", "a" * 400, "the line has more than 256 bytes"),
    ("bin", "45320", "is no BIN"),
    ("bin", "453200000", "is no BIN"),
    ("bin", "45320x", "is no BIN"),
    ("email", "a@b.jp", "looks like an address in clear"),
    ("ip", "192.0.2.1", "looks like an address in clear"),
    ("ip", "2001:db8::1", "looks like an address in clear"),
    ("ip_network", "192.0.2.0/24", "looks like an address in clear"),
]


@pytest.mark.parametrize(("kind", "value", "said"), VALUE_FAULTS)
def test_a_value_that_no_event_can_carry_is_refused(kind: str, value: str, said: str) -> None:
    assert fault(f"{HEAD}{value},{END}\n", kind).startswith(f"line 2: value: {said}")


def test_a_blank_line_is_refused() -> None:
    assert fault(f"{HEAD}\na,{END}\n").startswith("line 2: value: the line is blank")
    assert fault(f"{HEAD}a,{END}\n\r\n").startswith("line 3: value: the line is blank")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "bin"])
def test_a_card_number_is_refused_in_every_spelling(kind: str) -> None:
    number = card_number()
    spelt = (number, f"0{number}", "-".join(number[k : k + 4] for k in range(0, 16, 4)), f"v-{number}")
    for value in spelt:
        text = fault(f"{HEAD}{value},{END}\n", kind)
        assert text.startswith("line 2: value: looks like a card number")
        assert number not in text
    assert len(read(f"{HEAD}{int(number) ^ 1},{END}\n", kind)) == 1


def test_a_merchant_may_have_fifteen_digits_and_values_may_be_long_or_in_any_script() -> None:
    amex = "37" + "0" * 12
    amex += str(next(d for d in range(10) if luhn(amex + str(d))))
    assert len(read(f"{HEAD}{amex},{END}\n", "merchant")) == 1
    assert fault(f"{HEAD}{amex},{END}\n", "account").startswith("line 2: value: looks like a card number")
    assert len(read(f"{HEAD}{'a' * 128},{END}\n加盟店,{END}\na.b:c@d,{END}\n")) == 3


def luhn(digits: str) -> bool:
    return sum(sum(divmod(int(d) * (2 if i % 2 else 1), 10)) for i, d in enumerate(reversed(digits))) % 10 == 0


def test_hashes_in_hexadecimal_are_never_taken_for_card_numbers() -> None:
    assert len(read(HEAD + "".join(f"{token(str(row))},{END}\n" for row in range(20_000)))) == 20_000


def test_a_value_may_have_sixteen_periods_and_not_more() -> None:
    line = f"a,{END}\n"
    assert len(read(HEAD + line * 16)) == 16
    assert fault(HEAD + line * 17) == "lines 2 to 18: value: stands in more than 16 lines: keep one"
