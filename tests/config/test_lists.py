"""Files of lists beside the policy: which belong to it, what is refused, and what a change of one is."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.policy.settings import PolicySettings
from streams.config.lists import list_files, load_lists, signature
from streams.config.policies import load_policy, read_policy
from streams.config.settings import Settings
from streams.config.strict import ConfigError
from streams.kafka.settings import Topics
from streams.kafka.topics import TopicsSettings
from tests.events import token

END = "2027-01-01T00:00:00+09:00"
RULE = {"id": "stolen", "kind": "card", "direction": "deny", "action": "block", "author": "t.suzuki", "reason": "known"}


def settings_of(folder: Path | None, *rules: dict[str, Any]) -> Settings:
    inline = {"version": "1", "global": {"review": 700, "step_up": 800, "block": 900}, "lists": list(rules)}
    return Settings(policy=PolicySettings(inline=inline, lists_dir=None if folder is None else str(folder)))


def write(folder: Path, name: str, *values: str) -> Path:
    file = folder / f"{name}.csv"
    file.write_text("value,effective_to\n" + "".join(f"{value},{END}\n" for value in values))
    return file


def loaded(settings: Settings) -> Any:
    return load_lists(settings, load_policy(settings))


def fault(settings: Settings) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(settings)
    return str(caught.value)


def test_each_list_of_the_policy_is_read_from_the_file_of_its_id(tmp_path: Path) -> None:
    write(tmp_path, "stolen", token("a"), token("b"))
    write(tmp_path, "bins", "453200")
    (tmp_path / ".hidden.swp").write_text("an editor's")
    found = loaded(settings_of(tmp_path, RULE, RULE | {"id": "bins", "kind": "bin"}))
    assert len(found.table) == 3
    assert len(found.digest) == 12
    assert list(list_files(tmp_path)) == ["bins", "stolen"]


def test_the_digest_follows_the_content_and_nothing_else(tmp_path: Path) -> None:
    file, settings = write(tmp_path, "stolen", token("a")), settings_of(tmp_path, RULE)
    first, before = loaded(settings).digest, signature(tmp_path)
    os.utime(file, ns=(1, 1))
    assert signature(tmp_path) != before
    assert loaded(settings).digest == first
    write(tmp_path, "stolen", token("b"))
    assert loaded(settings).digest != first


def test_a_change_of_a_file_changes_the_digest_of_what_a_reload_reads(tmp_path: Path) -> None:
    write(tmp_path, "stolen", token("a"))
    settings = settings_of(tmp_path, RULE)
    before = read_policy(settings).digest
    assert read_policy(settings).digest == before
    write(tmp_path, "stolen", token("a"), token("b"))
    assert read_policy(settings).digest != before


def test_a_policy_without_lists_needs_no_folder_and_has_no_digest(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        found = loaded(settings_of(folder))
        assert (len(found.table), found.digest) == (0, "")


def test_what_does_not_fit_together_is_refused_with_its_way_out(tmp_path: Path) -> None:
    assert fault(settings_of(None, RULE)).endswith("has no file: policy.lists_dir is not set")
    assert fault(settings_of(tmp_path, RULE)).endswith("has no stolen.csv")
    write(tmp_path, "stolen", token("a"))
    assert "declares no list stolen: declare it under lists, or delete it" in fault(settings_of(tmp_path))
    (tmp_path / "notes.txt").write_text("")
    assert "only files that end in .csv belong here" in fault(settings_of(tmp_path, RULE))
    assert "cannot be read" in fault(settings_of(tmp_path / "missing", RULE))


def test_a_bad_line_is_named_by_file_line_and_column_without_its_value(tmp_path: Path) -> None:
    file = write(tmp_path, "stolen", token("a"))
    file.write_text(file.read_text() + f"{token('b')},tomorrow\n")
    text = fault(settings_of(tmp_path, RULE))
    assert text.startswith(f"{file}: line 3: effective_to: is no time")
    assert "tomorrow" not in text
    assert token("b") not in text


def test_all_files_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.config.lists.ENTRIES_MAX", 3)
    write(tmp_path, "stolen", token("a"), token("b"))
    assert len(loaded(settings_of(tmp_path, RULE)).table) == 2
    write(tmp_path, "more", token("a"))
    assert fault(settings_of(tmp_path, RULE, RULE | {"id": "more"})).endswith(
        "more than 3 entries in all: delete those that have ended"
    )


def test_a_list_of_the_topic_has_no_file_and_needs_the_topic_to_be_named(tmp_path: Path) -> None:
    of_topic = RULE | {"id": "live", "source": "topic"}
    settings = settings_of(None, of_topic)
    assert fault(settings) == ("the list live of the policy has source: topic: name the topic, topics.names.lists")
    named = msgspec.structs.replace(settings, topics=TopicsSettings(names=Topics(lists="lists")))
    found = loaded(named)
    assert (len(found.table), found.digest) == (0, "")
    write(tmp_path, "live", token("a"))
    beside = msgspec.structs.replace(settings_of(tmp_path, of_topic), topics=named.topics)
    assert "live.csv: the policy says source: topic for this list: delete the file, or the source" in fault(beside)
