"""`check-config` reads a configuration as a worker does; `schema` prints the shipped schemas."""

import json
from pathlib import Path

import pytest

from streams.cli import main
from tests.bundles import bundle_files

ROOT = Path(__file__).parents[2]


def test_the_reference_configuration_is_ok_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    file = ROOT / "deploy" / "config" / "reference.yaml"
    assert main(["check-config", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{file}: ok\n  brokers   127.0.0.1:9092 (apache-kafka, PLAINTEXT)\n")
    assert err.startswith("sekisho check-config: warning: model.bundle_dir is not set: ")


def test_a_misspelt_key_is_named_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("kafka: {bootstrap_server: 'x:1'}\nmodle: {}\n")
    assert main(["check-config", str(file)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "sekisho check-config: config.yaml: $.kafka.bootstrap_server: unknown key; did you mean bootstrap_servers?",
        "sekisho check-config: config.yaml: $.modle: unknown key; did you mean model?",
    ]


def test_a_file_that_nests_too_deep_is_named_in_one_line_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("kafka: " + "[" * 5_000)
    for words in (
        ["check-config", str(file)],
        ["check-config", "--policy", str(file)],
        ["worker", "--config", str(file)],
    ):
        assert main(words) == 2
        assert capsys.readouterr().err == (
            f"sekisho {words[0]}: config.yaml: line 1, column 39: nested deeper than 32 lists and mappings\n"
        )


def test_a_login_without_tls_gets_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("kafka: {sasl: {username: u, password: {env: NO_SUCH_VARIABLE}}}\nhttp: {enabled: false}\n")
    assert main(["check-config", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "SASL_PLAINTEXT" in out
    assert "  http      off" in out
    assert "travel in the clear" in err


def test_the_policy_that_a_configuration_points_at_is_checked_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: '1'\nglobal: {review: 9, step_up: 5, block: 7}\n")
    file = tmp_path / "config.yaml"
    file.write_text(f"policy: {{file: '{policy}'}}\n")
    for words in (["check-config", str(file)], ["check-config", "--policy", str(policy)]):
        assert main(words) == 2
        assert "policy.yaml: $.global: thresholds must rise" in capsys.readouterr().err


def test_a_policy_can_be_checked_on_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--policy", str(ROOT / "deploy" / "config" / "policy.yaml")]) == 0
    assert "ok, policy 1+" in capsys.readouterr().out


def test_there_must_be_something_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config"]) == 2
    assert "nothing to check" in capsys.readouterr().err


def test_a_missing_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "/no/such/file.yaml"]) == 2
    assert (
        capsys.readouterr().err
        == "sekisho check-config: /no/such/file.yaml: cannot be read: No such file or directory\n"
    )


def test_every_shipped_schema_can_be_printed_with_its_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    names = capsys.readouterr().out.split()
    assert set(names) >= {"auth.event.v1", "merchant.v1", "label.v1", "decision.v1", "alert.v1", "dead-letter.v1"}
    for name in names:
        assert main(["schema", name]) == 0
        assert "$schema" in json.loads(capsys.readouterr().out)
        assert main(["schema", name, "--example"]) == 0
        assert json.loads(capsys.readouterr().out)["schema_version"] == name


def test_a_schema_that_is_not_shipped_suggests_one_that_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "auth.event"]) == 2
    assert "did you mean auth.event.v1?" in capsys.readouterr().err


def test_the_model_can_be_loaded_with_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"model: {{bundle_dir: '{tmp_path}'}}\n")
    assert main(["check-config", "--load", str(file)]) == 2
    assert "model.txt cannot be read" in capsys.readouterr().err
    for name, content in bundle_files().items():
        (tmp_path / name).write_bytes(content)
    assert main(["check-config", "--load", str(file)]) == 0
    assert "  loaded    tests-" in capsys.readouterr().out


RULE = "{id: r, when: payment.amount_jpy > 1, action: review, mode: MODE, text: {en: e, ja: j}, author: a, reason: b}"


@pytest.mark.parametrize(
    ("policy", "is_warned"),
    [
        ("model_failure: {missing: rules_only}", True),
        ("model_failure: {acquirers: [{acquirer: a, too_old: rules_only}]}", True),
        ("model_failure: {too_old: serve, max_age_days: 3}", False),
        ("model_failure: {refused: rules_only}\nlimits: [{amount_jpy: 1}]", False),
        ("model_failure: {refused: rules_only}\nrules: [" + RULE.replace("MODE", '"on"') + "]", False),
        ("model_failure: {refused: rules_only}\nrules: [" + RULE.replace("MODE", "shadow") + "]", True),
    ],
)
def test_a_policy_that_would_allow_everything_without_a_model_is_warned_of(
    policy: str, is_warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "policy.yaml").write_text(f"version: '1'\nglobal: {{review: 1, step_up: 2, block: 3}}\n{policy}\n")
    (tmp_path / "config.yaml").write_text(f"policy: {{file: {tmp_path / 'policy.yaml'}}}\n")
    assert main(["check-config", str(tmp_path / "config.yaml")]) == 0
    assert ("is rules_only, and the policy has no limit" in capsys.readouterr().err) == is_warned
