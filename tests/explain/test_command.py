"""`sekisho explain` from files and from standard input: text, JSON, exit status, and nothing that must not be shown."""

import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from scoring.engine import Engine
from scoring.outputs import Source
from streams.cli import main
from streams.config.load import load_settings
from streams.config.wiring import build_engine
from streams.kafka.types import DAY_MS
from tests.bundles import bundle_files, bundle_until, files_until
from tests.events import encoded, event, token

AT_MS = 1_777_604_400_000
POLICY = "{version: t, global: {review: 1, step_up: 2, block: 1000}}"
CONFIG = f"policy: {{inline: {POLICY}}}\n"
REPORT = {
    "label_id": "l-1",
    "event_id": "e-1",
    "acquirer_id": "acq-1",
    "merchant_id": "m-1",
    "pan_hmac": token("card-1"),
    "label": "FRAUD",
    "source": "TC40",
    "received_ts": "2026-05-01T03:00:00Z",
}
MERCHANT = {"acquirer_id": "acq-1", "merchant_id": "m-1", "tds": {"mode": "EVERY_PAYMENT"}}


def history() -> list[dict[str, Any]]:
    """Give a merchant, three payments of a card and a report of the first one."""
    payments = [
        {"topic": "authorizations", "key": "k", "at_ms": AT_MS + n, "value": payment}
        for n, payment in enumerate((event(event_id=f"e-{n}", amount={"minor": 1_000 * n}) for n in (1, 2, 3)), 1)
    ]
    reported = {"topic": "fraud-reports", "key": "k", "at_ms": AT_MS + 2, "value": REPORT}
    merchant = {"topic": "merchants", "key": "acq-1/m-1", "at_ms": AT_MS, "value": MERCHANT}
    return [merchant, payments[0], payments[1], reported, payments[2]]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "history.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in history()))
    (tmp_path / "worker.yaml").write_text(CONFIG)
    return tmp_path


def published(config: Path) -> bytes:
    """Decide the history as a worker would, record by record, and return the last decision."""
    engine = build_engine(load_settings(config))
    engine.changelog.own(0)
    values = []
    for offset, line in enumerate(history()):
        source = Source(topic=line["topic"], partition=0, offsets=[offset], timestamps_ms=[line["at_ms"]])
        value = orjson.dumps(line["value"])
        values += take(engine, line["topic"], line["key"].encode(), value, source)
    return values[-1]


def take(engine: Engine, topic: str, key: bytes, value: bytes, source: Source) -> list[bytes]:
    if topic == "merchants":
        engine.merchant([key], [value], source, received_at_ms=AT_MS)
    elif topic == "fraud-reports":
        engine.report([value], source, received_at_ms=AT_MS + DAY_MS)
    else:
        made = engine.score([value], source, received_at_ms=AT_MS + 90, decided_at_ms=lambda: AT_MS + 95)
        return [decision for _, decision in made.decisions]
    return []


def run(files: Path, name: str, *more: str) -> int:
    words = ["explain", name, "--config", str(files / "worker.yaml")]
    return main([*words, *(() if name == "-" else ("--events", str(files / "history.jsonl"))), *more])


def test_a_decision_of_a_file_is_equal_to_the_published_one(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decision = files / "decision.json"
    decision.write_bytes(published(files / "worker.yaml") + b"\n")
    assert run(files, "e-3", "--decision", str(decision)) == 0
    out = capsys.readouterr().out
    assert "EQUAL: the recomputed decision is the published one, byte for byte" in out
    assert "recomputed from the file: 2 payments before it" in out
    assert "card_attempts_1h" in out
    assert token("card-1") not in out


def test_the_text_says_how_far_each_threshold_is_and_what_the_merchant_may_read(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = files / "other.yaml"
    policy.write_text("{version: u, global: {review: 1, step_up: 999, block: 1000}}")
    assert run(files, "e-3", "--json", "--policy", str(policy)) == 0
    found = orjson.loads(capsys.readouterr().out)["explanation"]
    score, band = found["model"]["score"], found["decision"]["band"]
    assert run(files, "e-3", "--policy", str(policy)) == 0
    out = capsys.readouterr().out
    first = f"reached, {score - 1} above" if score >= 1 else "not reached, 1 more"
    assert f"    REVIEW 1: {first}\n    STEP_UP 999: not reached, {999 - score} more\n    BLOCK 1000: off\n" in out
    assert f"score {score}, band {band}, action " in out
    assert out.count("for the merchant: ") == len(found["decision"]["reasons"])
    model = found["model"]
    assert f"base {model['base']:+.4f}" in out
    assert f"a margin of {model['margin']:+.4f}" in out
    for line in found["features"]:
        assert f"{line['name']} " in out
        assert f"{line['contribution']:+9.4f}  {line['en']}\n" in out
    assert "tds_mode: EVERY_PAYMENT" in out
    assert "status UNKNOWN, ECI UNKNOWN, liability UNKNOWN" in out or "status ABSENT" in out


def test_every_input_of_the_file_counts(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "e-3", "--json") == 0
    report = orjson.loads(capsys.readouterr().out)
    by_name = {line["name"]: line["value"] for line in report["explanation"]["features"]}
    assert by_name["card_attempts_1h"] == 2
    assert by_name["card_reports_ever"] == 1
    assert report["explanation"]["decision"]["compliance"]["known"] is True
    assert report["input"] == {
        "source": "FILE",
        "is_whole": True,
        "partitions": 1,
        "applied": {"merchants": 1, "authorizations": 2, "fraud-reports": 1},
    }
    assert report["comparison"]["result"] == "NONE"
    assert report["schema_version"] == "explanation.v1"


def test_rules_and_lists_that_hit_are_told_and_come_out_again(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"author": "a", "reason": "r"}
    policy = {
        "version": "t",
        "global": {"review": 998, "step_up": 999, "block": 1000},
        "rules": [
            {"id": "dear", "mode": mode, "when": "payment.amount_jpy >= 3000", "action": "step_up", **said}
            | {"id": f"dear-{mode}", "text": {"en": "Dear", "ja": "高額"}}
            for mode in ("on", "shadow")
        ],
        "lists": [{"id": "stolen", "kind": "card", "direction": "deny", "action": "block", **said}],
    }
    (files / "lists").mkdir()
    (files / "lists" / "stolen.csv").write_text(f"value,effective_to\n{token('card-1')},2030-01-01T00:00:00Z\n")
    place = {"inline": policy, "lists_dir": str(files / "lists")}
    (files / "worker.yaml").write_bytes(orjson.dumps({"policy": place}))
    (files / "decision.json").write_bytes(published(files / "worker.yaml"))
    assert run(files, "e-3", "--decision", str(files / "decision.json")) == 0
    out = capsys.readouterr().out
    assert "EQUAL" in out
    assert "the score alone gives ALLOW; a limit, a rule or a list changed it" in out
    assert "rule dear-on, mode on: its condition is true\n" in out
    assert "rule dear-shadow, mode shadow: its condition is true\n" in out
    assert "list stolen (deny) names its card: RAISED\n" in out
    assert "RULE:dear-on" in out
    assert "LIST_DENY" in out
    assert "for the merchant: None" not in out


@pytest.mark.parametrize(
    ("language", "caps", "words"),
    [
        ("en", {"blocks_per_hour": 1}, "it has blocked as many payments as it may in this hour, and asks for REVIEW"),
        ("ja", {"blocks_per_hour": 1}, "1時間に拒否できる件数の上限に達したため、REVIEWのみを要求"),
        ("en", {"merchant_blocks_per_hour": 1}, "as many payments as it may at this merchant in this hour"),
    ],
)
def test_a_rule_that_reached_a_cap_says_which(
    files: Path, capsys: pytest.CaptureFixture[str], language: str, caps: dict[str, int], words: str
) -> None:
    said = {"author": "a", "reason": "r", "text": {"en": "All", "ja": "全件"}}
    rule = {"id": "all", "mode": "on", "when": "payment.amount_jpy > 0", "action": "block", **said, **caps}
    policy = {"version": "t", "global": {"review": 998, "step_up": 999, "block": 1000}, "rules": [rule]}
    (files / "worker.yaml").write_bytes(orjson.dumps({"policy": {"inline": policy}}))
    assert run(files, "e-3", "--lang", language) == 0
    out = capsys.readouterr().out
    assert words in out
    assert "RULE_CAPPED" in out


def test_a_decision_of_another_policy_differs_and_says_which_file_to_name(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decision, other = files / "decision.json", files / "other.yaml"
    decision.write_bytes(published(files / "worker.yaml"))
    other.write_text("{version: u, global: {review: 800, step_up: 900, block: 1000}}")
    assert run(files, "e-3", "--decision", str(decision), "--policy", str(other)) == 1
    out = capsys.readouterr().out
    assert "DIFFERENT in these fields" in out
    assert '$.versions.policy: "t+' in out
    assert "policy: t+" in out
    assert "name its file with --policy" in out
    other.write_text(POLICY)
    assert run(files, "e-3", "--decision", str(decision), "--policy", str(other)) == 0


def folder_of(place: Path, bundle: dict[str, bytes]) -> Path:
    place.mkdir(parents=True)
    for name, content in bundle.items():
        (place / name).write_bytes(content)
    return place


def test_the_model_that_a_decision_names_decides_wherever_its_folder_is(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The configured bundle is another one; that of the decision lies beside others, or where a promotion put it."""
    decision, kept, current = files / "decision.json", files / "kept", files / "current"
    folder_of(current, bundle_files())
    (files / "worker.yaml").write_text(f'{CONFIG}model: {{bundle_dir: "{current}"}}\n')
    decision.write_bytes(published(files / "worker.yaml"))
    named = orjson.loads(decision.read_bytes())["versions"]["model"]
    given = ("--decision", str(decision))
    assert run(files, "e-3", *given) == 0
    current.rename(files / "current.previous")  # as a promotion leaves it
    folder_of(current, files_until(AT_MS))
    folder_of(kept / "one", files_until(AT_MS - 1))
    assert run(files, "e-3", *given) == 0
    (files / "current.previous").rename(files / "elsewhere")
    capsys.readouterr()
    for bundles in ((), (kept,), (kept / "one", current)):
        assert run(files, "e-3", *given, *(word for one in bundles for word in ("--bundle", str(one)))) == 1
        said = capsys.readouterr()
        assert f"model {named} decided, and its bundle is not there, name its folder by --bundle" in said.err
        assert said.out == "", "nothing is explained by another model"
    for bundles in ((files / "elsewhere",), (kept, files / "elsewhere"), (kept / "one", files / "elsewhere")):
        assert run(files, "e-3", *given, *(word for one in bundles for word in ("--bundle", str(one)))) == 0
    (files / "elsewhere").rename(kept / "two")
    assert run(files, "e-3", *given, "--bundle", str(kept)) == 0
    assert f"model {named}, policy t+" in capsys.readouterr().out
    (kept / "two" / "model.txt").write_text("tree")
    assert run(files, "e-3", *given, "--bundle", str(kept)) == 1
    assert f"model {named} decided, and its bundle is refused: model bundle {kept}/two" in capsys.readouterr().err


def test_without_a_decision_the_first_bundle_that_is_named_decides(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = folder_of(files / "one", files_until(AT_MS)), folder_of(files / "two", files_until(AT_MS - 1))
    for first, second, until_ms in ((one, two, AT_MS), (two, one, AT_MS - 1)):
        assert run(files, "e-3", "--json", "--bundle", str(first), "--bundle", str(second)) == 0
        made = orjson.loads(capsys.readouterr().out)["explanation"]["decision"]
        assert made["versions"]["model"] == bundle_until(until_ms).version


def test_a_decision_without_a_model_is_not_explained_by_one(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decision = files / "decision.json"
    made = orjson.loads(published(files / "worker.yaml"))
    made |= {"versions": made["versions"] | {"model": "none"}, "model_state": "MISSING", "status": "DEGRADED"}
    decision.write_bytes(orjson.dumps(made))
    assert run(files, "e-3", "--decision", str(decision)) == 1
    said = capsys.readouterr()
    assert "there was no model when this event was decided (MISSING)" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "cannot be read: No such file or directory; --bundle names a folder"),
        ({}, "neither it nor a folder in it has manifest.json; --bundle names a bundle"),
        ({"inner/model.txt": b"tree", ".hidden/manifest.json": b"{}"}, "neither it nor a folder in it has"),
        ({"manifest.json": b"[]"}, "manifest.json is no JSON object with a name"),
        ({"inner/manifest.json": b"[" * 100_000}, "manifest.json is no JSON object with a name"),
        ({f"{number}/manifest.json": b"{}" for number in range(257)}, "has 257 bundles, at most 256 are read"),
    ],
)
def test_a_folder_that_holds_no_bundle_is_named(
    files: Path, capsys: pytest.CaptureFixture[str], made: dict[str, bytes] | None, said: str
) -> None:
    place = files / "bundles"
    if made is not None:
        place.mkdir()
        for name, content in made.items():
            (place / name).parent.mkdir(exist_ok=True)
            (place / name).write_bytes(content)
    assert run(files, "e-3", "--bundle", str(place)) == 2
    err = capsys.readouterr().err
    assert said in err
    assert str(place) in err


def test_the_text_is_in_japanese_too(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "e-3", "--lang", "ja") == 0
    out = capsys.readouterr().out
    for words in ("比較できる公開済みの判定なし", "スコア", "特徴量", "閾値の適用元：全体", "2回"):
        assert words in out
    assert "thresholds of" not in out


def test_an_event_from_standard_input_is_scored_on_empty_profiles_and_says_so(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    number = "4" + "0" * 14 + "2"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(encoded(note=number))))
    assert run(files, "-") == 0
    out = capsys.readouterr().out
    assert "scored on empty profiles" in out
    assert "$.note: PAN" in out
    assert number not in out


def test_a_refused_event_is_named_by_reason_and_path(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(encoded(amount={"exponent": 2}))))
    assert run(files, "-") == 1
    assert "the event was refused: WRONG_EXPONENT at $.amount.exponent" in capsys.readouterr().err


def test_an_event_that_is_not_there_is_said(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(files, "e-99") == 1
    assert "there is no such event" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--since", "2h", "--events", "x"), "--since is for topics"),
        ((), "name --config FILE to read the topics"),
        (("--events", "history.jsonl", "--decision", "history.jsonl"), "it is no decision.v1"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(files)
    assert main(["explain", "e-3", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "e-3", "--events", str(files / "none.jsonl")]) == 3
    assert "none.jsonl: No such file" in capsys.readouterr().err
