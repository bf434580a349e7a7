"""`sekisho config`: check, show, diff, explain and schema."""

import json
from pathlib import Path

import pytest
import yaml

from streams.cli import main
from streams.config.policies import load_policy_file
from streams.config.settings import Settings

POLICY = """
version: "7"
global: {review: 700, step_up: 850, block: 950}
acquirers:
  - {acquirer: acq-1, thresholds: {review: 600, step_up: 700, block: 800}}
mccs:
  - {mcc: "5732", thresholds: {review: 500, step_up: 600, block: 700}, author: t.suzuki, reason: resold}
overrides:
  - acquirer: acq-1
    merchant: m-1
    thresholds: {review: 400, step_up: 500, block: 600}
    effective_from: "2026-05-01T00:00:00Z"
    effective_to: "2026-06-01T00:00:00Z"
    author: t.suzuki
    reason: attack
suppressions:
  - {acquirer: acq-1, effective_to: "2026-05-15T00:00:00Z", author: t.suzuki, reason: tests, reasons: [NIGHT]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    file = tmp_path / "config.yaml"
    file.write_text(
        f"policy: {{file: '{tmp_path / 'policy.yaml'}'}}\nkafka: {{sasl: {{username: u, password: {{env: P}}}}}}\n"
    )
    return file


def explained(capsys: pytest.CaptureFixture[str], config: Path, at: str, mcc: str = "5732") -> list[str]:
    words = ["--acquirer", "acq-1", "--merchant", "m-1", "--mcc", mcc, "--at", at]
    assert main(["config", "explain", "--config", str(config), *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_explain_says_which_entries_apply_and_why(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity = load_policy_file(config.parent / "policy.yaml").identity
    not_used = "not used: a narrower entry, or an override of the same scope, goes before it"
    period = "from 2026-05-01T00:00:00+00:00; to 2026-06-01T00:00:00+00:00"
    assert explained(capsys, config, "2026-05-01T09:00:00+09:00") == [
        f"policy {identity}",
        "merchant m-1 of acq-1, category 5732 (appliances), at 2026-05-01T00:00:00+00:00",
        "thresholds: review 400, step_up 500, block 600",
        f"  overrides, acq-1/m-1: applies; {period}; author t.suzuki; reason attack",
        f"  mccs, any acquirer/5732: {not_used}; author t.suzuki; reason resold",
        f"  acquirers, acq-1: {not_used}",
        f"  global: {not_used}",
        "limit: none",
        "suppressions: 1",
        "  suppressions, acq-1: applies; to 2026-05-15T00:00:00+00:00; author t.suzuki; reason tests; up to STEP_UP; "
        "reasons NIGHT",
    ]
    later = explained(capsys, config, "2026-06-01T00:00:00Z")
    assert later[2:4] == [
        "thresholds: review 500, step_up 600, block 700",
        f"  overrides, acq-1/m-1: not in force: it has ended; {period}; author t.suzuki; reason attack",
    ]
    assert later[-2:] == [
        "suppressions: none",
        "  suppressions, acq-1: not in force: it has ended; to 2026-05-15T00:00:00+00:00; author t.suzuki; "
        "reason tests; up to STEP_UP; reasons NIGHT",
    ]
    earlier = explained(capsys, config, "2026-04-30T23:59:59Z", "5411")
    assert earlier[2:5] == [
        "thresholds: review 600, step_up 700, block 800",
        f"  overrides, acq-1/m-1: not in force: it begins later; {period}; author t.suzuki; reason attack",
        "  acquirers, acq-1: applies",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--mcc", "573"], "--mcc: four digits"),
        (["--mcc", "\N{SUPERSCRIPT TWO}573"], "--mcc: four digits"),
        (["--mcc", "5732", "--at", "yesterday"], "--at: a time of RFC 3339"),
        (["--mcc", "5732", "--at", "2026-05-01T00:00:00"], "--at: a time of RFC 3339"),
    ],
)
def test_explain_refuses_what_it_cannot_read(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["config", "explain", "--config", str(config), "--acquirer", "a", "--merchant", "m", *words]) == 2
    assert capsys.readouterr().err.startswith(f"sekisho config explain: {told}")


LISTS = """
lists:
  - {id: stolen-cards, kind: card, direction: deny, action: block, author: t.suzuki, reason: police}
  - {id: regulars, kind: account, direction: allow, acquirer: acq-1, mode: shadow, author: t.suzuki, reason: known}
  - {id: others, kind: bin, direction: deny, action: review, acquirer: acq-2, author: t.suzuki, reason: test}
"""


def with_lists(config: Path) -> Path:
    """Add lists to the policy; return the folder of their files, which has all of them."""
    folder = config.parent / "lists"
    folder.mkdir()
    for name, value in (("stolen-cards", "a"), ("regulars", "b"), ("others", "453200")):
        (folder / f"{name}.csv").write_text(f"value,effective_to\n{value},2027-01-01T00:00:00+09:00\n")
    (config.parent / "policy.yaml").write_text(POLICY + LISTS)
    config.write_text(config.read_text().replace("policy: {", f"policy: {{lists_dir: '{folder}', "))
    return folder


def test_explain_names_the_lists_of_the_acquirer(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_lists(config)
    assert explained(capsys, config, "2026-06-01T00:00:00Z")[-3:] == [
        "lists: 2; a denying one goes before an allowing one",
        "  stolen-cards: card, deny, at least BLOCK; mode on; author t.suzuki; reason police",
        "  regulars: account, allow; mode shadow; author t.suzuki; reason known",
    ]


def test_check_reads_the_files_of_the_lists(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = with_lists(config)
    assert main(["config", "check", str(config)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  lists")]
    assert line.startswith("  lists     3, with 3 entries in files, digest ")
    (folder / "others.csv").write_text("value,effective_to\n453200,soon\n")
    assert main(["config", "check", str(config)]) == 2
    told = capsys.readouterr().err
    assert "others.csv: line 2: effective_to: is no time" in told
    assert "soon" not in told


def test_diff_names_a_list_by_its_id(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_lists(config)
    changed = config.parent / "policy2.yaml"
    changed.write_text((POLICY + LISTS).replace("mode: shadow, ", ""))
    assert main(["config", "diff", "--policy", str(config.parent / "policy.yaml"), str(changed)]) == 0
    assert capsys.readouterr().out.splitlines() == ['policy lists.regulars.mode: "shadow" -> "on"']


def test_diff_names_entries_that_a_deletion_leaves_behind(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = config.parent / "policy2.yaml"
    changed.write_text(
        POLICY.replace("acquirers:\n  - {acquirer: acq-1, thresholds: {review: 600, step_up: 700, block: 800}}\n", "")
    )
    assert main(["config", "diff", "--policy", str(config.parent / "policy.yaml"), str(changed)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "policy orphans: acquirers acq-1 is deleted, and 2 entries about it stay, with the thresholds of a wider "
        "scope: overrides acq-1/m-1, suppressions acq-1"
    )


def test_diff_names_every_field_by_its_scope(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = config.parent / "new.yaml"
    changed = POLICY.replace("review: 600, step_up: 700", "review: 650, step_up: 700").replace('"7"', '"8"')
    changed = changed.replace(
        "acquirers:\n", "acquirers:\n  - {acquirer: acq-0, thresholds: {review: 1, step_up: 2, block: 3}}\n"
    )
    (config.parent / "policy2.yaml").write_text(changed.replace('"5732"', '"5733"'))
    other.write_text(config.read_text().replace("policy.yaml", "policy2.yaml") + "http: {port: 9999}\n")
    assert main(["config", "diff", str(config), str(other)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "http.port: 9464 -> 9999" in lines
    assert "policy acquirers[acq-1].thresholds.review: 600 -> 650" in lines
    assert "policy acquirers[acq-0].thresholds.block: absent -> 3" in lines
    assert 'policy mccs[any acquirer/5732].reason: "resold" -> absent' in lines
    assert 'policy version: "7" -> "8"' in lines
    assert not any("acq-1].thresholds.step_up" in line for line in lines)
    policies = [str(config.parent / name) for name in ("policy.yaml", "policy2.yaml")]
    assert main(["config", "diff", "--policy", *policies]) == 0
    assert capsys.readouterr().out.splitlines() == [
        line for line in lines if line.startswith("policy ") and ".yaml" not in line
    ]
    assert main(["config", "diff", str(config), str(config)]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_show_prints_all_settings_and_the_composed_policy(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", str(config)]) == 0
    settings, policy = yaml.safe_load_all(capsys.readouterr().out)
    assert settings["http"]["port"] == Settings().http.port
    assert settings["kafka"]["sasl"]["password"]["env"] == "P"
    again = config.parent / "again.yaml"
    again.write_text(yaml.safe_dump(policy))
    assert load_policy_file(again).identity == load_policy_file(config.parent / "policy.yaml").identity
    assert main(["config", "show", "--policy", str(again)]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == policy


def test_check_is_check_config(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", str(config)]) == 0
    first = capsys.readouterr()
    assert main(["check-config", str(config)]) == 0
    assert capsys.readouterr() == first
    config.write_text("polcy: {}")
    assert main(["config", "check", str(config)]) == 2
    assert "did you mean policy?" in capsys.readouterr().err


def test_schemas_are_of_the_records(capsys: pytest.CaptureFixture[str]) -> None:
    shown = {}
    for name in ("config", "policy", "acquirer"):
        assert main(["config", "schema", name]) == 0
        shown[name] = json.loads(capsys.readouterr().out)
    definitions = {name: schema["$defs"] for name, schema in shown.items()}
    assert set(definitions["config"]["Settings"]["properties"]) == set(Settings.__struct_fields__)
    assert definitions["policy"]["MerchantScope"]["required"] == ["acquirer", "merchant", "thresholds"]
    assert definitions["acquirer"]["MerchantScope"]["required"] == ["merchant", "thresholds"]
    assert definitions["acquirer"]["MerchantScope"]["additionalProperties"] is False
    for name in ("MerchantScope", "MccScope", "GoodsScope", "Limit", "Override", "Suppression"):
        assert "acquirer" not in definitions["acquirer"][name]["properties"]
