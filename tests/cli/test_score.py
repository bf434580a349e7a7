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
        (encoded(merchant={"name": number}), "refused: SENSITIVE_PAN at $.merchant.name"),
    ):
        assert score(monkeypatch, event, "--config", config) == 1
        out, err = capsys.readouterr()
        assert err == f"sekisho score: {told}\n"
        assert number not in out + err


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
