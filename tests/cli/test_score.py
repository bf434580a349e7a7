"""`sekisho score` decides one event through the same core as the worker."""

import io
import json
from pathlib import Path

import pytest

from streams.cli import main
from tests.bundles import bundle_files
from tests.events import encoded


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("bundle")
    for name, content in bundle_files().items():
        (folder / name).write_bytes(content)
    rows = dict.fromkeys(("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address"), 16)
    file = folder / "config.yaml"
    file.write_text(json.dumps({"model": {"bundle_dir": str(folder)}, "profiles": {"rows": rows}}))
    return str(file)


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def score(monkeypatch: pytest.MonkeyPatch, event: bytes, *words: str) -> int:
    monkeypatch.setattr("sys.stdin", _Stdin(event))
    return main(["score", *words])


def test_an_event_is_decided(
    config: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert score(monkeypatch, encoded() + b"\n", "--config", config) == 0
    printed = capfdbinary.readouterr().out
    assert printed.startswith(b'{\n  "schema_version": "decision.v1"')
    decision = json.loads(printed)
    assert decision["decision_id"] == "e-1"
    assert decision["compliance"]["known"] is False


def test_compact_is_one_line(
    config: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert score(monkeypatch, encoded(), "--config", config, "--compact") == 0
    printed = capfdbinary.readouterr().out
    assert printed.count(b"\n") == 1
    assert json.loads(printed)["decision_id"] == "e-1"


def test_the_merchants_record_counts(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    merchant = tmp_path / "merchant.json"
    checklist = {"version": "1", "items": {"SC5_CREDMASTER": {"status": "NOT_IMPLEMENTED"}}}
    merchant.write_text(json.dumps({"acquirer_id": "acq-1", "merchant_id": "m-1", "checklist": checklist}))
    assert score(monkeypatch, encoded(), "--config", config, "--merchant", str(merchant)) == 0
    compliance = json.loads(capfdbinary.readouterr().out)["compliance"]
    assert compliance["known"] is True
    assert compliance["gaps"] == ["SC5_CREDMASTER"]


@pytest.mark.parametrize(
    "record",
    [b"{}", b"[]", b"nonsense", b'{"acquirer_id": "acq-1", "merchant_id": 7}', b"[" * 5_000, b'{"a":' * 200_000],
)
def test_a_merchant_record_that_is_refused_ends_with_1(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], record: bytes
) -> None:
    merchant = tmp_path / "merchant.json"
    merchant.write_bytes(record)
    assert score(monkeypatch, encoded(), "--config", config, "--merchant", str(merchant)) == 1
    assert "sekisho score: merchant refused: " in capsys.readouterr().err


def test_a_refused_event_names_reason_and_path_and_never_the_value(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = "4000" + "0000" + "0000" + "0002"
    for event, told in (
        (b"{", "refused: MALFORMED_JSON at $"),
        (b"", "refused: EMPTY at $"),
        (b"[" * 5_000, "refused: NESTED_TOO_DEEP at $"),
        (b'{"a":' * 300_000, "refused: OVERSIZE at $"),
        (encoded(amount={"minor": -1}), "refused: OUT_OF_RANGE at $.amount.minor"),
        (encoded(event_id=number), "refused: SENSITIVE_PAN at $.event_id"),
    ):
        assert score(monkeypatch, event, "--config", config) == 1
        out, err = capsys.readouterr()
        assert err == f"sekisho score: {told}\n"
        assert number not in out + err


def test_an_event_with_a_number_in_free_text_is_decided_and_the_field_named(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = "4000" + "0000" + "0000" + "0002"
    assert score(monkeypatch, encoded(merchant={"name": number}), "--config", config) == 0
    out, err = capsys.readouterr()
    assert err == "sekisho score: decided without $.merchant.name, which held sensitive data: PAN\n"
    assert number not in out


def test_a_bundle_that_is_not_there_is_a_matter_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("model: {bundle_dir: /no/such/bundle}\n")
    assert score(monkeypatch, encoded(), "--config", str(file)) == 2
    assert "model bundle /no/such/bundle: model.txt cannot be read" in capsys.readouterr().err


def test_a_damaged_bundle_is_a_matter_of_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in bundle_files().items():
        (tmp_path / name).write_bytes(content + b" ")
    file = tmp_path / "config.yaml"
    file.write_text(f"model: {{bundle_dir: '{tmp_path}'}}\n")
    assert score(monkeypatch, encoded(), "--config", str(file)) == 2
    assert f"model bundle {tmp_path}: " in capsys.readouterr().err


def test_explain_names_unknown_keys_near_a_field_of_each_event_and_refusals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = "4000" + "0000" + "0000" + "0002"
    lines = [
        encoded(threeds={"transStatus": "Y", "secret": "hidden"}, terminal={"id": "hidden"}),
        encoded(tds={"transStatus": "hidden", "Trans-Status": "hidden", "eci": "05"}),
        b"",
        encoded(tds={"eci": "05"}).replace(b'"eci"', b'"eci":"06","eci"'),
        encoded(hidden_one={"a": 1}).replace(b'"hidden_one"', b'"hidden_one":1,"hidden_one"'),
        encoded(merchant={"mcc": None, "merchantCategoryCode": "5732"}),
        encoded(**{number: 1}),
        encoded(event_id=number),
        encoded(card={"network": "jcb"}, outcome={"response_code": "X9"}),
        encoded(),
    ]
    assert score(monkeypatch, b"\n".join(lines) + b"\n", "--explain") == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "event 1: $.threeds: unknown key; did you mean tds?",
        "event 2: $.tds.transStatus: unknown key; did you mean trans_status?",
        "event 2: $.tds.Trans-Status: unknown key; did you mean trans_status?",
        "event 3: $.tds.eci: the key comes twice; the last one counts",
        "event 4: $.*: the key comes twice; the last one counts",
        "event 5: $.merchant.merchantCategoryCode: unknown key; did you mean mcc?",
        "event 5: refused: MISSING_FIELD at $.merchant.mcc",
        "event 6: decided without $.*, which holds sensitive data: PAN",
        "event 7: refused: SENSITIVE_PAN at $.event_id",
        "event 8: $.outcome.response_code: in no list of jcb on that day; only $.outcome.approved counts",
        "9 events: 5 with keys to check, 2 refused",
    ]
    assert "hidden" not in out
    assert "X9" not in out
    assert number not in out


def test_explain_takes_one_event_over_several_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = json.dumps(json.loads(encoded(tds={"deviceChannel": "02", "ec\u2028i": "05"})), indent=2)
    assert score(monkeypatch, text.encode(), "--explain") == 0
    assert capsys.readouterr().out.splitlines() == [
        "event 1: $.tds.deviceChannel: unknown key; did you mean device_channel?",
        "event 1: $.tds.ec\\u2028i: unknown key; did you mean eci?",
        "1 events: 1 with keys to check, 0 refused",
    ]


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"a":' * 5_000, b"\xff"])
def test_explain_says_why_an_event_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: bytes
) -> None:
    assert score(monkeypatch, text, "--explain") == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("event 1: refused: ")
    assert last == "1 events: 0 with keys to check, 1 refused"
