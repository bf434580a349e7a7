"""The generated reference has every field, option and command, with the text of its source."""

import argparse
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from deploy.site import build, commands, contracts, features, options, shapes
from scoring.features.all import FEATURES
from streams.cli.command import FORWARDED, parser
from streams.cli.replay import RECORDED
from streams.config.settings import Settings
from tests.docs.shown import configuration, generated

ROOT = build.ROOT
SCHEMAS = {file.stem: json.loads(file.read_text()) for file in (ROOT / "scoring/contract/schemas").glob("*.json")}


def rows(page: str) -> dict[str, list[str]]:
    """Read the tables of a page: cells by the first one, without its backticks."""
    cells = [
        re.split(r" (?<!\\)\| ", line.strip("|").strip(" ")) for line in page.splitlines() if line.startswith("| `")
    ]
    return {first.strip("`"): [cell.replace("\\|", "|").strip() for cell in rest] for first, *rest in cells}


def described(schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Walk a schema by its properties: every path with its description."""
    for name, rule in schema.get("properties", {}).items():
        yield path + name, rule["description"]
        text = json.dumps({key: value for key, value in rule.items() if key != "description"})
        for below in re.findall(r'"#/\$defs/(\w+)"', text):
            step = "[]" if '"array"' in text else ".*" if '"additionalProperties"' in text else ""
            yield from described(root["$defs"][below], root, f"{path}{name}{step}.")


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_page_of_a_contract_has_every_field_with_its_meaning(name: str) -> None:
    shown = {path: cells[2] for path, cells in rows(contracts.page(name)).items()}
    expected = dict(described(SCHEMAS[name], SCHEMAS[name], ""))
    assert set(shown) == set(expected)
    for path, words in expected.items():
        assert shown[path].startswith(words), path


def test_every_contract_that_ships_has_a_page_with_its_example() -> None:
    assert contracts.names() == sorted(SCHEMAS)
    assert set(contracts.WHERE) <= set(SCHEMAS)
    pages = generated()
    for name in SCHEMAS:
        (example,) = re.findall(r"```json\n(.+?)\n```", pages[f"{build.REFERENCE}/{name}.md"], re.DOTALL)
        assert json.loads(example) == json.loads((ROOT / f"scoring/contract/examples/{name}.json").read_text())


@pytest.mark.parametrize(
    ("name", "field", "bounds", "required"),
    [
        ("auth.event.v1", "event_id", "text, 1 to 64 characters", "yes"),
        ("auth.event.v1", "event_ts", "date-time (RFC 3339)", "yes"),
        ("auth.event.v1", "merchant.mcc", "4 digits", "yes"),
        ("auth.event.v1", "amount.exponent", "integer, 0 to 4", "yes"),
        ("auth.event.v1", "amount.currency", "one of 160, `AED` to `ZWL`", "yes"),
        ("auth.event.v1", "tds", "object or null", "no"),
        ("merchant.v1", "checklist.items.*.measures", "list (0 to 16) of text, 0 to 64 characters", "no"),
        ("auth.event.v1", "txn.initiator", "`CIT`, `MIT`", "yes"),
        ("decision.v1", "score", "integer, 0 to 999", "yes"),
        ("decision.v1", "probability", "number, 0 to 1", "yes"),
        ("decision.v1", "reasons", "list (0 to 5) of object", "yes"),
        ("decision.v1", "reasons[].id", "text, 0 to 64 characters", "yes"),
        ("alert.v1", "schema_version", "`alert.v1`", "yes"),
    ],
)
def test_type_and_bounds_of_a_field_are_shown(name: str, field: str, bounds: str, required: str) -> None:
    assert rows(contracts.page(name))[field][:2] == [bounds, required]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"type": "number", "exclusiveMinimum": 0.0, "maximum": 0.5}, "number, above 0, at most 0.5"),
        ({"type": "integer", "minimum": 3}, "integer, at least 3"),
        ({"type": "string", "pattern": "a|b"}, "text `a\\|b`"),
        ({"type": "string", "minLength": 2, "maxLength": 2}, "text, 2 characters"),
        ({"type": "boolean"}, "boolean"),
        ({}, "any"),
    ],
)
def test_a_rule_is_written_in_words(rule: dict[str, Any], words: str) -> None:
    assert shapes.kind(rule, {}) == words


def leaves(data: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, data


def test_the_page_of_the_configuration_has_every_key_with_its_default_and_a_meaning_of_its_own() -> None:
    shown = rows(configuration())
    defaults = dict(leaves(json.loads(msgspec.json.encode(Settings())), ""))
    optional = {f"kafka.tls.{key}" for key in ("ca_file", "certificate_file", "key_file", "key_password")}
    optional |= {f"kafka.sasl.{key}" for key in ("username", "password", "mechanism")}
    assert set(shown) == set(defaults) | optional | {"kafka.profile"}
    for path, value in defaults.items():
        if not path.startswith("kafka.profile."):
            assert json.loads(shown[path][0].strip("`")) == value, path
    for path, (_, bounds, meaning) in shown.items():
        assert bounds not in {"", "any"}, path
        assert len(meaning.split()) > 1, f"{path}: deploy/config/reference.yaml has no comment on it"


@pytest.mark.parametrize(
    ("key", "bounds", "meaning"),
    [
        (
            "emit.ack_timeout_s",
            "number, above 0, at most 3,600",
            "Limit of all attempts of one produce. Then the worker",
        ),
        ("consume.batch_max_events", "integer, 1 to 2,048", "most events scored in one batch"),
        ("kafka.sasl.password", "`{file: PATH}` or `{env: NAME}`", "where the password is kept"),
        ("kafka.tls.key_file", "text or null", "its private key"),
        ("decode.guard", "`refuse`, `strip`", "strip removes sensitive data"),
        ("decode.identifiers", "list (0 to 32) of object", "Text fields whose digits"),
        ("topics.partitions.events", "integer, 1 to 1,024", "of all topics but those below"),
    ],
)
def test_a_key_has_the_comment_beside_it(key: str, bounds: str, meaning: str) -> None:
    cells = rows(configuration())[key]
    assert cells[1] == bounds
    assert cells[2].startswith(meaning)


def test_comments_belong_to_the_key_behind_them_and_examples_to_themselves() -> None:
    text = "a: # of a\n  b: 1 # of b\n  # Of c, in\n  # two lines.\n  c: 2\n"
    text += "  # An example:\n  # d:\n  #   e: 3 # of e\n  f: 4\n\n# g\n"
    assert options.meanings(text) == {"a": "of a", "a.b": "of b", "a.c": "Of c, in two lines.", "a.d.e": "of e"}


def test_every_section_of_the_reference_is_shown_whole() -> None:
    text = (ROOT / "deploy/config/reference.yaml").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in options.sections(text).values()]
    assert {key: value for block in blocks for key, value in block.items()} == yaml.safe_load(text)
    assert all(block in configuration() for block in options.sections(text).values())


def test_the_page_of_the_features_has_each_with_its_unit_and_meaning() -> None:
    page = features.page()
    shown = rows(page)
    assert list(shown) == sorted((item.name for item in FEATURES), key=list(shown).index)
    assert len(shown) == len(FEATURES)
    for item in FEATURES:
        assert shown[item.name][0] == item.unit
        assert shown[item.name][1].removesuffix(" (categorical)") == item.doc.rstrip(".")
        assert shown[item.name][1].endswith(" (categorical)") == item.categorical
        assert f"\n## {item.family}\n" in page


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    def below(words: str, command: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
        yield words, command
        for action in command._actions:
            for name, inner in (action.choices or {}).items() if action.nargs == argparse.PARSER else ():
                if words != "sekisho" or name not in FORWARDED:
                    yield from below(f"{words} {name}", inner)

    yield from below("sekisho", parser())
    yield f"sekisho replay {RECORDED}", importlib.import_module("streams.explain.every.command").parser()
    for name, (forwarded, _) in FORWARDED.items():
        module = "streams.replay" if name == "replay" else forwarded
        place = module if module.endswith(("cli", "command", "cli.train", "cli.backtest")) else f"{module}.command"
        yield f"sekisho {name}", importlib.import_module(place).parser()


def test_the_page_of_the_commands_has_every_option_of_every_command() -> None:
    page = commands.page()
    parts = dict(part.split("\n", 1) for part in page.split("\n## ")[1:])
    found = dict(parsers())
    assert set(parts) == set(found)
    assert {"sekisho dlq redrive", "sekisho topics create", "sekisho replay"} <= set(found)
    for words, command in found.items():
        assert parts[words].startswith(f"\n```\nusage: {words}"), words
        for action in command._actions:
            for flag in action.option_strings:
                assert re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", parts[words]), f"{words} {flag}"


def test_the_help_is_the_same_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = commands.shown(["worker"])
    monkeypatch.setenv("COLUMNS", "40")
    assert commands.shown(["worker"]) == wide
    assert Path(commands.__file__).is_relative_to(ROOT)
