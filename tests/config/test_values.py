"""A valid configuration has an effect: a value that can match nothing, or has invisible characters, is refused."""

from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from scoring.decode.rejects import TEXT_FIELDS
from scoring.decode.settings import IDENTIFIERS
from scoring.reference.document import parse
from streams.cli import main
from streams.config.load import ConfigError, settings_from
from streams.config.policies import load_policy_file
from streams.config.settings import Settings

SCOPES = "version: '1'\nglobal: {review: 1, step_up: 2, block: 3}\n"
THRESHOLDS = "thresholds: {review: 1, step_up: 2, block: 3}"
BLANK_AT_AN_END = "has a blank or line break at its beginning or end: delete it"
INVISIBLE = "has a line break, tabulator or invisible character: delete it"
NO_DIGIT = "has a digit that is none of 0 to 9: type it as one of them"


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as refusal:
        settings_from(parse(text.encode()), origin="c")
    return str(refusal.value)


def taken(text: str) -> Settings:
    return settings_from(parse(text.encode()), origin="c")


@pytest.mark.parametrize(
    ("rates", "way_out"),
    [
        ("UDS: 150.0, EUR: 160.0", "UDS: no currency known here; did you mean USD?"),
        ("usd: 150.0", "usd: no currency known here; did you mean USD?"),
        ("EUE: 160.0", "EUE: no currency known here; did you mean EUR?"),
        ("DOLLAR: 150.0", "DOLLAR: no currency known here; write the three letters of ISO 4217"),
        ("XXX: 1.0", "XXX: no currency known here"),
        ("XAU: 500000.0", "XAU: no currency known here"),
        ("'840': 150.0", "840: no currency known here; write the three letters of ISO 4217"),
    ],
)
def test_a_rate_of_no_known_currency_is_refused(rates: str, way_out: str) -> None:
    assert refused(f"decode: {{yen_per_unit: {{{rates}}}}}").startswith(f"c: $.decode: yen_per_unit names {way_out}")


def test_rates_of_known_currencies_are_accepted() -> None:
    rates = {"USD": 150.0, "EUR": 160.5, "KWD": 490.0, "KRW": 0.11}
    assert taken(f"decode: {{yen_per_unit: {msgspec.json.encode(rates).decode()}}}").decode.yen_per_unit == rates


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("$.merchnat.id", "did you mean $.merchant.id?"),
        ("$.merchant.ID", "did you mean $.merchant.id?"),
        ("merchant.id", "did you mean $.merchant.id?"),
        ("$.ids.networkTxnId", "did you mean $.ids.network_txn_id?"),
        ("$.merchant.terminal_number", "write it as $.merchant.id"),
        ("$.merchant", "did you mean $.merchant.id?"),  # an object
        ("$.amount.minor", "write it as $.merchant.id"),  # a number
        ("$.event_ts", "did you mean $.event_id?"),  # a time
        ("$.card.network", "write it as $.merchant.id"),  # a word of a closed list
    ],
)
def test_an_identifier_that_can_match_nothing_is_refused(path: str, way_out: str) -> None:
    told = refused(f"decode: {{identifiers: [{{path: $.event_id, digits: 13}}, {{path: {path}, digits: 16}}]}}")
    assert told == (
        "c: $.decode.identifiers[1]: path names no text field of auth.event.v1, label.v1, merchant.v1, "
        f"threeds-result.v1 or settlement.v1; {way_out}"
    )


def test_an_identifier_longer_than_its_field_is_refused() -> None:
    told = refused("decode: {identifiers: [{path: $.ids.stan, digits: 13}]}")
    assert told.endswith("path names a field of at most 8 characters: 13 digits never match")


@pytest.mark.parametrize(
    "path", ["$.event_id", "$.ids.rrn", "$.merchant.name", "$.label_id", "$.merchant_id", "$.checklist.attested_by"]
)
def test_an_identifier_to_a_text_field_of_the_contract_is_accepted(path: str) -> None:
    (only,) = taken(f"decode: {{identifiers: [{{path: {path}, digits: 19}}]}}").decode.identifiers
    assert (only.path, only.digits) == (path, 19)


def test_the_default_identifiers_are_fields_with_room_for_their_digits() -> None:
    assert all(TEXT_FIELDS[path] >= digits for path, digits in IDENTIFIERS)


@pytest.mark.parametrize(
    ("addresses", "place", "way_out"),
    [
        ("['PLAINTEXT://broker:9092']", "[0]", "write host:port without a protocol: kafka.tls and kafka.sasl set"),
        ("[a:9092, 'SASL_SSL://b:9093']", "[1]", "write host:port without a protocol"),
        ("['kafka://broker:9092']", "[0]", "write host:port without a protocol"),
        ("['a:9092,b:9092']", "[0]", 'one item of the list is one broker: write ["host1:port", "host2:port"]'),
        ("['PLAINTEXT://a:9092,PLAINTEXT://b:9092']", "[0]", "one item of the list is one broker"),
        ("[broker]", "[0]", "the port is missing: write host:port"),
        ("['[::1]']", "[0]", "the port is missing: write host:port"),
        ("['broker:']", "[0]", "the port must be a number from 1 to 65535"),
        ("['broker:0']", "[0]", "the port must be a number from 1 to 65535"),
        ("['broker:65536']", "[0]", "the port must be a number from 1 to 65535"),
        ("['broker:9092/x']", "[0]", "the port must be a number from 1 to 65535"),
        ("['::1:9092']", "[0]", "write an IPv6 address in brackets: [address]:port"),
        ("['user@broker:9092']", "[0]", "a host has letters, digits, '.', '-' and '_'"),
        ("['bro ker:9092']", "[0]", "a host has letters, digits, '.', '-' and '_'"),
        ("[':9092']", "[0]", "a host has letters, digits, '.', '-' and '_'"),
    ],
)
def test_an_address_of_another_form_is_refused_with_the_way_out(addresses: str, place: str, way_out: str) -> None:
    told = refused(f"kafka: {{bootstrap_servers: {addresses}}}")
    assert told.startswith(f"c: $: kafka.bootstrap_servers{place}: {way_out}")
    assert "broker:9092" not in told
    assert "user@" not in told


def test_one_text_in_place_of_a_list_is_refused_with_the_way_out() -> None:
    told = refused("kafka: {bootstrap_servers: 'a:9092,b:9092'}")
    assert told == ("c: $.kafka.bootstrap_servers: expected array, got str; write a list, one item for each: [a, b]")


def test_addresses_of_brokers_are_accepted_unchanged() -> None:
    addresses = ("127.0.0.1:9092", "broker-1.internal:9093", "[::1]:1", "kafka_2:65535")
    assert taken(f"kafka: {{bootstrap_servers: {list(addresses)}}}").kafka.bootstrap == addresses


@pytest.mark.parametrize(
    ("scope", "told"),
    [
        (f'mccs: [{{mcc: "5732\\n", {THRESHOLDS}}}]', f"$.mccs[0].mcc: {BLANK_AT_AN_END}"),
        (f'mccs: [{{mcc: " 5732", {THRESHOLDS}}}]', f"$.mccs[0].mcc: {BLANK_AT_AN_END}"),
        (f'mccs: [{{mcc: "5732\\u3000", {THRESHOLDS}}}]', f"$.mccs[0].mcc: {BLANK_AT_AN_END}"),
        (f'mccs: [{{mcc: "\\uff15\\uff17\\uff13\\uff12", {THRESHOLDS}}}]', f"$.mccs[0].mcc: {NO_DIGIT}"),
        (f'mccs: [{{mcc: "57 32", {THRESHOLDS}}}]', "$.mccs[0].mcc: expected str"),
        (f'mccs: [{{mcc: "5732", acquirer: "acq-1\\n", {THRESHOLDS}}}]', f"$.mccs[0].acquirer: {BLANK_AT_AN_END}"),
        (f'acquirers: [{{acquirer: " acq-1", {THRESHOLDS}}}]', f"$.acquirers[0].acquirer: {BLANK_AT_AN_END}"),
        (f'acquirers: [{{acquirer: "acq\\u200b-1", {THRESHOLDS}}}]', f"$.acquirers[0].acquirer: {INVISIBLE}"),
        (
            f'merchants: [{{acquirer: a, merchant: "m-1\\t", {THRESHOLDS}}}]',
            f"$.merchants[0].merchant: {BLANK_AT_AN_END}",
        ),
        (f'merchants: [{{acquirer: a, merchant: "m\\n1", {THRESHOLDS}}}]', f"$.merchants[0].merchant: {INVISIBLE}"),
        (f'merchants: [{{acquirer: a, merchant: "m\\u00a01", {THRESHOLDS}}}]', f"$.merchants[0].merchant: {INVISIBLE}"),
        (f'merchants: [{{acquirer: a, merchant: "m-\\u0661", {THRESHOLDS}}}]', f"$.merchants[0].merchant: {NO_DIGIT}"),
        ('actions: {BLOCK: "recommend_decline "}', f"$.actions.BLOCK: {BLANK_AT_AN_END}"),
    ],
)
def test_a_key_of_the_policy_that_would_match_no_event_is_refused(tmp_path: Path, scope: str, told: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(SCOPES + scope)
    with pytest.raises(ConfigError) as refusal:
        load_policy_file(file)
    assert str(refusal.value).startswith(f"policy.yaml: {told}")


def test_plain_keys_and_notes_of_several_lines_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(
        f"{SCOPES}merchants:\n- {{acquirer: 'acq 1', merchant: 'SHOP 12 \u5408', {THRESHOLDS}}}\n"
        "mccs:\n- mcc: '5732'\n  thresholds: {review: 1, step_up: 2, block: 3}\n"
        "  author: \u5c71\u7530\n  reason: |\n    Two lines,\n    \uff12\u3064\u3002\n"
    )
    policy = load_policy_file(file)
    assert policy.merchants[0].merchant == "SHOP 12 \u5408"
    assert policy.mccs[0].reason == "Two lines,\n\uff12\u3064\u3002\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('consume: {group: "sekisho\\n"}', f"$.consume.group: {BLANK_AT_AN_END}"),
        ('consume: {instance_id: "worker-1\\n"}', f"$.consume.instance_id: {BLANK_AT_AN_END}"),
        ('consume: {instance_id: {env: "HOSTNAME "}}', f"$.consume.instance_id.env: {BLANK_AT_AN_END}"),
        ('topics: {prefix: "eu.\\n"}', f"$.topics.prefix: {BLANK_AT_AN_END}"),
        ('topics: {names: {alerts: "alerts\\u200b"}}', f"$.topics.names.alerts: {INVISIBLE}"),
        ('http: {host: "127.0.0.1\\n"}', f"$.http.host: {BLANK_AT_AN_END}"),
        ('kafka: {bootstrap_servers: ["a:9092", "b:9092\\n"]}', f"$.kafka.bootstrap_servers[1]: {BLANK_AT_AN_END}"),
        ('kafka: {bootstrap_servers: ["a:\\uff19092"]}', f"$.kafka.bootstrap_servers[0]: {NO_DIGIT}"),
        ('kafka: {sasl: {username: "u\\n", password: {env: P}}}', f"$.kafka.sasl.username: {BLANK_AT_AN_END}"),
        ('kafka: {tls: {ca_file: "/etc/ca.pem\\n"}}', f"$.kafka.tls.ca_file: {BLANK_AT_AN_END}"),
        ('model: {bundle_dir: "/var\\n/bundle"}', f"$.model.bundle_dir: {INVISIBLE}"),
        (
            'decode: {identifiers: [{path: "$.merchant.id\\n", digits: 15}]}',
            f"$.decode.identifiers[0].path: {BLANK_AT_AN_END}",
        ),
        ('decode: {yen_per_unit: {"USD\\n": 150.0}}', f"$.decode.yen_per_unit: a key {BLANK_AT_AN_END}"),
    ],
)
def test_invisible_characters_are_refused_in_any_text(text: str, told: str) -> None:
    assert refused(text).startswith(f"c: {told}")


def test_a_path_may_have_any_digits() -> None:
    assert taken("model: {bundle_dir: '/var/\u8a2d\u5b9a\uff11'}").model.bundle_dir == "/var/\u8a2d\u5b9a\uff11"


def patterns(kind: inspect.Type, path: str) -> list[tuple[str, inspect.StrType]]:
    if isinstance(kind, inspect.StructType):
        return [found for field in kind.fields for found in patterns(field.type, f"{path}.{field.encode_name}")]
    if isinstance(kind, inspect.UnionType):
        return [found for part in kind.types for found in patterns(part, path)]
    if isinstance(kind, inspect.DictType):
        return patterns(kind.key_type, path) + patterns(kind.value_type, path)
    if isinstance(kind, inspect.ListType | inspect.VarTupleType):
        return patterns(kind.item_type, path)
    return [(path, kind)] if isinstance(kind, inspect.StrType) and kind.pattern is not None else []


@pytest.mark.parametrize("root", ["streams.config.settings.Settings", "scoring.policy.policy.Policy"])
def test_no_pattern_accepts_a_line_feed_at_the_end(root: str) -> None:
    """`$` also matches before a line feed."""
    module, _, name = root.rpartition(".")
    record = getattr(__import__(module, fromlist=[name]), name)
    found = patterns(inspect.type_info(record), "$")
    assert found
    for path, kind in found:
        assert kind.pattern is not None
        assert kind.pattern.endswith("\\Z") or (kind.pattern == "^[0-9]{4}$" and kind.max_length == 4), path


REPLACED = {"$.kafka.bootstrap_servers", "$.decode.identifiers"}


def test_every_list_whose_default_is_replaced_is_known() -> None:
    """A new one needs a message of check-config about what it leaves out, or must add to its default."""
    assert set(lists(Settings(), "$")) == REPLACED


def lists(record: msgspec.Struct, path: str) -> list[str]:
    found: list[str] = []
    for field in msgspec.structs.fields(record):
        value, here = getattr(record, field.name), f"{path}.{field.encode_name}"
        if isinstance(value, msgspec.Struct):
            found += lists(value, here)
        elif isinstance(value, tuple | list | dict) and value:
            found.append(here)
    return found


@pytest.mark.parametrize(
    ("identifiers", "told"),
    [
        (
            "[{path: $.merchant.id, digits: 13}]",
            ["$.ids.network_txn_id", "$.network_txn_id", "$.merchant.id", "$.merchant_id"],
        ),
        ("[]", ["$.ids.network_txn_id", "$.network_txn_id", "$.merchant.id", "$.merchant_id"]),
        (
            "[{path: $.ids.network_txn_id, digits: 15}, {path: $.network_txn_id, digits: 15}, "
            "{path: $.merchant_id, digits: 15}]",
            ["$.merchant.id"],
        ),
        (
            "[{path: $.ids.network_txn_id, digits: 15}, {path: $.network_txn_id, digits: 15}, "
            "{path: $.merchant_id, digits: 15}, {path: $.merchant.id, digits: 15}, {path: $.ids.rrn, digits: 16}]",
            [],
        ),
    ],
)
def test_a_list_of_identifiers_that_leaves_out_a_default_gets_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], identifiers: str, told: list[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"decode: {{identifiers: {identifiers}}}\n")
    assert main(["check-config", str(file)]) == 0
    out, err = capsys.readouterr()
    warned = [line for line in err.splitlines() if "decode.identifiers" in line]
    places = ", ".join(f"{path} (15 digits)" for path in told)
    assert warned == (
        [
            "sekisho check-config: warning: decode.identifiers replaces the defaults, it does not add to them: "
            f"digits of {places} are judged as card numbers; repeat the line of what is to stay"
        ]
        if told
        else []
    )
    assert ("  guard     identifiers none" in out) == (identifiers == "[]")


def test_the_default_identifiers_are_shown_without_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("decode: {depth_max: 16}\n")
    assert main(["check-config", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "  guard     identifiers $.ids.network_txn_id (15 digits), $.network_txn_id (15 digits), " in out
    assert "decode.identifiers" not in err
