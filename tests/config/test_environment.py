"""An environment variable replaces one option of the file. A fault names the variable and never its value."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.cli.command import main
from streams.config.environment import OVERRIDES_MAX, Overrides
from streams.config.load import ConfigError, load_settings, settings_from
from streams.config.settings import Settings
from tests.examples import examples

FILE = """
kafka: {bootstrap_servers: ["kafka:9092"], sasl: {username: u, password: {env: P}}}
http: {port: 9200}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "worker.yaml"
    made.write_text(FILE)
    return made


def test_a_variable_replaces_an_option_and_leaves_its_neighbours(file: Path) -> None:
    read = load_settings(file, {"SEKISHO__KAFKA__SASL__USERNAME": "other", "SEKISHO__HTTP__HOST": "0.0.0.0"})  # noqa: S104 - parsed only
    assert read.kafka.sasl is not None
    assert (read.kafka.sasl.username, read.kafka.sasl.password.env) == ("other", "P")
    assert (read.http.host, read.http.port) == ("0.0.0.0", 9200)  # noqa: S104 - the same
    assert read.kafka.bootstrap == ("kafka:9092",)


def test_values_are_yaml(file: Path) -> None:
    read = load_settings(
        file,
        {
            "SEKISHO__KAFKA__BOOTSTRAP_SERVERS": "[a:1, 'b:2']",
            "SEKISHO__HTTP__ENABLED": "false",
            "SEKISHO__KAFKA__SASL__PASSWORD": "{file: /run/secrets/p}",
            "SEKISHO__MODEL__BUNDLE_DIR": "",
            "SEKISHO__KAFKA__PROFILE": "embedded",
        },
    )
    assert read.kafka.bootstrap == ("a:1", "b:2")
    assert read.http.enabled is False
    assert read.kafka.sasl is not None
    assert read.kafka.sasl.password.file == "/run/secrets/p"
    assert read.model.bundle_dir is None
    assert read.kafka.profile.name == "embedded"


def test_a_section_is_replaced_before_the_options_inside_it(file: Path) -> None:
    sasl = {"SEKISHO__KAFKA__SASL__USERNAME": "inner", "SEKISHO__KAFKA__SASL": "{username: outer, password: {env: Q}}"}
    read = load_settings(file, sasl).kafka.sasl
    assert read is not None
    assert (read.username, read.password.env) == ("inner", "Q")


def test_other_variables_are_not_read(file: Path) -> None:
    others = {"SEKISHO_HTTP_PORT": "x", "SEKISHO_": "x", "HTTP__PORT": "1", "XSEKISHO__HTTP__PORT": "1"}
    assert load_settings(file, others) == load_settings(file, {})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("SEKISHO__HTTP__PRT", "s3cret", "$.http.prt: unknown key; did you mean port?"),
        ("SEKISHO__HTPP__PORT", "1", "$.htpp: unknown key; did you mean http?"),
        ("SEKISHO__HTTP__PORT", "s3cret", "$.http.port: expected int, got str"),
        ("SEKISHO__HTTP__PORT", "", "$.http.port: expected int, got null"),
        ("SEKISHO__HTTP__PORT__X", "1", "$.http.port is no section, so there is no option below it"),
        ("SEKISHO__HTTP", "[s3cret]", "$.http: expected object, got array"),
        (
            "SEKISHO__KAFKA__BOOTSTRAP_SERVERS",
            "s3cret",
            "$.kafka.bootstrap_servers: expected array, got str; write",
        ),
        ("SEKISHO__KAFKA__BOOTSTRAP_SERVERS", "[1]", "$.kafka.bootstrap_servers[0]: expected str, got int"),
        ("SEKISHO__KAFKA__SASL__PASSWORD", "s3cret", "$.kafka.sasl.password: a secret is named, not written"),
        ("SEKISHO__KAFKA__PROFILE", "s3cret", "$.kafka.profile: unknown profile; known are"),
        ("SEKISHO__HTTP__PORT", "{a: s3cret", "line 1, column 11: while parsing a flow mapping"),
        ("SEKISHO__HTTP__PORT", "1\n---\n2", "line 2, column 1: expected a single document"),
        ("SEKISHO__", "1", "the name of an override is SEKISHO__"),
        ("sekisho__http__port", "1", "the name of an override is SEKISHO__"),
        ("SEKISHO__http__port", "1", "the name of an override is SEKISHO__"),
        ("SEKISHO__HTTP____PORT", "1", "the name of an override is SEKISHO__"),
        ("SEKISHO__HTTP__PORT_", "1", "the name of an override is SEKISHO__"),
    ],
)
def test_a_wrong_override_names_its_variable(file: Path, name: str, value: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_settings(file, {name: value})
    assert str(refusal.value).startswith(f"{name}: {complaint}")
    assert "s3cret" not in str(refusal.value)


def test_a_fault_of_the_file_names_the_file_beside_those_of_variables(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("http: {prt: 1}\nkafak: {}\n")
    with pytest.raises(ConfigError) as refusal:
        load_settings(file, {"SEKISHO__HTTP__HOTS": "x", "SEKISHO__KAFKA__BOOTSTRAP": "[]", "SEKISHO__KAFAK__X": "1"})
    assert [line.split(": ")[0] for line in str(refusal.value).splitlines()] == [
        "worker.yaml",
        "SEKISHO__HTTP__HOTS",
        "worker.yaml",
        "SEKISHO__KAFKA__BOOTSTRAP",
    ]


@pytest.mark.parametrize("said", ["5", "0", "[]", "''"])
def test_an_option_below_a_section_of_the_file_that_is_none_is_refused(tmp_path: Path, said: str) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text(f"http: {said}\n")
    with pytest.raises(ConfigError, match=r"^SEKISHO__HTTP__PORT: \$.http is no section"):
        load_settings(file, {"SEKISHO__HTTP__PORT": "1"})


def test_there_are_limits(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^environment: more than 1000 variables begin with SEKISHO__"):
        load_settings(file, {f"SEKISHO__A{n}": "" for n in range(OVERRIDES_MAX + 1)})
    with pytest.raises(ConfigError, match=r"^SEKISHO__A0: \$.a0: unknown key"):
        load_settings(file, {f"SEKISHO__A{n}": "" for n in range(OVERRIDES_MAX)})
    with pytest.raises(ConfigError, match=r"^SEKISHO__HTTP__HOST: more than 8,388,608 characters are too many"):
        load_settings(file, {"SEKISHO__HTTP__HOST": "x" * ((8 << 20) + 1)})


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict) and value:
        return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]
    return [(path, value)]


LEAVES = leaves(msgspec.to_builtins(Settings()))


@settings(max_examples=examples(100))
@given(st.sets(st.sampled_from(range(len(LEAVES)))))
def test_options_in_the_environment_mean_what_they_mean_in_the_file(chosen: set[int]) -> None:
    """Any split of all options into file and environment is the same configuration."""
    inside: dict[str, Any] = {}
    environment = {}
    for number, (path, value) in enumerate(LEAVES):
        if number in chosen:
            environment["SEKISHO__" + "__".join(path).upper()] = msgspec.json.encode(value).decode()
            continue
        at = inside
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = value

    assert settings_from(Overrides(environment).applied(inside), origin="x") == Settings()


def test_check_config_names_the_variables(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEKISHO__HTTP__PORT", "9300")
    assert main(["check-config", str(file)]) == 0
    out = capsys.readouterr().out
    assert "  http      127.0.0.1:9300" in out
    assert "  replaced  by environment variables: SEKISHO__HTTP__PORT" in out
    monkeypatch.delenv("SEKISHO__HTTP__PORT")
    assert main(["check-config", str(file)]) == 0
    assert "replaced" not in capsys.readouterr().out
