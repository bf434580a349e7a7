"""The audit log says who changed what, field by field, and shows when it was tampered with."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from scoring.policy import Policy, policy_from
from streams.cli import main
from streams.policy.audit import CHANGES_MAX, AuditLog, RecordError, verify

LEVELS = {"review": 500, "step_up": 800, "block": 900}


def policy(**changes: Any) -> Policy:
    return policy_from({"version": "1", "author": "a", "global": LEVELS, **changes})


def lines(file: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in file.read_bytes().splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A log of a start, two changes by two workers, and a refusal."""
    file = tmp_path / "audit.jsonl"
    first, second = AuditLog(file, "one"), AuditLog(file, "two")
    raised = {"acquirer": "x", "thresholds": {**LEVELS, "review": 600}, "effective_from": "2026-05-01T00:00:00Z"}
    changed = policy(version="2", acquirers=[raised])
    first.started(policy())
    first.changed(policy(), changed)
    second.changed(
        changed, policy(version="3", author="c", approval={"approver": "d", "content": policy(version="3").digest})
    )
    first.refused(changed, "policy.yaml: $.global: thresholds must rise")
    return file


def test_a_change_says_old_new_who_and_each_field(file: Path) -> None:
    _, made, approved, refused = lines(file)
    old, new = policy(), made["new"]
    assert (made["event"], made["old"], new.partition("+")[0]) == ("CHANGED", old.identity, "2")
    assert (made["author"], made["approver"], made["host"]) == ("a", "", "one")
    fields = {path: (before, after) for path, before, after in made["changes"]}
    scope = "acquirers[x from 2026-05-01T00:00:00+00:00]"
    assert fields["version"] == ('"1"', '"2"')
    assert fields[f"{scope}.thresholds.review"] == ("", "600")
    assert not any(path.startswith("global") for path in fields)
    assert (approved["author"], approved["approver"], approved["host"]) == ("c", "d", "two")
    assert refused["fault"] == "policy.yaml: $.global: thresholds must rise"
    assert [line["number"] for line in lines(file)] == [1, 2, 3, 4]
    assert [line["previous"] for line in lines(file)] == ["0" * 64, *(line["hash"] for line in lines(file)[:-1])]


def test_a_whole_log_is_complete(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(verify(file)) == []
    assert main(["config", "audit", str(file)]) == 0
    assert capsys.readouterr().out == "the chain is complete\n"


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda all: [all[0], all[1].replace(b'"600"', b'"700"'), *all[2:]], ["line 2: was changed"]),
        (lambda all: [all[0], *all[2:]], ["line 2: does not follow"]),
        (
            lambda all: [all[1], all[0], *all[2:]],
            ["line 1: does not follow", "line 2: does not follow", "line 3: does"],
        ),
        (lambda all: [*all[:2], b"{}", *all[2:]], ["line 3: cannot be read", "line 4: does not follow"]),
        (lambda all: all[1:], ["line 1: does not follow"]),
    ],
)
def test_a_changed_missing_or_moved_line_is_named(
    file: Path, capsys: pytest.CaptureFixture[str], tamper: Any, told: list[str]
) -> None:
    file.write_bytes(b"\n".join(tamper(file.read_bytes().splitlines())) + b"\n")
    assert main(["config", "audit", str(file)]) == 1
    found = capsys.readouterr().out.splitlines()
    assert all(any(line.startswith(each) for line in found) for each in told), found


def test_a_log_that_ends_in_half_a_line_is_not_continued(file: Path) -> None:
    whole = file.read_bytes()
    for broken in (whole[:-1], whole[:-20], whole + b"x\n"):
        file.write_bytes(broken)
        with pytest.raises(RecordError, match="its last line cannot be read"):
            AuditLog(file, "one").started(policy())
        assert file.read_bytes() == broken


def test_many_changes_are_cut_and_counted(tmp_path: Path) -> None:
    many = [{"acquirer": f"a-{n}", "thresholds": LEVELS} for n in range(CHANGES_MAX)]
    AuditLog(tmp_path / "a", "one").changed(policy(), policy(acquirers=many))
    (line,) = lines(tmp_path / "a")
    assert len(line["changes"]) == CHANGES_MAX
    fields = len(("acquirer", *LEVELS, "reason", "author", "approver", "effective_from", "effective_to"))
    assert line["left_out"] == fields * CHANGES_MAX - CHANGES_MAX
    assert list(verify(tmp_path / "a")) == []
