"""Names in pages exist: every `sekisho` command with its options, and every key of the configuration."""

import re

import pytest

from deploy.site import build
from scoring.reference.document import parse_shipped as parse
from tests.docs.test_reference import parsers

PARSERS = dict(parsers())
PAGES = build.committed()


def shown(text: str) -> list[str]:
    """List the commands of a page: lines of fenced code, and code within a line."""
    fenced = re.findall(r"^[ \t]*```\w*\n(.*?)^[ \t]*```[ \t]*$", text, re.DOTALL | re.MULTILINE)
    lines = [line.strip() for block in fenced for line in block.splitlines()]
    prose = re.sub(r"^[ \t]*```.*?^[ \t]*```[ \t]*$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = [*lines, *re.findall(r"`([^`\n]+)`", prose)]
    return [line.split(" # ")[0].split(" < ")[0].strip() for line in found if re.match(r"sekisho [a-z-]+(?!\S)", line)]


def fault(line: str) -> str | None:
    """Name the part of a command that does not exist."""
    words = line.split()
    name, rest = words[0], words[1:]
    while rest and f"{name} {rest[0]}" in PARSERS:
        name, rest = f"{name} {rest[0]}", rest[1:]
    if name == "sekisho":
        return f"no command {rest[0]}"
    options = {option for action in PARSERS[name]._actions for option in action.option_strings}
    unknown = [word for word in rest if word.startswith("--") and word.split("=")[0] not in options]
    return f"{name} has no {unknown[0]}" if unknown else None


def test_every_command_of_a_page_exists_with_its_options() -> None:
    assert [(page, line, why) for page in PAGES for line in shown(PAGES[page]) if (why := fault(line))] == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("sekisho dlq list --config w.yaml --since 2h", None),
        ("sekisho dlq redrive --yess", "sekisho dlq redrive has no --yess"),
        ("sekisho topics create --topic x", "sekisho topics create has no --topic"),
        ("sekisho replayed", "no command replayed"),
        ("sekisho train --out DIR --trees=3", None),
    ],
)
def test_a_command_that_does_not_exist_is_named(line: str, why: str | None) -> None:
    assert fault(line) == why


def test_commands_are_found_in_blocks_lists_and_lines() -> None:
    text = "Run `sekisho worker` or\n\n1. this:\n\n    ```\n    sekisho score --compact < e.json # one\n    ```\n"
    text += "\n```\nsekisho dlq list\n```\n"
    assert shown(text) == ["sekisho score --compact", "sekisho dlq list", "sekisho worker"]
    assert sum(len(shown(page)) for page in PAGES.values()) > 40


OPTION = re.compile(r"`([a-z]+(?:\.[a-z_]+)+)(?:: [^`]+)?`")


def configuration(name: str) -> object:
    return parse((build.ROOT / "deploy" / "config" / f"{name}.yaml").read_bytes())


def paths(data: object, before: str = "") -> set[str]:
    """List the paths of all keys, including sections and their members."""
    if not isinstance(data, dict):
        return set()
    found = {f"{before}{key}" for key in data}
    return found.union(*(paths(value, f"{before}{key}.") for key, value in data.items()))


SPELT_OUT = {"kafka.profile.fencing"}
"""Keys of objects that the reference configuration does not write out."""


def test_every_key_of_the_configuration_that_a_page_names_exists() -> None:
    known = set[str]().union(*(paths(configuration(name)) for name in ("reference", "policy"))) | SPELT_OUT
    for page in PAGES.keys() - {"CHANGELOG.md"}:
        named = {option for option in OPTION.findall(PAGES[page]) if option.split(".")[0] in known}
        assert named - known - NOT_KEYS == set(), page


NOT_KEYS = {"merchant.id", "merchant.mcc", "acquirer.id", "policy.yaml", "model.txt", "limits.yaml", "merchants.csv"}
"""Fields of the contract, and files."""
