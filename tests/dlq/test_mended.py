"""A file of mended events: every wrong line is named, none is quoted."""

import json
from pathlib import Path

import pytest

from streams.dlq import mended
from streams.dlq.letters import Coordinates, DlqError
from streams.dlq.mended import Mended, mended_file

TOPICS = ("authorizations", "fraud-reports")
SECRET = "never-shown"  # noqa: S105 -- it stands for what a line may hold


def line(**changes: object) -> str:
    fields = {"topic": "authorizations", "partition": 3, "offset": 17, "value": {"a": 1}, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mended.jsonl"


def refusal(file: Path, *lines: str, limit: int = 100) -> str:
    file.write_text("\n".join(lines))
    with pytest.raises(DlqError) as refused, mended_file(file, TOPICS, limit):
        pass
    assert SECRET not in str(refused.value)
    return str(refused.value)


def test_values_are_found_by_coordinates_unchanged(file: Path) -> None:
    file.write_bytes(
        f"{line()}\r\n\n  \n".encode()
        + b'{"value": {"b":  [1.50, "\xe9\x96\xa2"]} , "offset": 0, "partition": 0, "topic": "fraud-reports"}'
    )
    with mended_file(file, TOPICS, 2) as found:
        assert found.lines.keys() == {Coordinates("authorizations", 3, 17), Coordinates("fraud-reports", 0, 0)}
        assert found.value(Coordinates("fraud-reports", 0, 0)) == b'{"b":  [1.50, "\xe9\x96\xa2"]}'
        assert found.value(Coordinates("authorizations", 3, 17)) == b'{"a": 1}'
        assert found.at(Coordinates("fraud-reports", 0, 0)) == "mended.jsonl:4"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SECRET, "not a JSON object on one line; it must read {"),
        (f'["{SECRET}"]', "not a JSON object on one line"),
        ("\xff", "not a JSON object"),
        (line(value=...)[:-1] + ', "value": ' + "[" * 5_000, "column 579: nested deeper than 512 levels"),
        (line(offset=...), "lacks offset; it must read"),
        (line(topic=..., value=...), "lacks topic and value; it must read"),
        (line(**{SECRET: 1}), "has more than topic, partition, offset and value"),
        (line(topic=SECRET), "topic must be authorizations or fraud-reports"),
        (line(topic=7), "topic must be authorizations or fraud-reports"),
        (line(partition=-1), "partition must be a whole number of 0 or more, without quotes"),
        (line(partition=2**31), "partition must be a whole number"),
        (line(offset=f"{SECRET}"), "offset must be a whole number"),
        (line(offset=1.5), "offset must be a whole number"),
        (line(offset=2**63), "offset must be a whole number"),
    ],
)
def test_a_wrong_line_is_named_with_the_shape_it_must_have(file: Path, text: str, told: str) -> None:
    assert refusal(file, line(), text).startswith(f"mended.jsonl:2: {told}")


def test_every_wrong_line_is_named_up_to_twenty(file: Path) -> None:
    assert refusal(file, "x", line(), "y").splitlines()[1].startswith("mended.jsonl:3: ")
    told = refusal(file, *["x"] * 50).splitlines()
    assert len(told) == 21
    assert told[-1] == "mended.jsonl: more lines are wrong; mend these first"


def test_a_record_is_mended_once(file: Path) -> None:
    assert refusal(file, line(), line(offset=18), line(value={})) == (
        "mended.jsonl:3: authorizations/3/17 stands in line 1 already: keep one of them"
    )


def test_lines_and_their_number_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(file, *[line(offset=offset) for offset in range(3)], limit=2)
    assert told == "mended.jsonl: more than 2 lines: cut the file in pieces, or raise --limit"
    monkeypatch.setattr(mended, "LINE_BYTES_MAX", 200)
    assert refusal(file, line(), line(value="x" * 900), line(offset=18), "x").splitlines() == [
        "mended.jsonl:2: longer than 200 bytes",
        f"mended.jsonl:4: not a JSON object on one line; it must read {mended.SHAPE}",
    ]


def test_a_file_that_changes_meanwhile_is_noticed(file: Path) -> None:
    file.write_text(line())
    with mended_file(file, TOPICS, 2) as found:
        file.write_text(line(offset=18))
        with pytest.raises(DlqError, match=r"mended\.jsonl:1: the file was changed while it was read"):
            found.value(Coordinates("authorizations", 3, 17))


def test_an_empty_file_mends_nothing(file: Path) -> None:
    file.write_bytes(b"")
    with file.open("rb") as stream:
        assert Mended(file.name, stream, TOPICS, 1).lines == {}
