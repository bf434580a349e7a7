"""A configuration is read as written, or an error names the place of the fault."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.decode import DecodeLimits
from scoring.policy.settings import PolicySettings
from scoring.profile import Entity, ProfileLimits
from scoring.profile.settings import ProfileRows
from scoring.reference.document import parse
from streams.config.load import ConfigError, load_settings, settings_from
from streams.config.policies import default_policy, load_policy
from streams.config.settings import Settings
from streams.config.wiring import engine_settings
from streams.kafka.settings import APACHE_KAFKA, EMBEDDED
from streams.kafka.topics import plan
from streams.state.check import COMPACTION_LAG_MIN_MS
from streams.state.settings import State
from streams.worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "deploy" / "config" / "reference.yaml"


def read(text: str) -> Settings:
    return settings_from(parse(text.encode()), origin="config.yaml")


def paths(data: Any, path: str = "$") -> Iterator[str]:
    if isinstance(data, dict) and data:
        for key, value in data.items():
            yield from paths(value, f"{path}.{key}")
    else:
        yield path


def test_the_reference_configuration_equals_the_defaults() -> None:
    assert load_settings(REFERENCE) == Settings()


def test_the_reference_configuration_names_every_option() -> None:
    shown = parse(REFERENCE.read_bytes())
    assert shown["kafka"]["profile"] == "apache-kafka"
    shown["kafka"]["profile"] = msgspec.to_builtins(APACHE_KAFKA)
    assert set(paths(shown)) == set(paths(msgspec.to_builtins(Settings())))


def test_an_empty_configuration_is_the_default() -> None:
    assert read("") == Settings()


def test_the_defaults_are_those_of_the_parts_themselves() -> None:
    assert Settings().worker == WorkerSettings()
    assert msgspec.structs.asdict(ProfileRows()) == asdict(ProfileLimits())
    settings = engine_settings(Settings())
    assert settings.decode == DecodeLimits()
    assert settings.profiles == ProfileLimits()


def test_the_policy_beside_the_reference_is_the_one_in_the_package() -> None:
    assert (ROOT / "deploy" / "config" / "policy.yaml").read_bytes() == default_policy()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kafka: {bootstrap_server: x}", "$.kafka.bootstrap_server: unknown key; did you mean bootstrap_servers?"),
        ("kafak: {}", "$.kafak: unknown key; did you mean kafka?"),
        ("topics: {names: {alert: x}}", "$.topics.names.alert: unknown key; did you mean alerts?"),
        ("kafka: {sasl: {user: x}}", "$.kafka.sasl.user: unknown key; did you mean username?"),
        ("http: {zzz: 1}", "$.http.zzz: unknown key; known are enabled, host, port"),
        ("kafka: {profile: embeded}", "$.kafka.profile: unknown profile; did you mean embedded?"),
        ("kafka: {profile: 3}", "$.kafka.profile: expected object, got int"),
        ("http: {port: 70000}", "$.http.port: expected int <= 65535"),
        ("http: {port: '80'}", "$.http.port: expected int, got str"),
        ("consume: {group: 7}", "$.consume.group: expected str, got int; put it in quotes"),
        ("kafka: []", "$.kafka: expected object, got array"),
        ("kafka: {bootstrap_servers: []}", "$.kafka.bootstrap_servers: expected array of length >= 1"),
        (
            "decode: {yen_per_unit: {usd: 150}}",
            "$.decode: yen_per_unit names usd: no currency known here; did you mean USD?",
        ),
        ("decode: {yen_per_unit: {USD: 0.0}}", "$.decode.yen_per_unit[...]: expected float > 0.0"),
        ("decode: {yen_per_unit: {JPY: 1}}", "$.decode: yen_per_unit must not name JPY"),
        ("profiles: {rows: {card: 1000}}", "$.profiles.rows: card must be a power of two: 1024 is the next"),
        ("profiles: {joined: [CARD]}", "$.profiles.joined[0]: invalid enum value 'CARD'"),
        ("profiles: {joined: [IP, IP]}", "$.profiles: joined names an entity twice"),
        ("topics: {min_insync_replicas: 2}", "$.topics: min_insync_replicas must not exceed replication_factor"),
        ("topics: {names: {alerts: decisions}}", "$.topics: names.decisions and names.alerts are the same topic"),
        ("topics: {names: {alerts: 'a b'}}", "$.topics: names.alerts: Kafka allows letters"),
        ("topics: {prefix: 'a/'}", "$.topics.prefix: expected str matching regex"),
        ("policy: {file: a.yaml, inline: {}}", "$.policy: file and inline exclude each other"),
        ("watch: {stall_s: 5}", "$: watch.stall_s must exceed emit.ack_timeout_s"),
        ("watch: {restore_stall_s: 90}", "$: watch.restore_stall_s must exceed state.read_timeout_s and"),
        ("state: {read_timeout_s: 120}", "$: watch.restore_stall_s must exceed state.read_timeout_s and"),
        ("watch: {drain_s: 5}", "$: watch.drain_s must not be below emit.request_timeout_s"),
        ("emit: {request_timeout_s: 61}", "$: emit.request_timeout_s must not exceed emit.ack_timeout_s"),
        (
            "consume: {record_batch_max_bytes: 1048575}",
            "$.consume: record_batch_max_bytes must not be below fetch_max_partition_bytes",
        ),
        (
            "consume: {in_flight_max_bytes: 16777215}",
            "$.consume: in_flight_max_bytes must not be below record_batch_max_bytes",
        ),
        (
            "consume: {record_batch_max_bytes: 1048576}\ndecode: {bytes_max: 1000000}",
            "$: consume.record_batch_max_bytes must be twice decode.bytes_max",
        ),
        ("kafka: {request_timeout_s: 10}", "$: kafka.request_timeout_s must not be below"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path_and_the_way_out(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read(text)
    assert str(refusal.value).startswith(f"config.yaml: {complaint}")


def test_all_misspelt_keys_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        read("kafka: {bootstrap: 1}\nhtpp: {}\ntopics: {partition: {}}")
    assert [line.split(": ")[1] for line in str(refusal.value).splitlines()] == [
        "$.kafka.bootstrap",
        "$.htpp",
        "$.topics.partition",
    ]


@given(st.sampled_from(sorted(paths(msgspec.to_builtins(Settings())))), st.text("abcxyz_", min_size=1, max_size=5))
def test_a_key_unknown_anywhere_is_named_by_its_path(path: str, suffix: str) -> None:
    *sections, key = path.removeprefix("$.").split(".")
    misspelt = f"{key}{suffix}"
    document: dict[str, Any] = {misspelt: 1}
    for section in reversed(sections):
        document = {section: document}
    if misspelt in Settings.__struct_fields__:
        return
    with pytest.raises(ConfigError) as refusal:
        settings_from(document, origin="c")
    assert str(refusal.value).startswith(f"c: $.{'.'.join([*sections, misspelt])}: unknown key; ")


def test_broker_traits_are_given_by_name_or_in_full() -> None:
    assert read("kafka: {profile: embedded}").kafka.profile == EMBEDDED
    spelt_out = "{name: x, idempotent_producer: true, session_timeout_s: 20, heartbeat_interval_s: 5}"
    assert read(f"kafka: {{profile: {spelt_out}}}").kafka.profile.session_timeout_s == 20


def test_a_secret_is_named_and_never_written() -> None:
    with pytest.raises(ConfigError) as refusal:
        read("kafka: {sasl: {username: sekisho, password: hunter2}}")
    assert str(refusal.value) == (
        "config.yaml: $.kafka.sasl.password: a secret is named, not written: {file: PATH} or {env: NAME}"
    )
    settings = read("kafka: {sasl: {username: sekisho, password: {env: SEKISHO_TEST_PASSWORD}}}")
    assert settings.kafka.sasl is not None
    assert settings.kafka.sasl.password.env == "SEKISHO_TEST_PASSWORD"


def test_a_secret_given_under_any_other_key_is_not_repeated_in_the_error() -> None:
    for text in (
        "kafka: {password: hunter2}",
        "kafka: {sasl: {secret: hunter2}}",
        "kafka: hunter2",
        "kafka: [hunter2]",
    ):
        with pytest.raises(ConfigError) as refusal:
            read(text)
        assert "hunter2" not in str(refusal.value)


def test_a_prefix_goes_before_every_topic() -> None:
    topics = read(
        "topics: {prefix: 'eu.', names: {alerts: cases, threeds_results: tds, settlements: paid, lists: known}}"
    ).worker.topics
    assert {getattr(topics, name) for name in topics.__struct_fields__} == {
        "eu.authorizations",
        "eu.authorization-outcomes",
        "eu.fraud-reports",
        "eu.known",
        "eu.merchants",
        "eu.decisions",
        "eu.cases",
        "eu.dead-letters",
        "eu.card-profiles",
        "eu.shared-profiles",
        "eu.tds",
        "eu.paid",
    }


def test_topics_that_belong_together_have_equal_partitions_and_merchants_are_compacted() -> None:
    plans = {topic.name: topic for topic in plan(read("topics: {partitions: {events: 12}}").topics)}
    assert {name for name, topic in plans.items() if topic.partitions == 12} == {
        "authorizations",
        "authorization-outcomes",
        "fraud-reports",
        "decisions",
        "card-profiles",
        "shared-profiles",
    }
    for name in ("card-profiles", "shared-profiles"):
        assert plans[name].configs["cleanup.policy"] == "compact"
        assert int(plans[name].configs["min.compaction.lag.ms"]) >= COMPACTION_LAG_MIN_MS
        assert int(plans[name].configs["max.message.bytes"]) >= State().batch_max_bytes
    assert plans["merchants"].configs["cleanup.policy"] == "compact"
    assert "retention.ms" not in plans["merchants"].configs
    assert plans["authorizations"].configs["retention.ms"] == str(7 * 86_400_000)


def test_joined_entities_reach_the_decoder_by_their_place() -> None:
    limits = engine_settings(read("profiles: {joined: [DEVICE, IP]}")).decode
    assert limits.joined == {int(Entity.DEVICE), int(Entity.IP)}


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.yaml")


POLICY = """
version: "7"
global: {review: 1, step_up: 2, block: 3}
"""


def test_a_policy_comes_from_its_file_from_inline_or_from_the_package(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    by_file = load_policy(Settings(policy=PolicySettings(file=str(file))))
    inline = load_policy(Settings(policy=PolicySettings(inline=parse(POLICY.encode()))))
    assert by_file == inline
    assert by_file.everywhere.block == 3
    assert load_policy(Settings()).version == "1"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("globl: {}", "$.globl: unknown key; did you mean global?"),
        (
            "mccs: [{mcc: 5732, thresholds: {review: 1, step_up: 2, block: 3}}]",
            "$.mccs[0].mcc: expected str, got int",
        ),
        ("mccs: [{mcc: '5732', thresholds: {reveiw: 1}}]", "$.mccs[0].thresholds.reveiw: unknown key; did you mean"),
        ("acquirers: [{acquirer: a, thresholds: {review: 9, step_up: 2, block: 3}}]", "$.acquirers[0].thresholds"),
    ],
)
def test_a_wrong_policy_is_named_by_file_and_path(tmp_path: Path, change: str, complaint: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY + change)
    with pytest.raises(ConfigError) as refusal:
        load_policy(Settings(policy=PolicySettings(file=str(file))))
    assert str(refusal.value).startswith(f"policy.yaml: {complaint}")
