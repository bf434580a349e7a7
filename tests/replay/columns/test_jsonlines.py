"""JSON lines as a table: values of any JSON type are cells, and an error names line and column, never a value."""

import json
from pathlib import Path

import orjson
import pytest

from streams.replay.columns import jsonlines, reading
from streams.replay.columns.declared import Mapping, mappings_of
from streams.replay.source import SourceError
from tests.replay.tables import COMPACT, source

LINE = {"t": 31, "customer": 596, "terminal": 3156, "amount_cents": 5716, "scenario": 0}
NESTED = """\
acquirer: a
time: {column: at.utc, unit: date-time}
card: {column: card.ref, type: text}
merchant: {column: shop, type: text}
amount: {column: money.value, unit: major, currency: EUR}
fraud: {column: flags.fraud, fraud: ["true"], genuine: ["false"]}
"""
CELL = "4x11-secret"


def table(tmp_path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    (tmp_path / "t.jsonl").write_bytes(b"\n".join(texts) + b"\n")
    return tmp_path / "t.jsonl"


def nested(tmp_path: Path) -> Mapping:
    (tmp_path / "m.yaml").write_text(NESTED)
    (mapping,) = mappings_of(str(tmp_path / "m.yaml"))
    return mapping


def events(file: Path, *mappings: Mapping) -> dict[str, dict[str, object]]:
    values = [orjson.loads(value) for chunk in source(file, *mappings).chunks() for _, value in chunk.events]
    return {event["event_id"]: event for event in values}


def test_numbers_and_texts_are_the_same_cells(tmp_path: Path) -> None:
    texts = {name: str(value) for name, value in LINE.items()}
    found = events(table(tmp_path, LINE, texts))
    assert found["h-0"] == found["h-1"] | {"event_id": "h-0"}


def test_values_in_nested_objects_are_named_by_their_path_and_amounts_are_exact(tmp_path: Path) -> None:
    line = (
        b'{"at":{"utc":"2026-03-01T00:00:00Z"},"card":{"ref":"c-\\u0031"},"shop":"s","money":{"value":%s},"flags":%s}'
    )
    amounts = (b"0.07", b"0.29", b"450359962737.13", b"1.10", b'"8"')
    flags = (b'{"fraud":true}', b'{"fraud":false}', b'{"fraud":null}', b"{}", b"null")
    file = table(tmp_path, *(line % pair for pair in zip(amounts, flags, strict=True)))
    rows = source(file, nested(tmp_path))
    found = [orjson.loads(value) for chunk in rows.chunks() for _, value in chunk.events]
    assert [event["amount"]["minor"] for event in found] == [7, 29, 45035996273713, 110, 800]
    assert len({event["card"]["pan_hmac"] for event in found}) == 1
    assert rows.labels is not None
    assert (list(rows.labels.fraud), rows.labels.unknown) == ([1, 0, 0, 0, 0], 3)


def test_a_key_with_a_point_comes_before_a_path(tmp_path: Path) -> None:
    line = {"at": {"utc": "2026-03-01T00:00:00Z"}, "card": {"ref": "x"}, "shop": "s", "flags": {"fraud": False}}
    line |= {"money": {"value": 1}, "money.value": 2}
    (event,) = events(table(tmp_path, line), nested(tmp_path)).values()
    assert event["amount"] == {"currency": "EUR", "exponent": 2, "minor": 200}


def test_a_byte_order_mark_and_windows_line_ends_change_no_row(tmp_path: Path) -> None:
    file = table(tmp_path, LINE, LINE | {"t": 32}, b"", LINE | {"t": 33})
    whole = events(file)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert events(file) == whole
    assert list(whole) == ["h-0", "h-1", "h-3"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"t": 1, "customer": "' + CELL.encode(), "line 2 (row 1): is no JSON object in UTF-8"),
        (b'{"t": 1, "customer": "\xff' + CELL.encode() + b'"}', "line 2 (row 1)"),
        (b'["' + CELL.encode() + b'"]', "line 2 (row 1): is no JSON object in UTF-8"),
        (LINE | {"customer": [CELL]}, "line 2 (row 1): column 'customer' holds an object or a list"),
        (LINE | {"terminal": CELL}, "line 2 (row 1): column 'terminal' is not a whole number"),
        (LINE | {"scenario": CELL}, "line 2 (row 1): column 'scenario' is spelt in no way"),
        (LINE | {"t": CELL}, "line 2 (row 1): column 't' is not a whole number of seconds"),
        (LINE | {"amount_cents": True}, "line 2 (row 1): column 'amount_cents' is not a whole number of minor units"),
        (json.dumps(LINE | {"customer": "\ud800" + CELL}).encode(), "line 2 (row 1)"),
        (b'{"t":' + b"[" * 5_000, "line 2 (row 1): is no JSON object in UTF-8"),
        (LINE | {"x": "y" * (jsonlines.LINE_BYTES_MAX)}, "line 2 (row 1): longer than 1,048,576 bytes"),
    ],
)
def test_a_wrong_line_is_named_by_its_number_and_column_and_never_shown(
    tmp_path: Path, line: object, told: str
) -> None:
    with pytest.raises(SourceError) as caught:
        events(table(tmp_path, LINE, line))
    links: list[BaseException | None] = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert told in str(caught.value)
    assert CELL not in "".join(map(repr, links))


def test_a_column_that_no_line_has_is_refused_and_one_that_a_later_line_has_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = {name: value for name, value in LINE.items() if name != "scenario"}
    with pytest.raises(SourceError, match="no column scenario, which mapping 'handbook-compact' needs"):
        events(table(tmp_path, sparse, sparse), COMPACT)
    assert len(events(table(tmp_path, sparse, sparse, LINE))) == 3
    monkeypatch.setattr(reading, "_BLOCK_BYTES", 10)
    with pytest.raises(SourceError, match="no column scenario"):
        events(table(tmp_path, sparse, sparse, LINE), COMPACT)


def test_pieces_are_cut_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = table(tmp_path, *(LINE | {"t": t} for t in range(7)))
    whole = events(file)
    assert [piece.num_rows for piece in jsonlines.pieces(file, ["t"], 3)] == [3, 3, 1]
    monkeypatch.setattr(jsonlines, "_PIECE_BYTES", 150)
    assert [piece.num_rows for piece in jsonlines.pieces(file, ["t"], 100)] == [2, 2, 2, 1]
    assert events(file) == whole
