"""Input that `sekisho dlq` refuses before it connects to a broker."""

from pathlib import Path

import pytest

from streams.cli import main

LINE = '{"topic": "authorizations", "partition": 0, "offset": 5}'


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "config.yaml"
    file.write_text("kafka: {bootstrap_servers: ['127.0.0.1:1'], request_timeout_s: 15}\n")
    return str(file)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["list", "--since", "soon"], "dlq list: --since soon: neither a duration"),
        (["list", "--reason", "EMTY"], "dlq list: --reason EMTY: unknown; did you mean EMPTY?"),
        (["redrive", "--limit", "0"], "dlq redrive: --limit 0: must lie between 1 and"),
        (["redrive", "--mended", "x", "--partition", "1"], "dlq redrive: --mended names its dead letters itself"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_way_out(
    config: str, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dlq", words[0], "--config", config, *words[1:]]) == 2
    assert told in capsys.readouterr().err


def test_a_wrong_mended_file_ends_with_2_and_the_line(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mended.jsonl"
    file.write_text(LINE)
    assert main(["dlq", "redrive", "--config", config, "--mended", str(file)]) == 2
    assert "sekisho dlq redrive: mended.jsonl:1: lacks value; it must read {" in capsys.readouterr().err
    assert main(["dlq", "redrive", "--config", config, "--mended", str(tmp_path / "none")]) == 3
    assert "none: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["list"], ["redrive"], ["redrive", "--yes"]])
def test_a_broker_that_cannot_be_reached_ends_with_3_and_one_line(
    config: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dlq", words[0], "--config", config, *words[1:]]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sekisho dlq {words[0]}: 127.0.0.1:1: ")
    assert len(err.splitlines()) == 1
