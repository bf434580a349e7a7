"""Unknown keys near a field of the contract, and repeated keys, are counted; the values read do not change."""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.contract.authorization import NEAR_LABELS, near_label
from scoring.decode import DecodeLimits, decode
from scoring.decode.read.fields import FIELDS
from scoring.decode.read.near import near, oddities
from scoring.decode.read.oddities import KEY_MAX, KEYS_MAX
from streams.telemetry.catalogue import CATALOGUE
from tests.events import encoded, event
from tests.examples import sample

LIMITS = DecodeLimits()
NODES = {".".join(field.path[:-1]): field.node for field in FIELDS}
NEAR = [
    ("", "threeds", "tds"),
    ("", "threeDS", "tds"),
    ("", "3ds", "tds"),
    ("", "three_d_secure", "tds"),
    ("", "TDS", "tds"),
    ("", "merchnat", "merchant"),
    ("", "Merchant", "merchant"),
    ("", "eventId", "event_id"),
    ("", "event-ts", "event_ts"),
    ("", "credentials", "credential"),
    ("", "transaction", "txn"),
    ("", "check", "checks"),
    ("tds", "transStatus", "tds.trans_status"),
    ("tds", "trans_Status", "tds.trans_status"),
    ("tds", "transStatusReason", "tds.trans_status_reason"),
    ("tds", "trans_staus", "tds.trans_status"),
    ("tds", "dsTransID", "tds.ds_trans_id"),
    ("tds", "acsTransID", "tds.acs_trans_id"),
    ("tds", "threeDSServerTransID", "tds.server_trans_id"),
    ("tds", "threeDSRequestorChallengeInd", "tds.challenge_ind"),
    ("tds", "messageVersion", "tds.version"),
    ("tds", "authenticationType", "tds.auth_type"),
    ("tds", "whiteListStatus", "tds.trust_list"),
    ("tds", "ECI", "tds.eci"),
    ("card", "panHmac", "card.pan_hmac"),
    ("card", "issuer_contry", "card.issuer_country"),
    ("merchant", "merchantCategoryCode", "merchant.mcc"),
    ("amount", "Currency", "amount.currency"),
    ("shopper", "chAccAgeInd", "shopper.account_age_ind"),
    ("shopper", "chAccChangeInd", "shopper.account_change_ind"),
    ("shopper", "chAccPwChangeInd", "shopper.password_change_ind"),
    ("shopper", "suspiciousAccActivity", "shopper.suspicious_activity"),
    ("ship", "shipAddressUsageInd", "ship.usage_ind"),
]
FAR = [
    *(
        ("", key)
        for key in ("terminal", "chip", "cards", "metadata", "tags", "ts", "txns", "", "_", "extension", "nets")
    ),
    *(("tds", key) for key in ("acquirer_bin", "eco", "status", "sdk_app_id", "x" * 65)),
    *(("merchant", key) for key in ("url", "city", "mcd", "ids", "tds")),
    *(("card", key) for key in ("expiry_hmac", "bank", "par")),
]


@pytest.mark.parametrize(("section", "key", "path"), NEAR)
def test_a_key_in_another_spelling_or_misspelt_is_near_its_field(section: str, key: str, path: str) -> None:
    assert near(NODES[section], key) == path


@pytest.mark.parametrize(("section", "key"), FAR)
def test_a_key_of_its_own_is_near_no_field(section: str, key: str) -> None:
    assert near(NODES[section], key) is None


@pytest.mark.parametrize("field", sample(FIELDS), ids=lambda field: ".".join(field.path))
def test_a_field_of_the_contract_is_no_unknown_key(field: Any) -> None:
    assert near(field.node, field.path[-1]) is None


@given(st.sampled_from(sorted(NODES.values())), st.text(max_size=70) | st.sampled_from([key for _, key, _ in NEAR]))
def test_the_label_of_the_metric_is_a_field_of_the_contract_for_any_key(node: int, key: str) -> None:
    path = near(node, key)
    assert path in {None, *(".".join(field.path) for field in FIELDS if field.node == node)}
    assert path is None or near_label(path) in NEAR_LABELS


def test_every_field_has_a_label_and_every_label_a_field() -> None:
    assert {near_label(".".join(field.path)) for field in FIELDS} == set(NEAR_LABELS)
    (metric,) = (metric for metric in CATALOGUE if metric.name == "sekisho_near_keys_total")
    assert metric.labels == {"field": NEAR_LABELS}


ASCII = [(section, key, path) for section, key, path in NEAR if section in {"", "tds", "merchant", "card", "amount"}]


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[bytes], Counter[str], int]:
    """Give events with keys inserted, and the counts that follow.

    The kernel reads some, msgspec others (a list, an escape in an id); some are refused, some end too soon.
    """
    values: list[bytes] = []
    expected: Counter[str] = Counter()
    repeated = 0
    for number in range(draw(st.integers(1, 4))):
        made = event(event_id=f"e-{number}", tds={"eci": "05", "version": "2.2.0"})
        if draw(st.booleans()):
            made["tds"]["challenge_ind"] = ["04"]
        if draw(st.booleans()):
            del made["merchant"]["country"]
        for section, key, path in draw(st.lists(st.sampled_from(ASCII), max_size=4, unique=True)):
            (made[section] if section else made)[key] = draw(st.sampled_from([1, 'a"}b', {"eci": [{}, "]"]}, None, []]))
            expected[path if "." not in path or path.startswith("tds.") else f"{section}.*"] += 1
        for section, key in draw(st.lists(st.sampled_from(FAR), max_size=3, unique=True)):
            (made[section] if section else made)[key] = draw(st.sampled_from([0.5, "", {"transStatus": "Y"}]))
        text = json.dumps(made, indent=draw(st.sampled_from([None, 1])))
        twice = draw(st.sampled_from(["", "", '"eci": "05"', '"event_id": "e-', '"terminal_": 1', '"threeDS_": {}']))
        if twice and twice in text:
            text = text.replace(twice, f"{twice.split(':')[0]}: 0, {twice}", 1)
            repeated += 1
        elif twice.startswith(('"terminal_"', '"threeDS_"')):
            text = text[:-1].rstrip() + f", {twice}, {twice}}}"
            expected["tds"] += twice.startswith('"threeDS_"')
            repeated += 1
        values.append(text.encode())
    return values, expected, repeated


@given(batches())
def test_counts_are_those_of_the_keys_put_in(batch: tuple[list[bytes], Counter[str], int]) -> None:
    values, expected, repeated = batch
    decoded = decode(values, LIMITS)
    assert dict(decoded.near_keys) == dict(+expected)
    assert decoded.repeated_keys == repeated
    found = [oddity for value in values for oddity in oddities(value)]
    assert sum(oddity.near is not None for oddity in found) == sum(expected.values()) + sum(
        value.count(b'"threeDS_"') - 1 for value in values if b'"threeDS_"' in value
    )
    assert sum(any(oddity.near is None for oddity in oddities(value)) for value in values) == repeated


def test_a_key_is_counted_once_for_each_event_that_has_it() -> None:
    values = [encoded(event_id=f"e-{n}", tds={"transStatus": "Y"} if n % 3 else {}) for n in range(300)]
    assert decode(values, LIMITS).near_keys == {"tds.trans_status": 200}
    assert decode(values, LIMITS).repeated_keys == 0


@pytest.mark.parametrize("key", ["eci", "new"])
def test_an_event_with_several_keys_twice_is_counted_once(key: str) -> None:
    twice = f'"{key}":"05","{key}":"05","{key}":"05","a":1,"a":2'
    values = [encoded()[:-1] + f',"tds":{{{twice}}}}}'.encode()] * 2
    assert decode(values, LIMITS).repeated_keys == 2


def test_unknown_keys_do_not_change_the_values_read() -> None:
    plain = encoded(tds={"trans_status": "N"})
    odd = encoded(tds={"transStatus": "Y", "trans_status": "N"}, threeds={"eci": "05"}, zzz=[1, {"eci": 2}])
    one, other = decode([plain], LIMITS), decode([odd], LIMITS)
    assert one.ints.tolist() == other.ints.tolist()
    assert one.hashes.tolist() == other.hashes.tolist()


def test_beyond_the_limit_keys_are_not_counted_and_events_are_still_read() -> None:
    many = {f"zz{number:x}": number for number in range(5 * KEYS_MAX)}
    values = [encoded(event_id="e-0", **many), encoded(event_id="e-1", threeds={})]
    assert len(decode(values, LIMITS)) == 2
    assert decode(values, LIMITS).near_keys == {}
    assert decode(values[::-1], LIMITS).near_keys == {"tds": 1}
    few = {f"zz{number:x}": number for number in range(KEYS_MAX - 1)}
    assert decode([encoded(**few, threeds={})], LIMITS).near_keys == {"tds": 1}


def test_a_key_is_noted_up_to_its_longest() -> None:
    """A name of the contract with many characters between its letters."""
    for length, count in ((KEY_MAX, {"tds": 1}), (KEY_MAX + 1, {})):
        assert decode([encoded(**{"t-ds".ljust(length, "-"): 1})], LIMITS).near_keys == count


@pytest.mark.parametrize("key", ["thre\\u0065ds", "three\\u0044s", "\\u0074ds"])
def test_an_escaped_key_is_read_like_a_plain_one(key: str) -> None:
    value = encoded()[:-1] + f',"{key}":null}}'.encode()
    known = json.loads(f'"{key}"') == "tds"
    assert decode([value], LIMITS).near_keys == ({} if known else {"tds": 1})


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_record_that_is_cut_off_is_counted_up_to_its_end(cut: int) -> None:
    value = b'{"threeds":{"a":[1,"b"]},"tds":{"transStatus":"Y"}}'
    decoded = decode([value[:-cut] or b"{", encoded()], LIMITS)
    assert len(decoded) == 1
    assert set(decoded.near_keys) <= {"tds", "tds.trans_status"}
