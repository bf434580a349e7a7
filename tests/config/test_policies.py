"""A policy is composed of its file and of a file for each acquirer, strictly."""

from pathlib import Path
from typing import Any

import pytest

from scoring.policy import Policy, policy_from
from scoring.policy.settings import PolicySettings
from streams.config.policies import load_policy, read_policy
from streams.config.settings import Settings
from streams.config.strict import ConfigError

LEVELS = {"review": 1, "step_up": 2, "block": 3}
T = "thresholds: {review: 1, step_up: 2, block: 3}"
BASE = "version: '7'\nauthor: a\nglobal: {review: 1, step_up: 2, block: 3}\n"


def settings_of(folder: Path, base: str = BASE, **files: str) -> Settings:
    (folder / "policy.yaml").write_text(base)
    (folder / "conf.d").mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / "conf.d" / f"{name}.yaml").write_text(text)
    place = PolicySettings(file=str(folder / "policy.yaml"), acquirers_dir=str(folder / "conf.d"))
    return Settings(policy=place)


def composed(folder: Path, base: str = BASE, **files: str) -> Policy:
    return load_policy(settings_of(folder, base, **files))


def refusal(folder: Path, base: str = BASE, **files: str) -> str:
    with pytest.raises(ConfigError) as refused:
        composed(folder, base, **files)
    return str(refused.value).replace(str(folder), "F")


def test_the_files_of_acquirers_are_parts_of_one_policy(tmp_path: Path) -> None:
    base = BASE + f"mccs: [{{mcc: '5732', {T}}}]\nacquirers: [{{acquirer: acq-9, {T}}}]\n"
    signed = "effective_to: '2026-12-01T00:00:00Z', author: a, reason: r"
    first = f"acquirer: acq-1\n{T}\nauthor: b\nmerchants: [{{merchant: m, {T}}}]\nlimits: [{{amount_jpy: 5}}]\n"
    second = f"acquirer: acq-2\ngoods: [{{goods: digital, {T}}}]\noverrides: [{{{T}, {signed}}}]\n"
    second += f"suppressions: [{{mcc: '5411', {signed}}}]\nmccs: [{{mcc: '5732', {T}}}]\n"
    signature: dict[str, Any] = {"effective_to": "2026-12-01T00:00:00Z", "author": "a", "reason": "r"}
    whole = {
        "version": "7",
        "author": "a",
        "global": LEVELS,
        "acquirers": [
            {"acquirer": "acq-9", "thresholds": LEVELS},
            {"acquirer": "acq-1", "thresholds": LEVELS, "author": "b"},
        ],
        "merchants": [{"acquirer": "acq-1", "merchant": "m", "thresholds": LEVELS}],
        "limits": [{"acquirer": "acq-1", "amount_jpy": 5}],
        "goods": [{"acquirer": "acq-2", "goods": "digital", "thresholds": LEVELS}],
        "mccs": [{"mcc": "5732", "thresholds": LEVELS}, {"mcc": "5732", "acquirer": "acq-2", "thresholds": LEVELS}],
        "overrides": [{"acquirer": "acq-2", "thresholds": LEVELS, **signature}],
        "suppressions": [{"acquirer": "acq-2", "mcc": "5411", **signature}],
    }
    made = composed(tmp_path, base, one=first, two=second)
    assert made == policy_from(whole)
    assert made.identity == policy_from(whole).identity


def test_without_files_of_acquirers_the_policy_is_its_file(tmp_path: Path) -> None:
    assert composed(tmp_path).identity == composed(tmp_path, x="acquirer: acq-1\n").identity


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, one=f"acquirer: acq-1\n{T}\n")
    (tmp_path / "conf.d" / ".one.yaml.swp").write_text("x")
    (tmp_path / "conf.d" / "..2026_11").mkdir()
    assert len(load_policy(settings).acquirers) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (T, "conf.d/one.yaml: $: object missing required field acquirer"),
        ("acquirer: a\nmerchnats: []", "conf.d/one.yaml: $.merchnats: unknown key; did you mean merchants?"),
        (
            f"acquirer: a\nmerchants: [{{merchant: m, {T}, resaon: x}}]",
            "conf.d/one.yaml: $.merchants[0].resaon: unknown key; did you mean reason?",
        ),
        (
            f"acquirer: a\nmerchants: [{{merchant: m, acquirer: a, {T}}}]",
            "conf.d/one.yaml: $.merchants[0].acquirer: delete it: the file names its acquirer",
        ),
        (
            f"acquirer: a\nmerchants: [{{merchant: m, {T}}}, {{merchant: m, {T}}}]",
            "conf.d/one.yaml: $: merchants names",
        ),
        (
            "acquirer: a\nmccs: [{mcc: '5732', thresholds: {review: 3, step_up: 2, block: 9}}]",
            "conf.d/one.yaml: $.mccs[0]",
        ),
        ("acquirer: a\nmerchants: 3", "conf.d/one.yaml: $.merchants: expected array, got int"),
        ("acquirer: a\noverrides: [{}]", "conf.d/one.yaml: $.overrides[0]: object missing required field"),
        ("acquirer: [", "conf.d/one.yaml: line "),
        ("acquirer: a\nglobal: {}", "conf.d/one.yaml: $.global: unknown key"),
        ("acquirer: 'a '", "conf.d/one.yaml: $.acquirer: has a blank"),
    ],
)
def test_a_fault_in_a_file_of_an_acquirer_is_named_by_file_and_path(tmp_path: Path, text: str, complaint: str) -> None:
    assert refusal(tmp_path, one=text).startswith(complaint)


def test_one_acquirer_has_one_place(tmp_path: Path) -> None:
    assert refusal(tmp_path, one="acquirer: a", two="acquirer: a") == (
        "conf.d/two.yaml: $.acquirer: conf.d/one.yaml is about the same acquirer: keep one file"
    )
    for section, entry in (
        ("merchants", f"{{acquirer: a, merchant: m, {T}}}"),
        ("acquirers", f"{{acquirer: a, {T}}}"),
        ("limits", "{acquirer: a, amount_jpy: 1}"),
    ):
        told = refusal(tmp_path, f"{BASE}{section}: [{entry}]\n", one="acquirer: a", two="acquirer: b")
        assert told == (
            f"policy.yaml: $.{section}[0].acquirer: it has a file of its own: move the entry to conf.d/one.yaml"
        )


def test_a_file_that_would_not_be_read_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (tmp_path / "conf.d" / "acq-1.yml").write_text("acquirer: acq-1\n")
    with pytest.raises(ConfigError, match=r"conf.d/acq-1.yml: only files that end in .yaml belong here"):
        load_policy(settings)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: cannot be read: No such file"):
        load_policy(Settings(policy=PolicySettings(acquirers_dir=str(tmp_path / "nowhere"))))


def test_an_approval_can_be_required_of_the_whole_policy(tmp_path: Path) -> None:
    def required(base: str) -> Policy:
        settings = settings_of(tmp_path, base, one="acquirer: acq-1\nlimits: [{amount_jpy: 7}]\n")
        place = PolicySettings(
            file=settings.policy.file, acquirers_dir=settings.policy.acquirers_dir, approver_required=True
        )
        return load_policy(Settings(policy=place))

    digest = composed(tmp_path, one="acquirer: acq-1\nlimits: [{amount_jpy: 7}]\n").digest
    with pytest.raises(ConfigError, match=f"policy.yaml: .*: this content is not approved: .*content: {digest}"):
        required(BASE)
    assert required(f"{BASE}approval: {{approver: b, content: {digest}}}\n").digest == digest
    with pytest.raises(ConfigError, match="another person than author"):
        required(f"{BASE}approval: {{approver: a, content: {digest}}}\n")
    with pytest.raises(ConfigError, match="not approved"):
        required(f"{BASE}approval: {{approver: b, content: {digest}}}\nlimits: [{{amount_jpy: 8}}]\n")


def test_any_change_of_a_file_changes_the_digest_of_the_texts(tmp_path: Path) -> None:
    first = read_policy(settings_of(tmp_path, one="acquirer: a"))
    assert read_policy(settings_of(tmp_path, one="acquirer: a")).digest == first.digest
    others = [
        read_policy(settings_of(tmp_path, BASE + "# x\n", one="acquirer: a")),
        read_policy(settings_of(tmp_path, one="acquirer: b")),
        read_policy(settings_of(tmp_path, one="acquirer: a", two="")),
        read_policy(Settings(policy=PolicySettings(inline={"version": "1"}))),
        read_policy(Settings(policy=PolicySettings(inline={"version": "2"}))),
    ]
    assert len({first.digest, *(each.digest for each in others)}) == 6
