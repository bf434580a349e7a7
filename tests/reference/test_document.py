"""YAML is read without implicit types: an ambiguous value is an error or text."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.reference import document
from scoring.reference.document import DOCUMENT_BYTES_MAX, DocumentError, parse, parse_shipped

TABLES = Path(document.__file__).parent


def test_country_codes_stay_text_and_only_true_and_false_are_booleans() -> None:
    assert parse(b"a: NO\nb: yes\nc: on\nd: true\ne: false") == {
        "a": "NO",
        "b": "yes",
        "c": "on",
        "d": True,
        "e": False,
    }


def test_a_number_with_a_leading_zero_stays_text() -> None:
    assert parse(b"mcc: 0742\nport: 742\nzero: 0\nnegative: -3") == {
        "mcc": "0742",
        "port": 742,
        "zero": 0,
        "negative": -3,
    }


def test_dates_times_and_sexagesimals_stay_text() -> None:
    assert parse(b"day: 2026-05-01\nat: 12:30:45") == {"day": "2026-05-01", "at": "12:30:45"}


def test_numbers_may_have_thousands_separators() -> None:
    assert parse(b"a: 1_000_000\nb: 1.5\nc: 0.5e-3") == {"a": 1_000_000, "b": 1.5, "c": 0.0005}


def test_keys_are_always_text() -> None:
    assert parse(b"5732: {true: 1, null: 2}") == {"5732": {"true": 1, "null": 2}}


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert parse(b"") == parse(b"# only a comment\n") == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"kafka: 1\nkafka: 2", "line 2, column 1: key 'kafka' comes twice"),
        (b"a: {b: 1, b: 2}", "line 1, column 11: key 'b' comes twice"),
        (b"a: &x 1\nb: *x", "line 2, column 4: aliases and tags are not read"),
        (b"a: !!python/object/apply:os.system ['true']", "line 1, column 4: aliases and tags are not read"),
        (b"a: [", "line 1, column 5"),
        (b"- a\n- b", "the top must be a mapping of sections"),
        (b"a: 1\n---\nb: 2", "expected a single document"),
        (b"? [a, b]\n: 1", "a key must be plain text"),
        (b"a: 1\nb: \xff", "line 2, column 4: not UTF-8"),
        (b"a: 1\nb: \x00", "line 2, column 4: a character that YAML forbids"),
        (b'a: "\\0"', "line 1, column 4: a character that YAML forbids"),
        (b'a: "\\ud800"', "line 1, column 4: a character that YAML forbids"),
        (b'a: "\\UFFFFFFFF"', "line 1, column 7: a number in an escape"),
        (b"%YAML " + b"1" * 5_000 + b".1\n---\na: 1", "line 1, column 7: a number in an escape"),
        (b"a: 1.0e999", "line 1, column 4: a number too large"),
        (b"a: " + b"[" * 5_000, "line 1, column 35: nested deeper than 32"),
        (b"a: " + b"[" * 5_000 + b"]" * 5_000, "line 1, column 35: nested deeper than 32"),
        (b"{a: " * 5_000, "line 1, column 129: nested deeper than 32"),
        (b"[a: " * 5_000, "line 1, column 65: nested deeper than 32"),
        (b"- " * 5_000, "line 1, column 65: nested deeper than 32"),
        (b"? " * 5_000, "line 1, column 3: a key must be plain text"),
        (b"".join(b" " * i + b"a:\n" for i in range(900)), "line 33, column 33: nested deeper than 32"),
        (b"#" * (DOCUMENT_BYTES_MAX + 1), "are too many"),
    ],
)
def test_an_ambiguous_value_is_an_error_with_its_place(text: bytes, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint.replace("[", r"\[")):
        parse(text)


def test_thirty_two_lists_and_mappings_may_lie_within_each_other() -> None:
    inner: object = parse(b"{a: " * 32 + b"1" + b"}" * 32)
    for _ in range(32):
        assert isinstance(inner, dict)
        inner = inner["a"]
    assert inner == 1


def test_keys_and_values_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "NODES_MAX", 6)
    assert parse(b"a: [1, 2, 3]") == {"a": [1, 2, 3]}
    with pytest.raises(DocumentError, match="line 1, column 14: more than 6 keys and values"):
        parse(b"a: [1, 2, 3, 4]")


def test_a_number_of_thousands_of_digits_is_no_number() -> None:
    assert isinstance(parse(b"a: 1" + b"_000" * 3_000)["a"], str)


_PIECES = st.sampled_from([*"ab01_-:?,[]{}#&*!|>\"'%\n \\.xU~e", "a: ", "- ", "\n  ", "\n- ", "null", "---\n", "...\n"])


@given(st.lists(_PIECES, max_size=40).map("".join))
def test_any_text_of_yamls_own_characters_is_a_mapping_or_a_document_error(text: str) -> None:
    with suppress(DocumentError):
        assert isinstance(parse(text.encode()), dict)


def test_an_error_never_quotes_the_text_around_it() -> None:
    with pytest.raises(DocumentError) as refusal:
        parse(b"kafka:\n  sasl:\n    password: hunter2: oops\n")
    assert "hunter2" not in str(refusal.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_mapping_or_a_document_error(text: bytes) -> None:
    with suppress(DocumentError):
        assert isinstance(parse(text), dict)


@pytest.mark.parametrize("file", sorted(TABLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_libyaml_reads_the_tables_as_the_strict_parser_does(file: Path) -> None:
    text = file.read_bytes()
    assert parse_shipped(text) == parse(text) != {}


@pytest.mark.parametrize("text", [b"a: [", b"a: 1\nb: \x00", b"a: &x 1\nb: *x", b"- 1", b"a: 1\na: 2", b"\xff"])
def test_a_fault_of_a_shipped_table_is_that_of_the_strict_parser(text: bytes) -> None:
    with pytest.raises(DocumentError) as strict:
        parse(text)
    with pytest.raises(DocumentError) as fast:
        parse_shipped(text)
    assert str(fast.value) == str(strict.value)
