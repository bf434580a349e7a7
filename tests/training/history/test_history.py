"""From a history to rows: the bits of live scoring, labels of the day, the same after an interruption."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import lightgbm
import numpy as np
import orjson
import pytest

from models.training import history
from models.training.history import _fingerprint, collect
from models.training.matrix import Samples, replay
from models.training.records import Record
from models.training.train import Plan, label_lines, split, train
from scoring.decode import DecodeLimits
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.observer import Observer, Settings
from scoring.profile import ProfileLimits
from tests.examples import is_quick, sample
from tests.training.bundled import train_bundle
from tests.training.test_training import SETTINGS, recorded

DAY_MS = 86_400_000
TIGHT = Settings(
    decode=DecodeLimits(), profiles=ProfileLimits(**dict.fromkeys(ProfileLimits.__dataclass_fields__, 1 << 7))
)
"""Profiles so few that rows are evicted all the time."""
PLAN = Plan(name="test", source="a test", seed=5, trees=8, calibration_share=0.3, test_share=0.3)
MATURITY_MS = DAY_MS // 4


class Recorded:
    """Records of a test as a history. `stops_at`: the place at which reading fails, as in a crash."""

    source, total, settings = "a test", None, SETTINGS

    def __init__(self, records: list[Record], *, name: str = "1", days: int | None = None, stops_at: int = -1) -> None:
        self._records, self.fingerprint, self.maturity_days, self._stops_at = records, name, days, stops_at
        self.left_out: Mapping[str, int] = {"column 'x' is blank": 2}
        self.read = 0

    def records(self) -> Iterator[Record]:
        for place, record in enumerate(self._records):
            if place == self._stops_at:
                raise InterruptedError
            self.read += 1
            yield record


def traffic() -> list[Record]:
    records, _ = recorded()
    return records[: len(records) * 6 // 10] if is_quick() else records


def collected(
    directory: Path,
    history: Recorded,
    told: list[str] | None = None,
    every: int = 1 << 18,
    settings: Settings = SETTINGS,
) -> Samples:
    lines = [] if told is None else told
    return collect(history, directory, settings, maturity_ms=MATURITY_MS, tell=lines.append, checkpoint_rows=every)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Give the rows of all records, without an interruption."""
    return collected(tmp_path_factory.mktemp("whole"), Recorded(traffic()))


@pytest.fixture(scope="module")
def files(whole: Samples) -> dict[str, bytes]:
    """Give the bundle that was trained on them."""
    return train_bundle(whole, PLAN)[0]


def test_the_rows_have_the_bits_of_live_scoring_event_by_event(whole: Samples) -> None:
    matrix = whole.matrix[:]
    assert matrix.tobytes() == np.asarray(replay(traffic(), {}, SETTINGS).matrix).tobytes()
    observer, row = Observer(SETTINGS), 0
    for record in traffic()[:700]:
        if record.topic == "merchants":
            observer.merchant([record.key], [record.value])
        elif record.topic == "fraud-reports":
            observer.report([record.value or b""], [record.at_ms])
        else:
            live = observer.observe([record.value or b""], [record.at_ms])
            if not live.repeats[0]:
                assert live.matrix[0].tobytes() == matrix[row].tobytes()
                row += 1
    assert row > 400


@pytest.mark.parametrize("stops_at", sample([2_500, 4_001, 8_000]))
def test_an_interrupted_run_goes_on_from_its_checkpoint_with_the_same_rows(
    tmp_path: Path, whole: Samples, stops_at: int
) -> None:
    with pytest.raises(InterruptedError):
        collected(tmp_path / "parts", Recorded(traffic(), stops_at=stops_at), every=700)
    told: list[str] = []
    again = collected(tmp_path / "parts", Recorded(traffic()), told, every=700)
    assert any(line.startswith("resumed after") for line in told)
    assert again.matrix[:].tobytes() == whole.matrix[:].tobytes()
    for name in ("event_ms", "amount_jpy", "card", "fraud", "known_ms"):
        assert getattr(again, name).tobytes() == getattr(whole, name).tobytes(), name
    assert (again.skipped, again.unmatched) == (whole.skipped, whole.unmatched)
    assert "column 'x' is blank" in again.skipped
    third = Recorded(traffic())
    assert collected(tmp_path / "parts", third).matrix[:].tobytes() == whole.matrix[:].tobytes()
    assert third.read == 0, "finished rows are read from their files"
    assert not list((tmp_path / "parts").glob("profiles-*"))


def test_rows_that_were_evicted_before_an_interruption_are_those_evicted_without_it(tmp_path: Path) -> None:
    some = traffic()[:3_000]
    whole = collected(tmp_path / "whole", Recorded(some), settings=TIGHT)
    assert whole.matrix[:].tobytes() != collected(tmp_path / "wide", Recorded(some)).matrix[:].tobytes()
    with pytest.raises(InterruptedError):
        collected(tmp_path / "parts", Recorded(some, stops_at=2_000), every=300, settings=TIGHT)
    again = collected(tmp_path / "parts", Recorded(some), every=300, settings=TIGHT)
    assert again.matrix[:].tobytes() == whole.matrix[:].tobytes()


def test_another_process_resumes_the_same_run() -> None:
    """Sets have another order in each process, as the hashes of texts have."""
    program = (
        "import sys, types\n"
        "package = types.ModuleType('models.training')\n"
        "package.__path__ = ['models/training']\n"
        "sys.modules['models.training'] = package  # without the command\n"
        "sys.modules['lightgbm'] = types.SimpleNamespace(Sequence=object)  # takes a second to load\n"
        "from models.training.history import _fingerprint\n"
        "from scoring.observer import Settings\n"
        "from scoring.decode import DecodeLimits\n"
        "from scoring.profile import ProfileLimits\n"
        "settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())\n"
        "print(_fingerprint(types.SimpleNamespace(fingerprint='1'), settings))"
    )
    root = Path(__file__).parents[3]
    other = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(root)},
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits())
    assert len(settings.decode.pan_allowed) > 3, "settings have a set whose order may differ"
    assert other.stdout.strip() == _fingerprint(Recorded([]), settings)


def test_rows_are_made_anew_after_a_change_of_any_module_or_table_of_the_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history.resources, "files", lambda _: tmp_path)
    (tmp_path / "inner").mkdir()
    texts = {"a.py": "1", "inner/b.py": "2", "inner/c.yaml": "3", "inner/d.txt": "4"}

    def fingerprint(changed: dict[str, str]) -> str:
        for name, text in (texts | changed).items():
            (tmp_path / name).write_text(text)
        history._core.cache_clear()
        return _fingerprint(Recorded([]), SETTINGS)

    try:
        before = fingerprint({})
        assert fingerprint({}) == fingerprint({"inner/d.txt": "5"}) == before
        assert len({before, *(fingerprint({name: "5"}) for name in list(texts)[:3])}) == 4
        assert fingerprint({"a.py": "2", "inner/b.py": "1"}) != before
        assert fingerprint({"inner/a.py": "1"}) != before
    finally:
        history._core.cache_clear()


def test_another_history_or_a_damaged_state_begins_anew(tmp_path: Path) -> None:
    some = traffic()[:1_500]
    first = collected(tmp_path, Recorded(some))
    assert len(collected(tmp_path, Recorded(some[:900], name="2")).fraud) < len(first.fraud)
    (tmp_path / "state.json").write_bytes(b"{")
    assert collected(tmp_path, Recorded(some)).matrix[:].tobytes() == first.matrix[:].tobytes()


def test_labels_are_the_reports_by_their_receipt(whole: Samples) -> None:
    found = whole
    reports = [orjson.loads(record.value or b"") for record in traffic() if record.topic == "fraud-reports"]
    names = [orjson.loads(r.value or b"")["event_id"] for r in traffic() if r.topic == "authorizations"]
    rows = list(dict.fromkeys(names))
    expected = {report["event_id"] for report in reports if report["label"] in ("FRAUD", "MERCHANT_FRAUD")}
    assert {rows[i] for i in np.flatnonzero(found.fraud)} == expected & set(rows)
    assert found.unmatched == 0
    by_card: dict[int, set[object]] = {}
    for i in np.flatnonzero(found.fraud).tolist():
        by_card.setdefault(int(found.card[i]), set()).add(found.episode[i])
    assert all(len(names) == 1 for names in by_card.values()), "frauds of a card are one episode"
    assert len(set.union(*by_card.values())) == len(by_card) < int(found.fraud.sum())
    assert found.verdicts is not None
    moment = int(np.median(found.known_ms[found.fraud]))
    early = {
        record_id
        for record_id, at in ((report["event_id"], report["received_ts"]) for report in reports)
        if np.datetime64(at.removesuffix("Z"), "ms").astype(np.int64) <= moment
    }
    assert {rows[i] for i in np.flatnonzero(found.verdicts.at(moment))} == early & expected
    assert 0 < len(early & expected) < len(expected)


def test_rows_younger_than_maturity_are_in_no_part(tmp_path: Path, whole: Samples) -> None:
    found = whole
    parts = split(found, PLAN)
    end_ms = max(record.at_ms for record in traffic())
    for rows, cut in ((parts.train, parts.cuts_ms[0]), (parts.calibration, parts.cuts_ms[1]), (parts.test, end_ms)):
        assert found.event_ms[rows].max() < cut - MATURITY_MS
        assert found.event_ms[rows].max() > cut - MATURITY_MS - DAY_MS // 8
    complete = collected(tmp_path, Recorded(traffic(), days=1))
    assert split(complete, PLAN).test.stop == len(complete.fraud), "a column of frauds says all there is to know"
    assert label_lines(found, PLAN)[0].startswith("train: ")


def test_the_bundle_is_the_same_each_time(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert train_bundle(collected(tmp_path, Recorded(traffic())), PLAN)[0] == files
    assert Bundle.load(files, FEATURES).manifest.name == "test"


def test_lightgbm_learns_the_same_from_disk_as_from_memory(whole: Samples) -> None:
    found = whole
    parameters = {"objective": "binary", "deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}
    texts = set()
    for matrix in (found.matrix, found.matrix[:]):
        # only in memory LightGBM leaves out columns that cannot be split before it has read them all
        data = lightgbm.Dataset(matrix, found.fraud, params={"verbose": -1, "feature_pre_filter": False})
        texts.add(lightgbm.train(parameters, data, 4).model_to_string())
    assert len(texts) == 1


def test_a_report_received_after_a_cut_changes_nothing_that_was_learnt_before(
    tmp_path: Path, whole: Samples, files: dict[str, bytes]
) -> None:
    """Leakage: a report from the future, on a row of the training part."""
    base, found = traffic(), whole
    parts = split(found, PLAN)
    victims = [row for row in range(parts.train.start, parts.train.stop) if not found.fraud[row]][-40:]
    names = list(dict.fromkeys(orjson.loads(r.value or b"")["event_id"] for r in base if r.topic == "authorizations"))
    by_name = {
        orjson.loads(r.value or b"")["event_id"]: orjson.loads(r.value or b"")
        for r in base
        if r.topic == "authorizations"
    }
    models = {}
    for what, at_ms in (("future", parts.cuts_ms[1] + 1), ("past", parts.cuts_ms[0])):
        more = [late(by_name[names[row]], at_ms) for row in victims]
        records = sorted([*base, *more], key=lambda record: record.at_ms)  # stable: base is in order
        other = collected(tmp_path / what, Recorded(records, name=what))
        assert other.event_ms.tobytes() == found.event_ms.tobytes()
        # features of later rows may use the reports: only what the parts learn from is compared
        same = other.matrix[: parts.calibration.stop].tobytes() == found.matrix[: parts.calibration.stop].tobytes()
        models[what] = (train(other, PLAN).files["model.txt"] == files["model.txt"], same)
    assert models["future"] == (True, True)
    assert models["past"][0] is False, "the test sees what a label that is known in time does"


def late(event: dict[str, dict[str, str]], at_ms: int) -> Record:
    report = {
        "schema_version": "label.v1",
        "label_id": f"late-{event['event_id']}",
        "event_id": event["event_id"],
        "acquirer_id": event["acquirer"]["id"],
        "merchant_id": event["merchant"]["id"],
        "pan_hmac": event["card"]["pan_hmac"],
        "label": "FRAUD",
        "source": "TC40",
        "received_ts": str(np.datetime64(at_ms, "ms")) + "Z",
    }
    return Record("fraud-reports", b"k", orjson.dumps(report), at_ms)


def test_an_answer_changes_no_feature_of_its_own_payment_and_some_of_later_ones(tmp_path: Path) -> None:
    """Leakage: what the issuer answered is known only after the decision."""
    base = [record for record in traffic() if record.topic == "authorizations"][:1_200]
    names = [orjson.loads(record.value or b"")["event_id"] for record in base]
    rows = list(dict.fromkeys(names))
    whole = collected(tmp_path / "whole", Recorded(base)).matrix[:]
    changed = 0
    for place in (100, 400, 700):
        event = orjson.loads(base[place].value or b"")
        declined = event["outcome"].get("approved") is not True
        event["outcome"] = {"phase": "POST_AUTH", "approved": declined, "response_code": "00" if declined else "51"}
        other = [*base[:place], base[place]._replace(value=orjson.dumps(event)), *base[place + 1 :]]
        found = collected(tmp_path / str(place), Recorded(other, name=str(place))).matrix[:]
        until = rows.index(names[place]) + 1
        assert found[:until].tobytes() == whole[:until].tobytes()
        changed += found[until:].tobytes() != whole[until:].tobytes()
    assert changed
