"""Every decision of a worker that changed its policy comes out again bit for bit, by the policies that it recorded."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka.structs import TopicPartition

from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.policy import Policy, policy_from
from scoring.profile.changelog import Changelog
from scoring.profile.packed import POLICY as POLICY_KIND
from scoring.profile.packed import Packed, side_keys
from streams.config.settings import Settings
from streams.explain import apply, models
from streams.explain import topics as module
from streams.explain.every.command import as_json, lines, recorded_policies
from streams.explain.every.contents import Contents
from streams.explain.every.verification import Tally, Verification
from streams.explain.models import NOT_THERE, Folders, Models
from streams.explain.topics import InputTopics
from streams.kafka.topics import TopicsSettings
from streams.replay.lines import event_id_of
from tests.backtest.decided.test_walk import rule
from tests.bundles import bundle_until, files_until
from tests.compliance.inputs.test_topics import Reader
from tests.examples import is_quick
from tests.explain.worker import NAMES, PARTITIONS, POLICY, Worker, Written, bundle, new_engine, play, recorded
from tests.state.fakes import FakeBroker

PAYMENTS = 152 if is_quick() else 400
OTHERS = [
    policy_from({"version": "a", "global": {"review": 1, "step_up": 2, "block": 1000}}),
    policy_from(
        {
            "version": "b",
            "global": {"review": 900, "step_up": 950, "block": 1000},
            "rules": [rule("odd", "payment.amount_jpy % 3 == 0", "step_up")],
        }
    ),
]


def write_content(worker: Worker, policy: Policy) -> None:
    """Put the rows of a policy on the changelog of every partition, and tombstones behind them, as a flush does."""
    rows = worker.engine.compile(policy).record.rows
    for partition in range(PARTITIONS):
        tp = TopicPartition(NAMES.card_profiles, partition)
        for key, value in rows.items():
            name = side_keys(POLICY_KIND, partition, np.array([key], np.uint64)).astype("<u4").tobytes()
            worker.broker.append(tp, name, value, at_ms=1)
            worker.broker.append(tp, name, None, at_ms=2)
        worker.broker.append(tp, b"marker", b"{}", at_ms=3)


def changing(worker: Worker) -> Iterator[Written]:
    """Give records, and change the policy of the worker between them: to a, to b, and back."""
    first = worker.engine.in_use
    for number, record in enumerate(recorded(PAYMENTS)):
        if number in (PAYMENTS // 4, PAYMENTS // 2, 3 * PAYMENTS // 4):
            place = 4 * number // PAYMENTS - 1
            worker.engine.use(first if place == 2 else worker.engine.compile(OTHERS[place]))
        yield record


@pytest.fixture(scope="module")
def worker() -> Worker:
    made = Worker()
    for partition in range(PARTITIONS):
        made.broker.logs[TopicPartition(NAMES.card_profiles, partition)] = []
    for policy in OTHERS:
        write_content(made, policy)
    play(made, changing(made))
    return made


def verify(
    broker: FakeBroker,
    monkeypatch: pytest.MonkeyPatch,
    *given: Policy,
    since_ms: int | None = None,
    folders: Mapping[str, Path | None] | None = None,
    policy: Policy = POLICY,
    faults: dict[str, str] | None = None,
) -> tuple[Tally, bool]:
    """Decide again. `faults` takes why models are not there."""
    monkeypatch.setattr(module, "LogReader", lambda *_, **__: Reader(broker))
    settings = Settings(topics=TopicsSettings(names=NAMES))

    async def run() -> tuple[Tally, bool]:
        engine, contents = new_engine(policy), Contents()
        async with InputTopics(settings, None, lambda _: None, since_ms=since_ms) as topics:
            async with aclosing(topics.contents()) as found:
                async for partition, rows in found:
                    contents.take(partition, rows.keys, rows.values)
            extent = await topics.extent()
            policy_of = recorded_policies(engine, {policy.identity: policy for policy in given}, contents)
            by_version = Models(engine, Folders(Settings(), folders or {}))
            made = Verification(engine, policy_of, by_version, partitions=extent.partitions, topics=NAMES)
            async with aclosing(topics.portions(extent)) as portions:
                async for portion in portions:
                    made.take(portion)
            if faults is not None:
                faults.update(by_version.faults)
            return made.tally, extent.is_whole

    return asyncio.run(run())


def put_bundles(place: Path, *until_ms: int) -> list[Path]:
    """Write a bundle for each end of training into a folder of its own."""
    made = []
    for one in until_ms:
        made.append(place / str(one))
        made[-1].mkdir()
        for name, content in files_until(one).items():
            (made[-1] / name).write_bytes(content)
    return made


def version_in(folder: Path) -> str:
    """Return the version as decisions name it, from the bytes of the manifest."""
    manifest = (folder / "manifest.json").read_bytes()
    return f"{orjson.loads(manifest)['name']}-{hashlib.sha256(manifest).hexdigest()[:12]}"


def named(worker: Worker) -> Counter[str]:
    """Count the published decisions by the policy that they name."""
    return Counter(orjson.loads(value)["versions"]["policy"] for value in worker.published().values())


def test_every_decision_comes_out_by_the_policy_that_held(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    tally, is_whole = verify(worker.broker, monkeypatch)
    assert tally.equal == named(worker)
    assert set(tally.equal) == {new_engine().policy.identity, *(policy.identity for policy in OTHERS)}
    assert min(tally.equal.values()) > 10
    assert tally.is_exact
    assert is_whole
    assert (tally.different, tally.unknown_policy, tally.unpublished, tally.undecided) == (Counter(), Counter(), 0, 0)


@pytest.fixture
def without(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Give the worker with a changelog that has no contents any more."""
    for partition in range(PARTITIONS):
        monkeypatch.setitem(worker.broker.logs, TopicPartition(NAMES.card_profiles, partition), [])
    return worker


def test_a_policy_whose_content_is_gone_is_named_and_not_compared(
    without: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally, _ = verify(without.broker, monkeypatch)
    expected = named(without)
    assert tally.unknown_policy == {policy.identity: expected[policy.identity] for policy in OTHERS}
    own = new_engine().policy.identity
    assert tally.equal == {own: expected[own]}
    assert not tally.is_exact
    assert any(
        "its content is not there, name its file by --policy" in line for line in lines(tally, {}, is_whole=True)
    )
    assert verify(without.broker, monkeypatch, *OTHERS)[0].equal == expected


def changed(worker: Worker, monkeypatch: pytest.MonkeyPatch, place: int, **fields: Any) -> str:
    """Change a published decision of a partition, or take it away without fields. Return its id."""
    tp = TopicPartition(NAMES.decisions, 0)
    log = list(worker.broker.logs[tp])
    decision = orjson.loads(log[place].value or b"")
    value = orjson.dumps(decision | fields) if fields else b"{"
    log[place] = log[place]._replace(value=value)
    monkeypatch.setitem(worker.broker.logs, tp, log)
    return str(decision["decision_id"])


def test_payments_of_one_time_and_two_policies_are_decided_by_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker()
    worker.broker.logs[TopicPartition(NAMES.card_profiles, 0)] = []
    found = [one for one in recorded(60) if one.field == "authorizations" and one.partition == 0]
    own = list({event_id_of(one.value or b""): one for one in found if one.value != b"{"}.values())[:16]
    for one in own:
        worker.write(one)
    now_ms = max(one.at_ms for one in own) + 1
    for policy in OTHERS:
        worker.engine.use(worker.engine.compile(policy))
        worker.now_ms = now_ms
        worker.poll("authorizations", 0, len(own) // 2)
    assert len({str(orjson.loads(one)["times"]["received_ms"]) for one in worker.published().values()}) == 1
    tally, _ = verify(worker.broker, monkeypatch, *OTHERS)
    assert tally.equal == dict.fromkeys((policy.identity for policy in OTHERS), len(own) // 2)
    assert tally.is_exact


def test_rows_of_policies_beyond_a_limit_are_not_kept_and_their_policy_is_not_found() -> None:
    engine, partition = new_engine(), 1
    rows = {policy.identity: engine.compile(policy).record.rows for policy in OTHERS}

    def taken(bytes_max: int) -> Contents:
        contents = Contents(bytes_max)
        for own in (*rows.values(), rows[OTHERS[0].identity]):  # the first one is written again
            for key, value in own.items():
                name = side_keys(POLICY_KIND, partition, np.array([key], np.uint64)).astype("<u4").tobytes()
                contents.take(partition, [name], [value])
        return contents

    one, two = (sum(len(value) + 512 for value in own.values()) for own in rows.values())
    whole = taken(one + two)
    assert (whole.left_out, [whole.of(name) for name in rows]) == (0, [policy.content for policy in OTHERS])
    less = taken(one + two - 1)
    assert (less.left_out, [less.of(name) for name in rows]) == (1, [OTHERS[0].content, None])
    (said,) = lines(Tally(), {}, is_whole=True, left_out=3)
    assert said.startswith("3 rows of policies were not kept, beyond 256 MiB: name the files of policies")
    assert orjson.loads(as_json(Tally(), {}, is_whole=True, left_out=3))["policy_rows_left_out"] == 3


def test_what_is_noted_of_changed_rows_has_a_limit_that_changes_no_decision(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "NOTED_RECORDS_MAX", 40)
    flushed = Counter[int]()
    rows = 0
    real = Changelog.flush

    def flush(changelog: Changelog, partition: int) -> tuple[Packed, Packed]:
        nonlocal rows
        packed = real(changelog, partition)
        flushed[partition] += 1
        rows += sum(map(len, packed))
        return packed

    monkeypatch.setattr(Changelog, "flush", flush)
    tally, _ = verify(worker.broker, monkeypatch)
    assert tally.is_exact
    assert tally.equal == named(worker)
    records = sum(len(log) for tp, log in worker.broker.logs.items() if tp.topic in (*NAMES.inputs, NAMES.merchants))
    assert len(set(flushed.values())) == 1, "all partitions at once"
    assert len(flushed) == PARTITIONS
    assert 0 < flushed[0] <= records // 40
    assert rows > 1_000


def test_a_decision_that_differs_is_named_with_its_fields(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    name = changed(worker, monkeypatch, 5, score=7, band="STEP_UP")
    tally, _ = verify(worker.broker, monkeypatch)
    assert tally.different.total() == 1
    assert tally.equal.total() == len(worker.published()) - 1
    (shown,) = tally.shown
    assert shown[0] == name
    assert "$.score" in shown[1]
    assert tally.fields["$.score"] == 1
    assert not tally.is_exact
    assert f"{name}: {', '.join(shown[1])}" in list(lines(tally, {}, is_whole=True))
    told = orjson.loads(as_json(tally, {}, is_whole=True))
    assert (told["is_exact"], told["shown"]) == (False, [{"event_id": name, "paths": shown[1]}])


def test_an_event_without_a_published_decision_is_counted(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(worker.published())
    changed(worker, monkeypatch, 5)
    tally, _ = verify(worker.broker, monkeypatch)
    assert tally.unpublished == 1
    assert tally.equal.total() == count - 1
    assert tally.is_exact


def test_input_that_is_read_from_the_midst_is_told(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    times = sorted(orjson.loads(value)["times"]["record_ms"] for value in worker.published().values())
    tally, is_whole = verify(worker.broker, monkeypatch, since_ms=times[len(times) // 2])
    assert not is_whole
    assert tally.different.total() > 0
    assert next(iter(lines(tally, {}, is_whole=is_whole))).startswith("earlier input was not read")


MODELS: tuple[Bundle | NoModel, ...] = (bundle_until(1), NoModel.MISSING, bundle_until(2), NoModel.REFUSED)
RULES_ONLY = policy_from(
    {
        "version": "r",
        "global": {"review": 1, "step_up": 600, "block": 800},
        "model_failure": {"missing": "rules_only", "refused": "rules_only"},
        "rules": [rule("odd", "payment.amount_jpy % 3 == 0", "step_up")],
    }
)


@pytest.fixture(scope="module")
def swapped() -> Worker:
    """Play a worker that decides by five models in turn, two of which are none, and by the first one again."""
    made = Worker(engine=new_engine(RULES_ONLY))
    for partition in range(PARTITIONS):
        made.broker.logs[TopicPartition(NAMES.card_profiles, partition)] = []

    def changing_models() -> Iterator[Written]:
        records = list(recorded(PAYMENTS))
        paid = [number for number, record in enumerate(records) if record.field == "authorizations"]
        order = [*MODELS, bundle()]
        changes = {paid[len(paid) * place // 6]: model for place, model in enumerate(order, start=1)}
        for number, record in enumerate(records):
            if number in changes:
                made.engine.use_model(made.engine.judge_by(changes[number]))
            yield record

    play(made, changing_models())
    return made


def by_model(worker: Worker) -> Counter[str]:
    """Count the published decisions by the model that they name, in plain words."""
    return Counter(orjson.loads(value)["versions"]["model"] for value in worker.published().values())


def test_every_decision_comes_out_by_the_model_that_it_names(
    swapped: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders = {version_in(folder): folder for folder in put_bundles(tmp_path, 1, 2)}
    tally, is_whole = verify(swapped.broker, monkeypatch, folders=folders, policy=RULES_ONLY)
    expected = by_model(swapped)
    assert set(expected) == {bundle().version, "none", *folders}
    assert min(expected.values()) > 10
    states = {orjson.loads(value).get("model_state") for value in swapped.published().values()}
    assert states == {None, "MISSING", "REFUSED"}
    assert tally.models == expected
    assert tally.equal.total() == len(swapped.published())
    assert (tally.is_exact, is_whole, tally.unknown_model) == (True, True, Counter())


def test_decisions_of_a_model_that_is_not_there_are_counted_and_named_and_not_compared(
    swapped: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, two = put_bundles(tmp_path, 1, 2)
    first, second = version_in(one), version_in(two)
    (two / "model.txt").write_text("tree")
    faults: dict[str, str] = {}
    tally, _ = verify(swapped.broker, monkeypatch, folders={second: two}, policy=RULES_ONLY, faults=faults)
    expected = by_model(swapped)
    assert tally.unknown_model == {first: expected[first], second: expected[second]}
    assert tally.models == {name: count for name, count in expected.items() if name not in (first, second)}
    assert tally.equal.total() == tally.models.total()
    assert (tally.different, tally.is_exact) == (Counter(), False)
    said = list(lines(tally, faults, is_whole=True))
    assert f"model {first}: {expected[first]:,} not compared: {NOT_THERE}" in said
    (refused,) = [line for line in said if line.startswith(f"model {second}: ")]
    assert refused.startswith(
        f"model {second}: {expected[second]:,} not compared: its bundle is refused: model bundle "
    )
    told = orjson.loads(as_json(tally, faults, is_whole=True))
    assert told["unknown_model"][first] == {"decisions": expected[first], "cause": NOT_THERE}
    assert told["models"] == dict(tally.models)


def test_a_bundle_that_was_replaced_since_its_version_was_read_decides_nothing(
    swapped: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one, two = put_bundles(tmp_path, 1, 2)
    faults: dict[str, str] = {}
    folders = {version_in(one): two, version_in(two): two}
    tally, _ = verify(swapped.broker, monkeypatch, folders=folders, policy=RULES_ONLY, faults=faults)
    assert set(tally.unknown_model) == {version_in(one)}
    assert "was replaced meanwhile" in faults[version_in(one)]


def test_as_many_models_are_loaded_as_are_allowed_and_the_result_is_the_same(
    swapped: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(models, "LOADED_MAX", 1)
    folders = {version_in(folder): folder for folder in put_bundles(tmp_path, 1, 2)}
    tally, _ = verify(swapped.broker, monkeypatch, folders=folders | {bundle().version: None}, policy=RULES_ONLY)
    assert tally.is_exact
    assert tally.models == by_model(swapped)


def test_a_policy_that_stops_for_a_model_that_is_too_old_halts_no_recomputation(
    swapped: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of most decisions is not there, and the one in its place is too old for them."""
    failure = {"too_old": "stop", "max_age_days": 1}
    policy = policy_from(
        {"version": "s", "global": {"review": 1, "step_up": 600, "block": 800}} | {"model_failure": failure}
    )
    tally, _ = verify(swapped.broker, monkeypatch, policy=policy)
    assert tally.unknown_policy.total() == len(swapped.published())
