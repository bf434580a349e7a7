"""The tutorial's files are those that its page shows, and the program accepts its commands."""

import asyncio
import importlib
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from deploy.site import build
from scoring.clock import UNDATED
from scoring.decode import DecodeLimits, decode
from scoring.outputs import Source
from streams.cli.command import FORWARDED, parser
from streams.config.load import load_settings
from streams.config.policies import load_policy_file
from streams.config.settings import Settings
from streams.config.wiring import build_engine
from streams.kafka.topics import plan
from streams.replay import command as replay
from streams.replay.columns.declared import mappings_of
from tests.docs import payments
from tests.replay.tables import source

FOLDER = build.ROOT / "deploy" / "docs" / "tutorial"
SHOWN = ("decision_id", "score", "probability", "band", "action", "reasons")
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
thresholds: Any = importlib.import_module("deploy.docs.tutorial.thresholds")


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def commands() -> list[str]:
    return [
        line for block in blocks("") for line in block.splitlines() if re.match(r"(sekisho|python) [a-z./-]+ ", line)
    ]


def test_the_files_that_the_page_shows_are_those_in_its_folder() -> None:
    assert (FOLDER / "event.json").read_text(encoding="utf-8") in blocks("json")
    for name in ("worker.yaml", "payments.yaml"):
        assert (FOLDER / name).read_text(encoding="utf-8") in blocks("yaml"), name
    lines = (FOLDER / "payments.csv").read_text(encoding="utf-8").splitlines()
    assert "\n".join(lines[:2]) + "\n" in blocks("")


def test_the_table_is_the_one_that_its_program_makes() -> None:
    assert (FOLDER / "payments.csv").read_text(encoding="utf-8") == payments.table()


def test_the_mapping_reads_the_whole_table_as_the_page_says() -> None:
    rows = source(FOLDER / "payments.csv", *mappings_of(str(FOLDER / "payments.yaml")))
    values = [value for chunk in rows.chunks() for _, value in chunk.events]
    assert decode(values[:200], DecodeLimits()).rejects == []
    assert rows.labels is not None
    frauds = sum(rows.labels.fraud)
    assert f"{len(rows.labels.fraud):,} payments, of which {frauds} are frauds" in PAGE


def test_the_event_is_accepted_and_the_configuration_and_both_policies_too(tmp_path: Path) -> None:
    assert decode([(FOLDER / "event.json").read_bytes()], DecodeLimits()).rejects == []
    settings = load_settings(FOLDER / "worker.yaml")
    assert settings.topics.full.decisions == "first.decisions"
    text = (build.ROOT / "deploy" / "config" / "policy.yaml").read_text(encoding="utf-8")
    edited = re.sub(r'^version: "1"', 'version: "2026-12-01"', text, flags=re.MULTILINE).replace(
        "review: 700", "review: 200"
    )
    assert {'version: "2026-12-01"\n', "  review: 200\n"} <= set(blocks("yaml"))
    (tmp_path / "policy.yaml").write_text(edited, encoding="utf-8")
    assert f"policy.yaml: ok, policy {load_policy_file(tmp_path / 'policy.yaml').identity}\n" in blocks("")


def test_the_page_shows_the_decision_of_the_model_that_ships() -> None:
    """A retrained bundle gives other values: then the whole page must be run again."""
    source = Source(topic="authorizations", partition=0, offsets=[0], timestamps_ms=[UNDATED])
    value = (FOLDER / "event.json").read_bytes()
    outputs = build_engine(Settings()).score([value], source, received_at_ms=0, decided_at_ms=lambda: 0)
    decision = json.loads(outputs.decisions[0][1])
    shown = [f'  "{name}": {json.dumps(decision[name])},\n' for name in SHOWN]
    assert "".join(shown) in blocks("")


def test_the_page_names_every_topic_of_this_release() -> None:
    settings = load_settings(FOLDER / "worker.yaml")
    made = [f"created  {one.name}  {one.partitions} partition(s)\n" for one in plan(settings.topics)]
    assert "".join(made) in blocks("")
    full = settings.topics.full
    inputs = (full.authorizations, full.authorization_outcomes, full.fraud_reports, full.merchants)
    assert any(f"  in        {', '.join(inputs)}\n" in block for block in blocks(""))


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_page_is_accepted(line: str) -> None:
    program, *words = shlex.split(line.split(" < ", maxsplit=1)[0])
    if program == "python":
        assert (FOLDER / words[0]).is_file()
        return
    if words[0] not in FORWARDED:
        parser().parse_args(words)
        return
    assert words[0] == "replay"
    replay.parser().parse_args(words[1:])


def test_the_counts_by_threshold_are_those_of_the_rows() -> None:
    scored, frauds = {0: 100, 1: 250, 2: 300, 3: 900}, {1, 3, 9}
    head, *rows = thresholds.lines(scored, frauds, [250, 301, 950])
    assert head.split() == ["score", "events", "share", "frauds", "found", "false", "per", "fraud"]
    assert [row.split() for row in rows] == [
        ["250", "3", "75.0%", "2", "66.7%", "0.5"],
        ["301", "1", "25.0%", "1", "33.3%", "0.0"],
        ["950", "0", "0.0%", "0", "0.0%", "-"],
    ]
    assert thresholds.lines({}, set(), [500])[1].split() == ["500", "0", "0.0%", "0", "0.0%", "-"]


def test_scores_and_bands_are_read_to_the_end_of_every_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    logs = {0: [("0", 100, "ALLOW"), ("1", 700, "REVIEW")], 1: [("2", 990, "BLOCK")]}

    class Record:
        def __init__(self, row: tuple[str, int, str]) -> None:
            self.value = json.dumps(dict(zip(("decision_id", "score", "band"), row, strict=True))).encode()

    class Consumer:
        """A consumer that returns one record at a time, and nothing behind the end."""

        def __init__(self, **_: Any) -> None:
            self.at = dict.fromkeys(logs, 0)

        async def __aenter__(self) -> "Consumer":
            return self

        async def __aexit__(self, *_: object) -> None: ...

        async def topics(self) -> None: ...

        def partitions_for_topic(self, _: str) -> set[int]:
            return set(logs)

        def assign(self, _: Any) -> None: ...

        async def end_offsets(self, parts: Any) -> dict[Any, int]:
            return {part: len(logs[part.partition]) for part in parts}

        async def seek_to_beginning(self, *_: Any) -> None: ...

        async def position(self, part: Any) -> int:
            return self.at[part.partition]

        async def getmany(self, timeout_ms: int) -> dict[int, list[Record]]:
            assert timeout_ms > 0
            part = next(number for number, rows in logs.items() if self.at[number] < len(rows))
            self.at[part] += 1
            return {part: [Record(logs[part][self.at[part] - 1])]}

    monkeypatch.setattr(thresholds, "AIOKafkaConsumer", Consumer)
    found = asyncio.run(thresholds.decided("host:1", "decisions"))
    assert found == {"0": (100, "ALLOW"), "1": (700, "REVIEW"), "2": (990, "BLOCK")}
